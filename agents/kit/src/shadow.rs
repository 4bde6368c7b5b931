//! A second mind beside an agent's own: another prompt or another model, on trial. It thinks about what
//! the agent settled, does nothing, and delays nothing; what it made of it is noted in the incident.
//!
//! Its looks go through the agent's own pipe, so it sees what the agent may see, but for what its agent
//! concluded. One situation at a time: what comes while it thinks is not compared.

use std::sync::{Arc, Mutex, PoisonError};

use ostler_core::{
    id::{IncidentId, ServiceKey},
    incident::CauseKind,
    shadow::{Agreement, Shadowed},
};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use crate::{
    client::{Caller, ToolInfo},
    paper,
    planner::{Choice, Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    recall,
    situation::Situation,
    text, world,
};

/// Tools that would show it what its agent concluded and did: a trial is to be its own thought.
const SPOILERS: [&str; 9] = [
    "get_incident",
    "list_incidents",
    "get_proposal",
    "list_proposals",
    "list_approvals",
    "list_changes",
    "list_agents",
    "list_audit",
    "export_audit",
];

/// What matters of a verdict, to tell one from another.
#[derive(Debug, Clone, PartialEq)]
pub struct Gist {
    outcome: Outcome,
    cause: Option<(CauseKind, ServiceKey)>,
    calls: Vec<(String, Map<String, Value>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Healthy,
    LooksAgain,
    CallsAPerson,
    Acts,
}

impl Gist {
    /// Of a verdict. Words, confidence and evidence are of no matter.
    #[must_use]
    pub fn of(verdict: &Verdict) -> Self {
        let (outcome, cause, calls) = match verdict {
            Verdict::Healthy => (Outcome::Healthy, None, None),
            Verdict::Unresolved { cause, person, .. } => {
                let outcome = if *person {
                    Outcome::CallsAPerson
                } else {
                    Outcome::LooksAgain
                };
                (outcome, cause.as_deref(), None)
            }
            Verdict::Proposal(body) => (Outcome::Acts, Some(&body.cause), Some(&body.calls)),
        };
        Self {
            outcome,
            cause: cause.map(|cause| (cause.kind, cause.culprit.clone())),
            calls: calls
                .into_iter()
                .flatten()
                .map(|call| (call.tool.clone(), call.arguments.clone()))
                .collect(),
        }
    }

    /// How this one compares with what the agent concluded.
    #[must_use]
    pub fn against(&self, agent: &Self) -> Agreement {
        if self.outcome != agent.outcome {
            Agreement::OtherOutcome
        } else if self.cause != agent.cause {
            Agreement::OtherCause
        } else if self.calls != agent.calls {
            Agreement::OtherCalls
        } else {
            Agreement::Same
        }
    }
}

/// What the agent settled, for its shadow to think about.
pub(crate) struct Settled {
    pub(crate) incident: IncidentId,
    pub(crate) situation: Situation,
    pub(crate) gist: Gist,
}

/// Where a shadow thinks.
pub(crate) struct Shadow {
    planner: Arc<dyn Planner>,
    room: Arc<Semaphore>,
    /// What it was last told to plan with: by that it is named also when its broker is away.
    choice: Arc<Mutex<Option<Choice>>>,
}

impl Shadow {
    pub(crate) fn new(planner: Arc<dyn Planner>) -> Self {
        Self {
            planner,
            room: Arc::new(Semaphore::new(1)),
            choice: Arc::default(),
        }
    }

    /// Begins to think beside the agent; whether it did.
    pub(crate) fn begin(
        &self,
        settled: Settled,
        caller: Arc<dyn Caller>,
        mut tools: Vec<ToolInfo>,
        calls: u32,
    ) -> bool {
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return false;
        };
        tools.retain(|tool| !SPOILERS.contains(&tool.name.as_str()));
        let (planner, choice) = (Arc::clone(&self.planner), Arc::clone(&self.choice));
        tokio::spawn(async move {
            let reader = Reader::new(&*caller, &tools, calls);
            let thought = planner.think(&settled.situation, &reader).await;
            let known = choice
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let told = thought
                .as_ref()
                .ok()
                .and_then(|thought| thought.mind.choice.clone());
            let told = told.or(known);
            choice
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone_from(&told);
            if let Some(choice) = told {
                let (words, shadowed) = compared(thought, choice, &settled);
                tracing::info!(incident = %settled.incident, "{words}");
                let noted =
                    world::note_shadow(&*caller, &settled.incident, &words, &shadowed).await;
                // A pipe that closed ends the agent itself.
                drop(paper::swallow(noted));
            }
            drop(place);
        });
        true
    }
}

/// What to note of a shadow's thought.
fn compared(
    thought: Result<Thought, PlannerError>,
    choice: Choice,
    settled: &Settled,
) -> (String, Shadowed) {
    let Choice { models, prompt } = choice;
    let who = format!(
        "a shadow ({}, prompt {})",
        models.join(", then "),
        text::cut(&prompt, 12)
    );
    let (agreement, mut words, overreached) = match thought {
        Err(error) => (Agreement::Unheard, format!("was not heard: {error}"), None),
        Ok(Thought { verdict, mind }) => {
            let verdict = recall::weigh(verdict, &settled.situation);
            let heard = models.contains(&mind.planner);
            let agreement = if heard {
                Gist::of(&verdict).against(&settled.gist)
            } else {
                Agreement::Unheard
            };
            let words = match agreement {
                Agreement::Unheard if mind.passed_over.is_empty() => {
                    "was not asked: by then its rules saw nothing wrong".to_owned()
                }
                Agreement::Unheard => format!("was not heard: {}", mind.passed_over.join("; ")),
                Agreement::Same => "concluded the same".to_owned(),
                other => format!("concluded otherwise, {other}: {}", said(&verdict)),
            };
            (agreement, words, Some(mind.overreached))
        }
    };
    let overreached = overreached.filter(|tools| !tools.is_empty());
    if let Some(tools) = &overreached {
        // First, so that nothing longer hides it.
        let tools: Vec<&str> = tools.iter().map(String::as_str).collect();
        let tools = text::cut(&tools.join(", "), 120);
        words = format!("asked for tools beyond its reach ({tools}) and {words}");
    }
    let shadowed = Shadowed {
        planner: models,
        prompt,
        agreement,
        overreached: overreached.is_some(),
    };
    (text::claim(&format!("{who} {words}")), shadowed)
}

/// A verdict in a line.
fn said(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Healthy => "nothing is wrong".to_owned(),
        Verdict::Unresolved { why, person, .. } => {
            let does = if *person {
                "it would call a person"
            } else {
                "it would look again"
            };
            format!("{does}: {why}")
        }
        Verdict::Proposal(body) => format!(
            "it would {} ({:.0} %: {})",
            body.title,
            body.cause.confidence * 100.0,
            body.cause.explanation
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use async_trait::async_trait;
    use ostler_core::{
        incident::Cause,
        plan::ServiceState,
        proposal::{ProposalBody, ProposedCall, Verify},
        time::Span,
    };

    use super::*;
    use crate::{
        client::{CallError, Reply},
        planner::Mind,
        situation::tests::empty,
    };

    fn cause(kind: CauseKind) -> Cause {
        Cause {
            kind,
            culprit: "cart".parse().unwrap(),
            confidence: 0.9,
            explanation: "so it is".into(),
            evidence: Vec::new(),
        }
    }

    fn proposal(kind: CauseKind, tool: &str) -> Verdict {
        Verdict::Proposal(Box::new(ProposalBody {
            title: format!("use {tool}"),
            cause: cause(kind),
            calls: vec![ProposedCall {
                tool: tool.into(),
                arguments: Map::new(),
                reason: String::new(),
            }],
            expected: String::new(),
            verify: Verify {
                service: "cart".parse().unwrap(),
                state: ServiceState::Healthy,
                hold: Span::seconds(10),
                within: Span::seconds(60),
            },
            alternatives: Vec::new(),
        }))
    }

    fn unresolved(cause: Option<Cause>, person: bool) -> Verdict {
        Verdict::Unresolved {
            why: "who knows".into(),
            cause: cause.map(Box::new),
            person,
        }
    }

    #[test]
    fn what_would_be_done_counts_and_words_do_not() {
        let agent = Gist::of(&proposal(CauseKind::BadChange, "rollback_service"));
        let compare = |verdict: &Verdict| Gist::of(verdict).against(&agent);
        let mut other_words = proposal(CauseKind::BadChange, "rollback_service");
        if let Verdict::Proposal(body) = &mut other_words {
            body.title = "go back".into();
            body.cause.confidence = 0.7;
        }
        assert_eq!(compare(&other_words), Agreement::Same);
        let calls = proposal(CauseKind::BadChange, "restart_instances");
        assert_eq!(compare(&calls), Agreement::OtherCalls);
        let cause_ = proposal(CauseKind::MemoryLeak, "rollback_service");
        assert_eq!(compare(&cause_), Agreement::OtherCause);
        for none in [Verdict::Healthy, unresolved(None, true)] {
            assert_eq!(compare(&none), Agreement::OtherOutcome);
        }
        let waits = |kind, person| Gist::of(&unresolved(Some(cause(kind)), person));
        let agent = waits(CauseKind::Crash, true);
        assert_eq!(
            waits(CauseKind::Crash, false).against(&agent),
            Agreement::OtherOutcome
        );
        assert_eq!(
            waits(CauseKind::Deadlock, true).against(&agent),
            Agreement::OtherCause
        );
    }

    /// Thinks this, as a model of that name would, having asked for these tools.
    struct Says(Verdict, &'static str, &'static [&'static str]);

    #[async_trait]
    impl Planner for Says {
        async fn think(&self, _: &Situation, _: &Reader<'_>) -> Result<Thought, PlannerError> {
            tokio::time::sleep(std::time::Duration::from_secs(30)).await;
            Ok(Thought {
                verdict: self.0.clone(),
                mind: Mind {
                    planner: self.1.into(),
                    choice: Some(Choice {
                        models: vec!["local:m".into()],
                        prompt: "ab".repeat(32),
                    }),
                    passed_over: vec!["local:m (too late)".into()],
                    overreached: self.2.iter().map(|&tool| tool.to_owned()).collect(),
                    ..Mind::default()
                },
            })
        }
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<(String, Map<String, Value>)>>);

    #[async_trait]
    impl Caller for Heard {
        async fn call(
            &self,
            tool: &str,
            arguments: Map<String, Value>,
        ) -> Result<Reply, CallError> {
            let mut heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push((tool.to_owned(), arguments));
            Err(CallError::Failed {
                words: "nobody answers".into(),
            })
        }

        async fn tools(&self) -> Result<Vec<ToolInfo>, CallError> {
            Ok(Vec::new())
        }
    }

    fn settled(gist: Gist) -> Settled {
        Settled {
            incident: "inc_1".parse().unwrap(),
            situation: empty("cart"),
            gist,
        }
    }

    async fn noted(shadow: Says, agent: &Verdict) -> (String, String) {
        let heard = Arc::new(Heard::default());
        let shadow = Shadow::new(Arc::new(shadow));
        let begin = || {
            let caller = Arc::clone(&heard) as Arc<dyn Caller>;
            shadow.begin(settled(Gist::of(agent)), caller, Vec::new(), 0)
        };
        assert!(begin() && !begin(), "one at a time");
        tokio::time::sleep(std::time::Duration::from_secs(31)).await;
        let heard = heard.0.lock().unwrap();
        let [(tool, said)] = &heard[..] else {
            panic!("{heard:?}")
        };
        assert_eq!(tool, "note_incident");
        assert!(
            said.keys()
                .all(|key| ["incident", "note", "shadow"].contains(&&**key))
        );
        let agreement = said["shadow"]["agreement"].as_str().unwrap();
        (
            agreement.to_owned(),
            said["note"].as_str().unwrap().to_owned(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn it_notes_what_it_made_of_it_and_nothing_else() {
        let agent = proposal(CauseKind::BadChange, "rollback_service");
        let leak = || proposal(CauseKind::MemoryLeak, "set_limits");
        let (agreement, words) = noted(Says(leak(), "local:m", &[]), &agent).await;
        assert_eq!(agreement, "other_cause");
        assert_eq!(
            words,
            "a shadow (local:m, prompt abababababa…) concluded otherwise, another cause: \
             it would use set_limits (90 %: so it is)"
        );
        let (agreement, words) = noted(Says(agent.clone(), "local:m", &["approve"]), &agent).await;
        assert_eq!(agreement, "same");
        let tried = "asked for tools beyond its reach (approve) and concluded the same";
        assert!(words.ends_with(tried), "{words}");
        // The rules took the turn: that says nothing of the model.
        let (agreement, words) = noted(Says(leak(), "rules", &[]), &agent).await;
        assert_eq!(agreement, "unheard");
        assert!(
            words.ends_with("was not heard: local:m (too late)"),
            "{words}"
        );
    }
}
