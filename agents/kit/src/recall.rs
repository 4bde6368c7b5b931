//! Memory: incidents of the past that looked like this one, and what they teach. Pure.
//!
//! What worked before is worth a little more, what failed before less, and a cause that a person
//! said was not it much less: below the bound for acting, a person decides.

use std::collections::BTreeSet;

use ostler_core::{
    incident::{Cause, Correction, Evidence},
    proposal::{ProposalBody, ProposalState},
    time::Span,
};
use ostler_tools::answer::{IncidentDetail, IncidentSummary};

use crate::{
    planner::{ACT_FROM, Verdict},
    situation::{Cited, Situation},
    symptom::SymptomKind,
};

/// Most incidents of the past that are read for one situation.
const ALIKE_LIMIT: usize = 3;
/// Older ones are forgotten: services change.
const MEMORY: Span = Span::minutes(90 * 24 * 60);
/// What a fix that worked before adds to a confidence, and the most that it adds up to.
const WORKED: f64 = 0.05;
const MOST: f64 = 0.97;
/// What is left of a confidence whose fix failed before …
const FAILED: f64 = 0.75;
/// … and of one whose cause a person said was not it.
const CORRECTED: f64 = 0.5;
/// Most claims of a cause; room is kept for what the planner saw itself.
const EVIDENCE_LIMIT: usize = 40;

/// Incidents of the same service that are over or corrected and showed symptoms like these, newest
/// first.
#[must_use]
pub fn alike<'a>(all: &'a [IncidentSummary], situation: &Situation) -> Vec<&'a IncidentSummary> {
    let now: BTreeSet<&str> = situation
        .symptoms_of(&situation.subject)
        .map(|symptom| symptom.kind.name())
        .collect();
    let resembles = |past: &&IncidentSummary| {
        past.service == situation.subject
            && (past.closed_at.is_some() || past.correction.is_some())
            && situation.now.since(past.opened_at) <= MEMORY
            && overlap(&past.symptoms, &now)
    };
    let mut alike: Vec<&IncidentSummary> = all.iter().filter(resembles).collect();
    alike.sort_by_key(|past| std::cmp::Reverse(past.opened_at));
    alike.truncate(ALIKE_LIMIT);
    alike
}

/// Whether at least half of all symptoms of both are in both.
fn overlap(past: &BTreeSet<String>, now: &BTreeSet<&str>) -> bool {
    let past: BTreeSet<&str> = past.iter().map(|kind| sort(kind)).collect();
    let now: BTreeSet<&str> = now.iter().map(|kind| sort(kind)).collect();
    let both = past.intersection(&now).count();
    let either = past.union(&now).count();
    both > 0 && both * 2 >= either
}

/// Being down and being degraded are one: how many instances are left says nothing of why.
fn sort(kind: &str) -> &str {
    if kind == SymptomKind::Degraded.name() {
        SymptomKind::Down.name()
    } else {
        kind
    }
}

/// What an incident of the past says of a plan.
enum Lesson<'a> {
    Worked(&'a str),
    Failed(&'a str, ProposalState),
    Corrected(&'a Correction),
}

/// A verdict in the light of the past; what was taken into account is cited.
#[must_use]
pub fn weigh(verdict: Verdict, situation: &Situation) -> Verdict {
    let Verdict::Proposal(mut body) = verdict else {
        return verdict;
    };
    let mut corrected = None;
    for past in &situation.past {
        let Some(lesson) = lesson(&past.value, &body) else {
            continue;
        };
        if let Lesson::Corrected(correction) = &lesson {
            corrected = Some(format!(
                "in `{}`, with the same symptoms, {} said that it was not this: {}",
                past.value.incident.id, correction.by, correction.words
            ));
        }
        learn(&mut body.cause, past, &lesson);
    }
    match corrected {
        Some(why) if body.cause.confidence < ACT_FROM => Verdict::Unresolved {
            why,
            cause: Some(Box::new(body.cause)),
            person: true,
        },
        _ => Verdict::Proposal(body),
    }
}

fn lesson<'a>(past: &'a IncidentDetail, body: &ProposalBody) -> Option<Lesson<'a>> {
    let believed = past.incident.cause.as_ref()?;
    if believed.culprit != body.cause.culprit {
        return None;
    }
    if let Some(correction) = &past.incident.correction
        && correction.wrong == body.cause.kind
    {
        return Some(Lesson::Corrected(correction));
    }
    let tools = || body.calls.iter().map(|call| &call.tool);
    let same = past
        .proposals
        .iter()
        .filter(|tried| tried.calls.iter().eq(tools()));
    let last = same.max_by_key(|tried| tried.at)?;
    match last.state {
        ProposalState::Verified if believed.kind == body.cause.kind => {
            Some(Lesson::Worked(&last.title))
        }
        ProposalState::Undone | ProposalState::Failed => {
            Some(Lesson::Failed(&last.title, last.state))
        }
        _ => None,
    }
}

fn learn(cause: &mut Cause, past: &Cited<IncidentDetail>, lesson: &Lesson<'_>) {
    let id = &past.value.incident.id;
    let (confidence, claim) = match lesson {
        Lesson::Worked(title) => (
            (cause.confidence + WORKED).min(MOST.max(cause.confidence)),
            format!("seen before in `{id}`: “{title}” was verified"),
        ),
        Lesson::Failed(title, state) => {
            let how = match state {
                ProposalState::Undone => "did not help and was taken back",
                _ => "did not help",
            };
            let claim = format!("tried before in `{id}`: “{title}” {how}");
            (cause.confidence * FAILED, claim)
        }
        Lesson::Corrected(correction) => (
            cause.confidence * CORRECTED,
            format!(
                "{} said in `{id}` that it was not this: {}",
                correction.by, correction.words
            ),
        ),
    };
    cause.confidence = confidence;
    if cause.evidence.len() < EVIDENCE_LIMIT {
        // A title may quote what a model wrote.
        cause.evidence.push(Evidence {
            untrusted: true,
            ..past.claim(claim)
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ostler_core::{
        id::{CallId, ServiceKey},
        incident::{CauseKind, Incident, IncidentState},
        plan::ServiceState,
        proposal::{ProposedCall, Verify},
        time::Time,
    };
    use ostler_tools::answer::ProposalSummary;

    use super::*;
    use crate::symptom::{Symptom, SymptomKind};

    const DAY: u64 = 86_400_000;

    fn cart() -> ServiceKey {
        "shop/cart".parse().unwrap()
    }

    fn call() -> CallId {
        CallId::new("call_1").unwrap()
    }

    fn cause(kind: CauseKind, confidence: f64) -> Cause {
        Cause {
            kind,
            culprit: cart(),
            confidence,
            explanation: "as seen".to_owned(),
            evidence: Vec::new(),
        }
    }

    fn past(state: ProposalState, corrected: Option<CauseKind>) -> IncidentDetail {
        let at = Time(90 * DAY);
        IncidentDetail {
            incident: Incident {
                id: "inc_old".parse().unwrap(),
                service: cart(),
                state: IncidentState::Resolved,
                title: "cart: crash loop".to_owned(),
                opened_by: "agent:healer".to_owned(),
                opened_at: at,
                began_at: at,
                closed_at: Some(at),
                cause: Some(cause(CauseKind::BadChange, 0.9)),
                proposals: Vec::new(),
                timeline: Vec::new(),
                symptoms: ["crash_loop", "down"].map(str::to_owned).into(),
                correction: corrected.map(|wrong| Correction {
                    by: "user:ann".to_owned(),
                    at,
                    wrong,
                    cause: None,
                    words: "the disk was full".to_owned(),
                }),
            },
            proposals: vec![ProposalSummary {
                id: "prp_old".parse().unwrap(),
                incident: "inc_old".parse().unwrap(),
                by: "agent:healer".to_owned(),
                at,
                state,
                title: "Roll back".to_owned(),
                calls: vec!["rollback_service".to_owned()],
                approval: None,
                outcome: None,
            }],
        }
    }

    fn situation(past: Option<IncidentDetail>) -> Situation {
        fn cited<T: Default>() -> Cited<T> {
            Cited {
                call: call(),
                value: T::default(),
            }
        }
        let symptom = |kind| Symptom {
            service: cart(),
            instance: None,
            kind,
            since: Time(0),
            claim: String::new(),
            call: call(),
        };
        Situation {
            now: Time(100 * DAY),
            subject: cart(),
            symptoms: vec![symptom(SymptomKind::CrashLoop)],
            services: cited(),
            instances: cited(),
            graph: cited(),
            facts: BTreeMap::new(),
            callers: BTreeMap::new(),
            nodes: BTreeMap::new(),
            past: past
                .map(|value| Cited {
                    call: call(),
                    value,
                })
                .into_iter()
                .collect(),
            refused: Vec::new(),
        }
    }

    fn plan() -> Verdict {
        Verdict::Proposal(Box::new(ProposalBody {
            title: "Roll back".to_owned(),
            cause: cause(CauseKind::BadChange, 0.9),
            calls: vec![ProposedCall {
                tool: "rollback_service".to_owned(),
                arguments: serde_json::Map::new(),
                reason: String::new(),
            }],
            expected: String::new(),
            verify: Verify {
                service: cart(),
                state: ServiceState::Healthy,
                hold: Span::seconds(1),
                within: Span::seconds(1),
            },
            alternatives: Vec::new(),
        }))
    }

    fn weighed(past: Option<IncidentDetail>) -> (f64, Vec<String>) {
        match weigh(plan(), &situation(past)) {
            Verdict::Proposal(body) => {
                let claims = body.cause.evidence.iter().map(|one| one.claim.clone());
                (body.cause.confidence, claims.collect())
            }
            other => panic!("no plan: {other:?}"),
        }
    }

    #[test]
    fn what_worked_before_is_cited_and_counts_a_little() {
        let (confidence, claims) = weighed(Some(past(ProposalState::Verified, None)));
        assert!((confidence - 0.95).abs() < 1e-9);
        assert_eq!(
            claims,
            ["seen before in `inc_old`: “Roll back” was verified"]
        );
        assert_eq!(weighed(None), (0.9, Vec::new()));
    }

    #[test]
    fn what_failed_before_counts_less() {
        let (confidence, claims) = weighed(Some(past(ProposalState::Undone, None)));
        assert!((confidence - 0.675).abs() < 1e-9);
        assert!(claims[0].contains("was taken back"), "{claims:?}");
    }

    #[test]
    fn a_cause_that_a_person_corrected_is_for_a_person() {
        let past = past(ProposalState::Verified, Some(CauseKind::BadChange));
        let Verdict::Unresolved { why, cause, person } = weigh(plan(), &situation(Some(past)))
        else {
            panic!("it acts");
        };
        assert!(
            person && why.contains("user:ann") && why.contains("the disk was full"),
            "{why}"
        );
        assert!((cause.unwrap().confidence - 0.45).abs() < 1e-9);
        // Another cause was corrected: nothing against this one.
        let other = self::past(ProposalState::Waiting, Some(CauseKind::Deadlock));
        assert_eq!(weighed(Some(other)), (0.9, Vec::new()));
    }

    #[test]
    fn alike_are_those_that_share_half_of_their_symptoms_and_are_over() {
        let summary = |past: &IncidentDetail| IncidentSummary {
            id: past.incident.id.clone(),
            service: past.incident.service.clone(),
            state: past.incident.state,
            title: String::new(),
            opened_at: past.incident.opened_at,
            closed_at: past.incident.closed_at,
            cause: None,
            culprit: None,
            confidence: None,
            proposals: Vec::new(),
            symptoms: past.incident.symptoms.clone(),
            correction: None,
        };
        let one = summary(&past(ProposalState::Verified, None));
        let other_symptoms = IncidentSummary {
            symptoms: ["latency", "crash_loop", "degraded"]
                .map(str::to_owned)
                .into(),
            ..one.clone()
        };
        let open = IncidentSummary {
            closed_at: None,
            ..one.clone()
        };
        let elsewhere = IncidentSummary {
            service: "shop/store".parse().unwrap(),
            ..one.clone()
        };
        let long_ago = IncidentSummary {
            opened_at: Time(0),
            ..one.clone()
        };
        let all = [other_symptoms, open, elsewhere, long_ago, one.clone()];
        assert_eq!(alike(&all, &situation(None)), [&one]);
    }
}
