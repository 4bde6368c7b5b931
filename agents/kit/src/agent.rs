//! The loop: a turn every few seconds, each reading everything anew and moving each case one step.
//!
//! The process may be killed at any moment: at the start it reads the incidents it opened and their
//! proposals and goes on from there. It never acts on what it remembers, only on what it reads.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ostler_core::{
    id::ServiceKey,
    incident::IncidentState,
    plan::ServiceState,
    proposal::Proposal,
    time::{Span, Time},
};
use ostler_tools::answer::ProposalDetail;

use crate::{
    budget::{Budget, Ledger},
    case::{Case, Move, Phase, Seen, is_good},
    client::{CallError, Caller, ToolInfo},
    look::Look,
    paper,
    planner::Planner,
    refused::Refused,
    shadow::Shadow,
    situation::Web,
    symptom::{Notice, Symptom},
    world,
};

/// How often a turn is taken; each reads something, which is the heartbeat too.
pub const TICK: Duration = Duration::from_secs(2);
/// Turns in a row that may fail before the process ends and its supervisor starts it anew.
const FAILURES_LIMIT: u32 = 30;

/// Where an agent's time comes from.
pub trait Clock: Send + Sync {
    /// Milliseconds since the epoch.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// What makes one agent differ from another.
pub struct Parts {
    /// Notices symptoms.
    pub notice: Box<dyn Notice>,
    /// Thinks.
    pub planner: Box<dyn Planner>,
    /// Limits.
    pub budget: Budget,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// A second mind that thinks about what was settled, and does nothing.
    pub shadow: Option<Arc<dyn Planner>>,
}

/// A running agent.
pub struct Agent {
    pub(crate) caller: Arc<dyn Caller>,
    pub(crate) parts: Parts,
    pub(crate) look: Look,
    pub(crate) ledger: Ledger,
    pub(crate) cases: Vec<Case>,
    /// Services that were looked at without an incident: how often, and when to look again.
    pub(crate) quiet: BTreeMap<ServiceKey, (u32, Time)>,
    /// How the audit log names this agent.
    pub(crate) me: String,
    /// The tools that the daemon lists for this agent; listed when first needed.
    pub(crate) tools: Option<Vec<ToolInfo>>,
    /// Who thinks beside it.
    pub(crate) shadow: Option<Shadow>,
}

impl Agent {
    /// An agent that has not looked yet.
    #[must_use]
    pub fn new(caller: Arc<dyn Caller>, parts: Parts) -> Self {
        let look = Look::default().reading(parts.notice.reads());
        let shadow = parts.shadow.clone().map(Shadow::new);
        Self {
            caller,
            parts,
            look,
            ledger: Ledger::default(),
            cases: Vec::new(),
            quiet: BTreeMap::new(),
            me: String::new(),
            tools: None,
            shadow,
        }
    }

    /// Runs until the pipe closes.
    ///
    /// # Errors
    /// When many turns in a row fail; the supervisor starts the agent again.
    pub async fn run(mut self) -> Result<(), CallError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut failures = 0;
        loop {
            tick.tick().await;
            match self.turn().await {
                Ok(()) => failures = 0,
                Err(CallError::Closed) => return Ok(()),
                Err(error) if failures >= FAILURES_LIMIT => return Err(error),
                Err(error) => {
                    failures += 1;
                    tracing::warn!(%error, failures, "a turn could not be finished");
                }
            }
        }
    }

    /// One turn: look, notice, move each case, look into one new symptom.
    ///
    /// # Errors
    /// When something essential could not be read or recorded; the next turn tries again.
    pub async fn turn(&mut self) -> Result<(), CallError> {
        if self.me.is_empty() {
            self.resume().await?;
        }
        let now = self.parts.clock.now();
        self.look
            .refresh(&*self.caller, &self.parts.budget, now)
            .await?;
        let Some(glance) = self.look.glance() else {
            return Ok(());
        };
        let symptoms = self.parts.notice.notice(glance);
        let mut cases = std::mem::take(&mut self.cases);
        let mut outcome = Ok(());
        for case in &mut cases {
            if outcome.is_ok() {
                outcome = self.step(case, &symptoms, now).await;
            }
        }
        cases.retain(|case| case.phase != Phase::Closed);
        self.cases = cases;
        outcome?;
        self.look_into_new(&symptoms, now).await
    }

    /// Moves one case by what is seen of it.
    async fn step(
        &mut self,
        case: &mut Case,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<(), CallError> {
        let ill = [&case.patient, &case.culprit].map(|service| self.is_unwell(service, symptoms));
        case.feel(ill.contains(&true), now);
        let detail = self.proposal_of(case).await?;
        let foretold = detail.as_ref().and_then(|detail| detail.forecast.as_ref());
        if let Some(foretold) = foretold {
            case.foretold.clone_from(&foretold.forecast);
        }
        let proposal = detail.map(|detail| detail.proposal);
        let left = self.left(proposal.as_ref());
        let worse = match left {
            Some(_) => None,
            None => self.watch_over(case, proposal.as_ref(), now).await?,
        };
        let watched = proposal
            .as_ref()
            .map_or(&case.patient, |proposal| &proposal.body.verify.service);
        let seen = Seen {
            now,
            proposal: proposal.as_ref(),
            verify_symptom: symptoms
                .iter()
                .any(|symptom| &symptom.service == watched && concerns(symptom, proposal.as_ref())),
            verify_state: self.worst_of(proposal.as_ref(), watched),
            proposals_limit: self.parts.budget.proposals_per_incident,
            news: case.news(symptoms),
            worse: worse.as_deref(),
            left: left.as_deref(),
        };
        if let (Phase::Verifying { good_since, .. }, Some(proposal)) =
            (&mut case.phase, seen.proposal)
        {
            let good = is_good(&proposal.body.verify, &seen);
            *good_since = if good { good_since.or(Some(now)) } else { None };
        }
        let next = case.next(seen);
        self.make(case, next, proposal.as_ref(), symptoms, now)
            .await
    }

    async fn make(
        &mut self,
        case: &mut Case,
        next: Move,
        proposal: Option<&Proposal>,
        symptoms: &[Symptom],
        now: Time,
    ) -> Result<(), CallError> {
        match (next, proposal) {
            (Move::Wait, _) => Ok(()),
            (Move::Look, _) => self.look_again(case, symptoms, now).await,
            (Move::Act, Some(proposal)) => self.act(case, proposal, now).await,
            (Move::Verified, Some(proposal)) => self.verified(case, proposal).await,
            (Move::Withdraw, Some(proposal)) => self.withdraw(case, proposal).await,
            (Move::Undo(why), Some(proposal)) => self.undo(case, proposal, &why, now).await,
            (Move::Left(why), Some(proposal)) => self.was_left(case, proposal, &why).await,
            (Move::Replan(why), proposal) => {
                case.refused.extend(proposal.and_then(Refused::of));
                let again_at = now + Span::seconds(5);
                case.phase = Phase::Looking { looks: 0, again_at };
                paper::note(
                    &*self.caller,
                    case,
                    &format!("{why}; looking again"),
                    None,
                    Some(IncidentState::Open),
                )
                .await
            }
            (Move::HandOver(why), _) => self.hand_over(case, &why).await,
            (Move::Close, _) => {
                case.phase = Phase::Closed;
                let words = "the symptoms went away by themselves";
                paper::note(
                    &*self.caller,
                    case,
                    words,
                    None,
                    Some(IncidentState::Closed),
                )
                .await
            }
            (Move::Forget, _) => {
                case.phase = Phase::Closed;
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    pub(crate) async fn hand_over(&self, case: &mut Case, why: &str) -> Result<(), CallError> {
        case.phase = Phase::WithPerson;
        let words = format!("a person is needed: {why}");
        paper::note(
            &*self.caller,
            case,
            &words,
            None,
            Some(IncidentState::NeedsPerson),
        )
        .await
    }

    /// Whether a service is unwell by its state or by a symptom, as of the last look.
    pub(crate) fn is_unwell(&self, service: &ServiceKey, symptoms: &[Symptom]) -> bool {
        let web = self.look.glance().map(|glance| Web {
            services: &glance.services.value,
            graph: &glance.graph.value,
            symptoms,
        });
        web.is_some_and(|web| web.is_unwell(service))
    }

    fn state_of(&self, service: &ServiceKey) -> Option<ServiceState> {
        let services = &self.look.glance()?.services.value.services;
        services
            .iter()
            .find(|summary| &summary.service == service)?
            .state
    }

    /// The state of the service to verify; of what else the proposal changed, where that is not well.
    fn worst_of(&self, proposal: Option<&Proposal>, watched: &ServiceKey) -> Option<ServiceState> {
        let changed = proposal.into_iter().flat_map(|proposal| &proposal.services);
        let others = changed.filter(|service| *service != watched);
        let mut unwell = others
            .filter_map(|service| self.state_of(service))
            .filter(|state| !matches!(state, ServiceState::Healthy | ServiceState::Idle));
        unwell.next().or_else(|| self.state_of(watched))
    }

    async fn proposal_of(&self, case: &Case) -> Result<Option<ProposalDetail>, CallError> {
        let (Phase::Proposed { proposal, .. }
        | Phase::Verifying { proposal, .. }
        | Phase::Undoing { proposal, .. }) = &case.phase
        else {
            return Ok(None);
        };
        let detail = world::proposal(&*self.caller, proposal).await?;
        Ok(Some(detail.value))
    }
}

/// Whether a symptom is one that a proposal answers: a proposal that names instances does not answer
/// for the others, and none answers for a chance that came after it.
fn concerns(symptom: &Symptom, proposal: Option<&Proposal>) -> bool {
    if symptom.kind.is_chance() {
        return false;
    }
    let (Some(instance), Some(proposal)) = (&symptom.instance, proposal) else {
        return true;
    };
    let calls = proposal.body.calls.iter();
    let mut named = calls
        .filter_map(|call| call.arguments.get("instances")?.as_array())
        .flatten()
        .peekable();
    named.peek().is_none() || named.any(|name| name.as_str() == Some(instance.as_str()))
}
