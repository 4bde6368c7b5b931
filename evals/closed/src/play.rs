//! Plays a case: people do what they do, an agent or nobody looks after the fleet, somebody says yes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ostler_agents::Setup;
use ostler_core::{
    id::ApprovalId,
    incident::{Incident, IncidentState},
    intent::Intent,
    proposal::Proposal,
    time::{Span, Time},
};
use ostler_gate::{
    mcp::{Door, serve_pipe},
    ports::{PastChange, Store},
};
use ostler_tools::principal::Principal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    CaseError,
    mechanism::{Call, Case, Truth, merge},
    noise,
    people::THINKING,
    stage::{QUIET, Stage},
};

/// The usual shop.
const SHOP: &str = include_str!("shop.yaml");
/// Where there is noise, somebody changes something else by then.
const CHATTER: Span = Span::seconds(70);
/// The agent begins this long before the trouble.
const BEFORE: Span = Span::seconds(20);
/// A fix that is tried instead of an agent comes so long after the trouble.
const FIX: Span = Span::seconds(90);
/// A case ends when all was well for so long…
const REST: Span = Span::seconds(45);
/// What was well for so long is well.
const HELD: Span = Span::seconds(30);
/// …or so long after the trouble.
const LONGEST: Span = Span::minutes(12);
/// …or, with nobody there who thinks, so long after a fix would have come.
const AFTER_FIX: Span = Span::seconds(150);
/// Where nothing is wrong, it ends after so long.
const HEALTHY: Span = Span::minutes(5);

/// Who looks after the fleet.
#[derive(Debug, Clone, Copy)]
pub enum Hand<'a> {
    /// This agent, as it ships.
    Agent(&'a str),
    /// Nobody.
    Nobody,
    /// Nobody, but for these calls of an administrator.
    Fix(&'a [Call]),
}

/// How a case ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Incidents in the end.
    pub incidents: Vec<Incident>,
    /// Proposals in the end.
    pub proposals: Vec<Proposal>,
    /// Changes since the trouble began, other than the case's own deeds, oldest first.
    pub changes: Vec<PastChange>,
    /// What was wanted before them.
    pub before: Arc<Intent>,
    /// What is wanted in the end.
    pub after: Arc<Intent>,
    /// Whether all is well and was for a while.
    pub well: bool,
    /// What is not, in words.
    pub ills: String,
    /// From the trouble to the first incident.
    pub detected: Option<Span>,
    /// From the trouble to when all was well again for good.
    pub mitigated: Option<Span>,
    /// Approvals that were asked for.
    pub approvals: usize,
    /// Ends of instances that nobody asked for.
    pub ends: usize,
    /// Invariants that the core's plans broke.
    pub violations: Vec<String>,
    /// Calls of a fix that the gate did not accept, in words.
    pub refused: Vec<String>,
    /// The audit log's leaves, as JSON texts.
    pub audit: Vec<String>,
}

/// Plays a case. Call it on a runtime whose time is paused.
///
/// # Errors
/// When the case cannot be set up.
pub async fn play(case: &Case, hand: Hand<'_>, seed: u64) -> Result<Ended, CaseError> {
    let stage = Stage::open(case, seed).await?;
    let mut run = Run {
        case,
        stage,
        own: BTreeSet::new(),
        asked: BTreeMap::new(),
        tasks: JoinSet::new(),
        refused: Vec::new(),
    };
    run.set_up().await?;
    run.until(CHATTER).await;
    if case.noise {
        run.change(&noise::bystander()?, &noise::change()).await?;
    }
    run.until(Span(QUIET.0 - BEFORE.0)).await;
    let before = run.stage.gate.intent();
    if let Hand::Agent(name) = hand {
        run.start(name)?;
    }
    run.until(QUIET).await;
    let trouble = run.stage.clock.time();
    let (mut well_since, mut called) = (None, None);
    loop {
        let since = run.trouble_lasts();
        run.do_deeds(since).await?;
        if let Hand::Fix(calls) = hand
            && since.0 / 1_000 == FIX.0 / 1_000
        {
            run.fix(calls).await;
        }
        run.second().await;
        if !run.stage.is_well() {
            well_since = None;
        } else if well_since.is_none() {
            well_since = Some(since);
        }
        if run.has_called() {
            called = called.or(Some(since));
        }
        let rests = |began: Option<Span>| began.is_some_and(|began| since.0 >= began.0 + REST.0);
        if run.is_over(since, rests(well_since), rests(called), hand) {
            break;
        }
    }
    run.end(trouble, well_since, before).await
}

pub(crate) struct Run<'a> {
    pub(crate) case: &'a Case,
    pub(crate) stage: Stage,
    /// Revisions that the case's own deeds made.
    pub(crate) own: BTreeSet<u64>,
    /// When each approval was asked for.
    pub(crate) asked: BTreeMap<ApprovalId, Time>,
    pub(crate) tasks: JoinSet<()>,
    /// Calls of a fix that were not accepted.
    pub(crate) refused: Vec<String>,
}

impl Run<'_> {
    pub(crate) fn wrong(&self, problem: impl ToString) -> CaseError {
        CaseError {
            place: self.case.name.clone(),
            problem: problem.to_string(),
        }
    }

    async fn set_up(&mut self) -> Result<(), CaseError> {
        let usual: Vec<Value> = serde_saphyr::from_str(SHOP).map_err(|error| self.wrong(error))?;
        let mut manifests = Vec::new();
        for mut manifest in usual {
            let name = manifest.pointer("/metadata/name").and_then(Value::as_str);
            let key = format!("shop/{}", name.unwrap_or_default());
            let differs = self
                .case
                .setup
                .iter()
                .find(|(service, _)| service.to_string() == key);
            if let (Some((_, patch)), Some(spec)) = (differs, manifest.get_mut("spec")) {
                merge(spec, patch);
            }
            manifests.push(manifest);
        }
        self.apply(json!(manifests)).await
    }

    fn start(&mut self, name: &str) -> Result<(), CaseError> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let agent = name.parse().map_err(|error| self.wrong(error))?;
        let door: Arc<dyn Door> = self.stage.gate.clone();
        let caller = Principal::Agent { name: agent };
        self.tasks.spawn(async move {
            if let Err(error) = serve_pipe(door, caller, ours).await {
                tracing::warn!(%error, "an agent's line ended");
            }
        });
        let (read, write) = tokio::io::split(theirs);
        let setup = Setup {
            clock: Arc::new(self.stage.clock.clone()),
            ..Setup::default()
        };
        let name = name.to_owned();
        self.tasks.spawn(async move {
            if let Err(error) = ostler_agents::run(&name, read, write, setup).await {
                tracing::warn!(%error, "the agent ended");
            }
        });
        Ok(())
    }

    fn trouble_lasts(&self) -> Span {
        Span(self.stage.age().0.saturating_sub(QUIET.0))
    }

    async fn second(&mut self) {
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.stage.tick().await;
        self.say_yes().await;
    }

    async fn until(&mut self, age: Span) {
        while self.stage.age() < age {
            self.second().await;
        }
    }

    /// Whether a person was called.
    fn has_called(&self) -> bool {
        let records = self.stage.gate.records();
        let mut states = records.incidents.values().map(|incident| incident.state);
        states.any(|state| state == IncidentState::NeedsPerson)
    }

    fn is_over(&self, since: Span, well: bool, called: bool, hand: Hand<'_>) -> bool {
        let longest = match (self.case.lasts, hand, &self.case.truth) {
            // Where nothing is to be done, only what was done counts.
            (_, Hand::Nobody | Hand::Fix(_), Truth::Healthy | Truth::Person { .. }) => {
                Span(FIX.0 + THINKING.0)
            }
            (Some(lasts), ..) => lasts,
            (None, Hand::Agent(_), Truth::Healthy) => HEALTHY,
            (None, Hand::Agent(_), _) => LONGEST,
            (None, ..) => Span(FIX.0 + AFTER_FIX.0),
        };
        let last_deed = self.case.deeds.values().map(|deed| deed.at).max();
        let last_deed = last_deed.unwrap_or_default();
        let earliest = match hand {
            Hand::Agent(_) => Span(last_deed.0 + REST.0),
            Hand::Nobody | Hand::Fix(_) => Span(last_deed.0 + FIX.0 + REST.0),
        };
        if since >= longest || self.case.truth == Truth::Healthy {
            return since >= longest;
        }
        let records = self.stage.gate.records();
        let busy = records.incidents.values().any(|incident| {
            matches!(
                incident.state,
                IncidentState::Open | IncidentState::Proposed
            )
        });
        let silent = matches!(hand, Hand::Agent(_)) && records.incidents.is_empty();
        let settled = match self.case.truth {
            Truth::Person { .. } => called,
            _ => well && !silent && self.case.most_ends.is_none(),
        };
        settled && since >= earliest && !busy
    }

    async fn end(
        mut self,
        trouble: Time,
        well_since: Option<Span>,
        before: Arc<Intent>,
    ) -> Result<Ended, CaseError> {
        self.tasks.abort_all();
        let changes = self.stage.store.changes(None, 10_000).await;
        let mut changes = changes.map_err(|error| self.wrong(error))?;
        changes.retain(|change| {
            let of_core = change.principal == Principal::System.to_string();
            change.at >= trouble && !self.own.contains(&change.revision.0) && !of_core
        });
        changes.reverse();
        let records = self.stage.gate.records();
        let first = records
            .incidents
            .values()
            .map(|incident| incident.opened_at);
        let rested = well_since.filter(|began| self.trouble_lasts().0 >= began.0 + HELD.0);
        Ok(Ended {
            detected: first.min().map(|at| at.since(trouble)),
            mitigated: rested,
            incidents: records.incidents.values().cloned().collect(),
            proposals: records.proposals.values().cloned().collect(),
            changes,
            before,
            after: self.stage.gate.intent(),
            well: rested.is_some(),
            ills: self.stage.ills(),
            approvals: self.asked.len(),
            ends: self.stage.ends_since(trouble),
            violations: self.stage.violations(),
            refused: self.refused,
            audit: self.stage.store.texts(),
        })
    }
}
