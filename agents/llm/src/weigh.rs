//! What a model concluded, weighed against what the rules conclude from the same facts.
//!
//! A model may lower what the rules would do, never raise it: a cause that the rules see too gets
//! the lower of both confidences, one that only the model sees gets at most [`ALONE`]; where the
//! rules call for a person, a person is called; a symptom that the rules explain is never waved away.

use ostler_agents_kit::{
    planner::{ACT_FROM, Verdict},
    text,
};
use ostler_core::{incident::Cause, proposal::ProposalBody};

/// The most that a model's word alone is worth.
pub const ALONE: f64 = 0.75;
/// What a model's doubt takes from the rules' confidence.
const DOUBT: f64 = 0.15;
/// Most alternatives of a proposal.
const ALTERNATIVES_LIMIT: usize = 10;

/// The verdict that both allow.
#[must_use]
pub fn weigh(rules: Verdict, model: Verdict) -> Verdict {
    match (rules, model) {
        (Verdict::Healthy, _) => Verdict::Healthy,
        (rules, Verdict::Proposal(body)) => proposed(rules, *body),
        (rules, Verdict::Healthy) => waved_away(rules),
        (rules, Verdict::Unresolved { why, cause, person }) => doubted(rules, why, cause, person),
    }
}

fn proposed(rules: Verdict, mut body: ProposalBody) -> Verdict {
    match rules {
        Verdict::Healthy => return Verdict::Healthy,
        Verdict::Unresolved {
            why,
            cause,
            person: true,
        } => {
            let why = format!("{why}. A model would: {}", body.title);
            return Verdict::Unresolved {
                why: text::claim(&why),
                cause: cause.or(Some(Box::new(body.cause))),
                person: true,
            };
        }
        Verdict::Unresolved { cause, .. } => cap(&mut body.cause, cause.as_deref()),
        Verdict::Proposal(theirs) => {
            cap(&mut body.cause, Some(&theirs.cause));
            if theirs.calls != body.calls {
                body.alternatives.truncate(ALTERNATIVES_LIMIT - 1);
                let words = format!(
                    "rules would ({:.0} %): {}",
                    theirs.cause.confidence * 100.0,
                    theirs.title
                );
                body.alternatives.push(text::claim(&words));
            }
        }
    }
    or_a_person(body)
}

/// A proposal that is sure enough, else a cause for a person.
fn or_a_person(body: ProposalBody) -> Verdict {
    if body.cause.confidence >= ACT_FROM {
        return Verdict::Proposal(Box::new(body));
    }
    let why = format!("{}; not sure enough to act", body.cause.explanation);
    Verdict::Unresolved {
        why: text::claim(&why),
        cause: Some(Box::new(body.cause)),
        person: true,
    }
}

fn cap(model: &mut Cause, rules: Option<&Cause>) {
    let same = rules.filter(|rules| rules.kind == model.kind && rules.culprit == model.culprit);
    let most = same.map_or(ALONE, |rules| rules.confidence);
    model.confidence = model.confidence.min(most);
}

/// The model sees nothing wrong, but the rules do: a person decides.
fn waved_away(rules: Verdict) -> Verdict {
    match rules {
        Verdict::Proposal(body) => Verdict::Unresolved {
            why: text::claim(&format!(
                "rules would: {}; a model sees nothing wrong",
                body.title
            )),
            cause: Some(Box::new(body.cause)),
            person: true,
        },
        unresolved => unresolved,
    }
}

/// The model does not settle it: what the rules would do is worth less, and a person is called if
/// either asks for one.
fn doubted(rules: Verdict, why: String, cause: Option<Box<Cause>>, person: bool) -> Verdict {
    match rules {
        Verdict::Healthy => Verdict::Healthy,
        Verdict::Proposal(mut body) => {
            body.cause.confidence = (body.cause.confidence - DOUBT).max(0.0);
            body.alternatives.truncate(ALTERNATIVES_LIMIT - 1);
            body.alternatives
                .push(text::claim(&format!("a model doubts it: {why}")));
            or_a_person(*body)
        }
        Verdict::Unresolved {
            why: rules_why,
            cause: rules_cause,
            person: rules_person,
        } => {
            let cause = rules_cause.or_else(|| {
                cause.map(|mut cause| {
                    cap(&mut cause, None);
                    cause
                })
            });
            Verdict::Unresolved {
                why: text::claim(&format!("{why} (rules: {rules_why})")),
                cause,
                person: person || rules_person,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ostler_core::{
        incident::CauseKind,
        plan::ServiceState,
        proposal::{ProposedCall, Verify},
        time::Span,
    };

    use super::*;

    fn cause(kind: CauseKind, confidence: f64) -> Cause {
        Cause {
            kind,
            culprit: "cart".parse().unwrap(),
            confidence,
            explanation: "so it is".into(),
            evidence: vec![],
        }
    }

    fn proposal(tool: &str, kind: CauseKind, confidence: f64) -> Verdict {
        Verdict::Proposal(Box::new(ProposalBody {
            title: format!("use {tool}"),
            cause: cause(kind, confidence),
            calls: vec![ProposedCall {
                tool: tool.into(),
                arguments: serde_json::Map::new(),
                reason: String::new(),
            }],
            expected: String::new(),
            verify: Verify {
                service: "cart".parse().unwrap(),
                state: ServiceState::Healthy,
                hold: Span::seconds(10),
                within: Span::seconds(60),
            },
            alternatives: vec!["another".into(); 10],
        }))
    }

    fn unresolved(cause: Option<Cause>, person: bool) -> Verdict {
        Verdict::Unresolved {
            why: "who knows".into(),
            cause: cause.map(Box::new),
            person,
        }
    }

    fn confidence(verdict: &Verdict) -> f64 {
        match verdict {
            Verdict::Proposal(body) => body.cause.confidence,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_lower_confidence_counts_and_a_models_word_alone_is_worth_less() {
        use CauseKind::{BadChange, Deadlock};
        let rules = || proposal("rollback_service", BadChange, 0.8);
        let both = weigh(rules(), proposal("rollback_service", BadChange, 0.99));
        assert_eq!(confidence(&both), 0.8);
        let lower = weigh(rules(), proposal("rollback_service", BadChange, 0.65));
        assert_eq!(confidence(&lower), 0.65);
        let alone = weigh(
            unresolved(None, false),
            proposal("restart_instances", Deadlock, 0.99),
        );
        assert_eq!(confidence(&alone), ALONE);
        let other = weigh(rules(), proposal("restart_instances", Deadlock, 0.99));
        assert_eq!(confidence(&other), ALONE);
        let Verdict::Proposal(body) = other else {
            panic!()
        };
        assert_eq!(body.alternatives.len(), ALTERNATIVES_LIMIT);
        assert_eq!(
            body.alternatives.last().unwrap(),
            "rules would (80 %): use rollback_service"
        );
        let weak = weigh(rules(), proposal("rollback_service", BadChange, 0.3));
        assert!(
            matches!(weak, Verdict::Unresolved { person: true, .. }),
            "{weak:?}"
        );
    }

    #[test]
    fn no_model_talks_the_rules_out_of_calling_a_person() {
        use CauseKind::Crash;
        let rules = || unresolved(Some(cause(Crash, 0.5)), true);
        for model in [
            proposal("restart_instances", Crash, 1.0),
            Verdict::Healthy,
            unresolved(None, false),
        ] {
            let verdict = weigh(rules(), model);
            let Verdict::Unresolved { cause, person, .. } = &verdict else {
                panic!("{verdict:?}")
            };
            assert!(*person);
            assert_eq!(cause.as_ref().unwrap().kind, Crash);
        }
    }

    #[test]
    fn a_symptom_that_rules_explain_is_never_waved_away() {
        let rules = || proposal("rollback_service", CauseKind::BadChange, 0.9);
        let waved = weigh(rules(), Verdict::Healthy);
        assert!(
            matches!(waved, Verdict::Unresolved { person: true, .. }),
            "{waved:?}"
        );
        let doubted = weigh(rules(), unresolved(None, false));
        assert!((confidence(&doubted) - 0.75).abs() < 1e-9);
        let weak = proposal("rollback_service", CauseKind::BadChange, 0.7);
        let doubted = weigh(weak, unresolved(None, false));
        assert!(
            matches!(doubted, Verdict::Unresolved { person: true, .. }),
            "{doubted:?}"
        );
    }

    #[test]
    fn what_is_healthy_to_rules_stays_so() {
        let model = proposal("restart_instances", CauseKind::Deadlock, 1.0);
        assert_eq!(weigh(Verdict::Healthy, model), Verdict::Healthy);
    }
}
