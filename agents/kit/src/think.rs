//! Thinking: new symptoms find their case or get one; a verdict is written down and moves the case on.
//!
//! Who thought is written down too, whenever a model was asked.

use std::{sync::Arc, time::Duration};

use ostler_core::{
    id::ServiceKey,
    incident::IncidentState,
    time::{Span, Time},
};
use ostler_tools::proposals::LEASED;

use crate::{
    agent::Agent,
    case::{Case, Phase},
    client::{CallError, Caller},
    gather::Gather,
    paper,
    planner::{Planner, PlannerError, Thought, Verdict},
    reader::Reader,
    recall,
    refused::Refused,
    shadow::{Gist, Settled},
    situation::{Situation, Web},
    symptom::Symptom,
};

/// How often an agent that thinks says that it lives: less than what its supervisor calls silence.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// A situation, and what was concluded of it.
struct Considered {
    thought: Thought,
    situation: Situation,
}

impl Agent {
    /// Symptoms that belong to no case yet: attach them to the case of their culprit, or look into
    /// the one furthest upstream.
    pub(crate) async fn look_into_new(
        &mut self,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<(), CallError> {
        self.quiet
            .retain(|service, _| symptoms.iter().any(|symptom| &symptom.service == service));
        let mut due = None;
        for symptom in symptoms {
            if self
                .cases
                .iter()
                .any(|case| case.services.contains(&symptom.service))
            {
                continue;
            }
            let Some(glance) = self.look.glance() else {
                return Ok(());
            };
            let web = Web {
                services: &glance.services.value,
                graph: &glance.graph.value,
                symptoms,
            };
            let own = symptoms.iter().filter(|one| one.service == symptom.service);
            let culprit = match own.into_iter().all(|one| one.kind.is_chance()) {
                true => symptom.service.clone(),
                false => web.culprit_of(&symptom.service).clone(),
            };
            let about = |case: &&mut Case| case.culprit == culprit || case.patient == culprit;
            if let Some(case) = self.cases.iter_mut().find(about) {
                case.services.insert(symptom.service.clone());
                let words = format!(
                    "belongs here, as `{}` needs `{culprit}`: {}",
                    symptom.service, symptom.claim
                );
                paper::note(&*self.caller, case, &words, None, None).await?;
                continue;
            }
            let subject = if web.has_symptom(&culprit) {
                culprit
            } else {
                symptom.service.clone()
            };
            let waits = self
                .quiet
                .get(&subject)
                .is_some_and(|(_, again_at)| now < *again_at);
            if due.is_none() && !waits {
                due = Some(subject);
            }
        }
        match due {
            Some(subject) => self.consider(&subject, symptoms, now).await,
            None => Ok(()),
        }
    }

    /// Looks into a symptom for which there is no incident yet.
    async fn consider(
        &mut self,
        subject: &ServiceKey,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<(), CallError> {
        let looks = self
            .quiet
            .get(subject)
            .map_or(0, |(looks, _)| *looks)
            .saturating_add(1);
        self.quiet
            .insert(subject.clone(), (looks, now + pause_after(looks)));
        if self.cases.len() >= self.parts.budget.open_incidents {
            tracing::warn!(%subject, "too many open incidents to open another");
            return Ok(());
        }
        let Some(considered) = self.think(subject, symptoms, &[], now).await? else {
            return Ok(());
        };
        let culprit = match &considered.thought.verdict {
            Verdict::Healthy => return Ok(()),
            Verdict::Unresolved {
                cause: None,
                person: false,
                ..
            } if looks < 4 => return Ok(()),
            Verdict::Unresolved { cause, .. } => {
                cause.as_ref().map_or(subject, |cause| &cause.culprit)
            }
            Verdict::Proposal(body) => &body.cause.culprit,
        };
        let culprit = culprit.clone();
        if let Some(case) = self.cases.iter_mut().find(|case| case.culprit == culprit) {
            case.services.insert(subject.clone());
            return Ok(());
        }
        let mut case = match self.open(subject, culprit, symptoms, now).await {
            // Somebody else's incident is open for it, or policy says no: they are at it.
            Err(CallError::Refused { words } | CallError::Denied { words }) => {
                tracing::warn!(%subject, words, "no incident may be opened");
                return Ok(());
            }
            opened => opened?,
        };
        case.know(symptoms);
        let settled = self.settle(&mut case, considered, now).await;
        self.cases.push(case);
        settled
    }

    async fn open(
        &mut self,
        subject: &ServiceKey,
        culprit: ServiceKey,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<Case, CallError> {
        let own = || {
            symptoms
                .iter()
                .filter(|symptom| &symptom.service == subject)
        };
        let title = own()
            .min_by_key(|symptom| symptom.kind)
            .map_or("unwell", |symptom| symptom.claim.as_str());
        let began = own().map(|symptom| symptom.since).min().unwrap_or(now);
        let incident = paper::open(
            &*self.caller,
            subject,
            &format!("{subject}: {title}"),
            began,
            &own().map(|symptom| symptom.kind.name()).collect(),
        )
        .await?;
        self.quiet.remove(subject);
        let phase = Phase::Looking {
            looks: 0,
            again_at: now,
        };
        let ill = self.is_unwell(&culprit, symptoms);
        let mut case = Case::new(incident, culprit, phase);
        if !ill {
            case.patient = subject.clone();
        }
        case.services.insert(subject.clone());
        Ok(case)
    }

    /// Looks again into a case whose cause is not settled.
    pub(crate) async fn look_again(
        &mut self,
        case: &mut Case,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<(), CallError> {
        let subject = case.patient.clone();
        case.know(symptoms);
        match self.think(&subject, symptoms, &case.refused, now).await? {
            Some(considered) => self.settle(case, considered, now).await,
            None => Ok(()),
        }
    }

    /// Gathers a situation and asks the planner; nothing when the hour's turns are used up.
    async fn think(
        &mut self,
        subject: &ServiceKey,
        symptoms: &[Symptom],
        refused: &[Refused],
        now: Time,
    ) -> Result<Option<Considered>, CallError> {
        if !self.ledger.take_turn(&self.parts.budget, now) {
            tracing::warn!(%subject, "the hour's turns are used up");
            return Ok(None);
        }
        let Some(glance) = self.look.glance() else {
            return Ok(None);
        };
        let gather = Gather::new(&*self.caller, &self.parts.budget, now);
        let situation = gather.situation(glance, subject, symptoms, refused).await?;
        let tools = match self.tools.take() {
            Some(tools) => tools,
            None => self.caller.tools().await?,
        };
        let reader = Reader::new(&*self.caller, &tools, self.parts.budget.calls_per_turn);
        let thought = think_aloud(&*self.parts.planner, &situation, &reader, &*self.caller).await;
        self.tools = Some(tools);
        match thought {
            Ok(mut thought) => {
                tracing::info!(%subject, "{}", thought.mind);
                thought.verdict = recall::weigh(thought.verdict, &situation);
                Ok(Some(Considered { thought, situation }))
            }
            Err(error) => {
                tracing::warn!(%error, "no verdict");
                Ok(None)
            }
        }
    }

    /// Writes a verdict into the case's incident and moves the case on; then a shadow may think of it.
    async fn settle(
        &mut self,
        case: &mut Case,
        considered: Considered,
        now: Time,
    ) -> Result<(), CallError> {
        let Considered { thought, situation } = considered;
        let gist = Gist::of(&thought.verdict);
        self.write_down(case, thought, now).await?;
        self.compare(case, situation, gist);
        Ok(())
    }

    /// Lets a shadow think about what was just settled, once for each conclusion of a case.
    fn compare(&self, case: &mut Case, situation: Situation, gist: Gist) {
        let (Some(shadow), Some(tools)) = (&self.shadow, &self.tools) else {
            return;
        };
        if case.compared.as_ref() == Some(&gist) {
            return;
        }
        let settled = Settled {
            incident: case.incident.clone(),
            situation,
            gist: gist.clone(),
        };
        let calls = self.parts.budget.calls_per_turn;
        if shadow.begin(settled, Arc::clone(&self.caller), tools.clone(), calls) {
            case.compared = Some(gist);
        }
    }

    async fn write_down(
        &mut self,
        case: &mut Case,
        thought: Thought,
        now: Time,
    ) -> Result<(), CallError> {
        if !thought.mind.is_rules_alone() {
            paper::note(&*self.caller, case, &thought.mind.to_string(), None, None).await?;
        }
        let looks = if let Phase::Looking { looks, .. } = case.phase {
            looks.saturating_add(1)
        } else {
            1
        };
        case.phase = Phase::Looking {
            looks,
            again_at: now + pause_after(looks),
        };
        match thought.verdict {
            Verdict::Healthy => Ok(()),
            Verdict::Unresolved { why, cause, person } => {
                let call_person = person || looks >= self.parts.budget.unresolved_looks;
                let state = call_person.then_some(IncidentState::NeedsPerson);
                if call_person {
                    case.phase = Phase::WithPerson;
                }
                paper::note(
                    &*self.caller,
                    case,
                    &format!("unresolved: {why}"),
                    cause.as_deref(),
                    state,
                )
                .await
            }
            Verdict::Proposal(body) => {
                let words = format!(
                    "cause found ({:.0} %): {}",
                    body.cause.confidence * 100.0,
                    body.cause.explanation
                );
                paper::note(&*self.caller, case, &words, Some(&body.cause), None).await?;
                self.propose(case, *body).await
            }
        }
    }

    async fn propose(
        &mut self,
        case: &mut Case,
        body: ostler_core::proposal::ProposalBody,
    ) -> Result<(), CallError> {
        case.proposals = case.proposals.saturating_add(1);
        case.culprit = body.cause.culprit.clone();
        case.patient = body.verify.service.clone();
        case.services
            .extend([case.culprit.clone(), case.patient.clone()]);
        match paper::submit(&*self.caller, &case.incident, body).await {
            Ok(submitted) => {
                (case.foretold, case.watch) = (None, None);
                case.phase = Phase::Proposed {
                    proposal: submitted.proposal,
                    acting: false,
                    tries: 0,
                };
                Ok(())
            }
            // Another agent works on the service: it is looked at again when that may be over.
            Err(CallError::Refused { words }) if words.contains(LEASED) => {
                case.proposals = case.proposals.saturating_sub(1);
                paper::note(&*self.caller, case, &format!("waits: {words}"), None, None).await
            }
            Err(CallError::Denied { words } | CallError::Refused { words }) => {
                self.hand_over(
                    case,
                    &format!("what should be done may not be proposed: {words}"),
                )
                .await
            }
            Err(error) => Err(error),
        }
    }
}

/// Thinks, and says now and then that it lives: a model may take its time.
async fn think_aloud(
    planner: &dyn Planner,
    situation: &Situation,
    reader: &Reader<'_>,
    caller: &dyn Caller,
) -> Result<Thought, PlannerError> {
    let thinking = planner.think(situation, reader);
    tokio::pin!(thinking);
    loop {
        tokio::select! {
            thought = &mut thinking => return thought,
            () = tokio::time::sleep(HEARTBEAT) => {
                if let Err(error) = crate::world::status(caller).await {
                    tracing::warn!(%error, "the daemon does not answer while a planner thinks");
                }
            }
        }
    }
}

/// How long to wait before looking again: soon at first, then ever more patiently.
fn pause_after(looks: u32) -> Span {
    Span::seconds(4_u64.saturating_mul(1 << looks.min(5)))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::{Map, Value};

    use super::*;
    use crate::{
        client::{Reply, ToolInfo},
        situation::tests::empty,
    };

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[async_trait]
    impl Caller for Heard {
        async fn call(&self, tool: &str, _: Map<String, Value>) -> Result<Reply, CallError> {
            self.0.lock().unwrap().push(tool.to_owned());
            Err(CallError::Failed {
                words: "nobody answers".into(),
            })
        }

        async fn tools(&self) -> Result<Vec<ToolInfo>, CallError> {
            Ok(Vec::new())
        }
    }

    struct Slow;

    #[async_trait]
    impl Planner for Slow {
        async fn think(&self, _: &Situation, _: &Reader<'_>) -> Result<Thought, PlannerError> {
            tokio::time::sleep(HEARTBEAT * 3 + Duration::from_secs(1)).await;
            Ok(Thought::by_rules(Verdict::Healthy))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_thinks_for_long_is_heard_of_meanwhile() {
        let (heard, situation) = (Heard::default(), empty("cart"));
        let reader = Reader::new(&heard, &[], 0);
        let thought = think_aloud(&Slow, &situation, &reader, &heard)
            .await
            .unwrap();
        assert_eq!(thought.verdict, Verdict::Healthy);
        assert_eq!(*heard.0.lock().unwrap(), ["get_status"; 3]);
    }
}
