//! Plays a case: people do what they do, an agent or nobody looks after the fleet, somebody says yes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ostler_agents::{Models, Setup};
use ostler_core::{
    id::{ApprovalId, ServiceKey},
    incident::IncidentState,
    intent::Intent,
    time::{Span, Time},
};
use ostler_gate::{Gate, answer::Outcome, mcp::serve_pipe, ports::Store};
use ostler_tools::{
    principal::{Principal, Role},
    record::ApprovalState,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    CaseError,
    ended::Ended,
    line::{Heard, Line},
    mechanism::{Call, Case, Doing},
    noise,
    over::{self, FIX, Standing},
    stage::{QUIET, Stage},
};

/// The usual shop.
const SHOP: &str = include_str!("shop.yaml");
/// Where there is noise, somebody changes something else by then.
const CHATTER: Span = Span::seconds(70);
/// The agent begins this long before the trouble.
const BEFORE: Span = Span::seconds(20);
/// Somebody says yes after so long.
const THINKING: Span = Span::seconds(5);
/// What was well for so long is well.
const HELD: Span = Span::seconds(30);

/// Who looks after the fleet.
#[derive(Debug, Clone, Copy)]
pub enum Hand<'a> {
    /// This agent, as it ships.
    Agent(&'a str),
    /// This agent, with models before its rules. While one thinks, virtual time stands still.
    Thinking(&'a str, &'a Models),
    /// Nobody.
    Nobody,
    /// Nobody, but for these calls of an administrator.
    Fix(&'a [Call]),
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
        line: None,
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
    match hand {
        Hand::Agent(name) => run.start(name, Setup::default())?,
        Hand::Thinking(name, models) => run.start(name, thinking(models))?,
        Hand::Nobody | Hand::Fix(_) => {}
    }
    run.until(QUIET).await;
    let trouble = run.stage.clock.time();
    let (mut well_since, mut called_since) = (None, None);
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
        let standing = run.standing(since, well_since);
        if standing.called {
            called_since = called_since.or(Some(since));
        }
        if over::is_over(case, hand, &standing, called_since) {
            break;
        }
    }
    run.end(trouble, well_since, before).await
}

struct Run<'a> {
    case: &'a Case,
    stage: Stage,
    /// Revisions that the case's own deeds made.
    own: BTreeSet<u64>,
    /// When each approval was asked for.
    asked: BTreeMap<ApprovalId, Time>,
    line: Option<Arc<Line>>,
    tasks: JoinSet<()>,
    /// Calls of a fix that were not accepted.
    refused: Vec<String>,
}

fn thinking(models: &Models) -> Setup {
    Setup {
        models: Some(models.clone()),
        around: ostler_evals::hold::around,
        ..Setup::default()
    }
}

fn admin(name: &str) -> Principal {
    Principal::User {
        name: name.to_owned(),
        roles: vec![Role::Admin],
    }
}

impl Run<'_> {
    fn wrong(&self, problem: impl ToString) -> CaseError {
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
                json_patch::merge(spec, patch);
            }
            manifests.push(manifest);
        }
        self.apply(json!(manifests)).await
    }

    /// Applies manifests as the case's own doing.
    async fn apply(&mut self, manifests: Value) -> Result<(), CaseError> {
        let arguments = json!({ "manifests": manifests });
        let (_, revision) = self
            .call(&admin("ann"), "apply_services", arguments)
            .await?;
        self.own.extend(revision);
        Ok(())
    }

    async fn call(
        &self,
        who: &Principal,
        tool: &str,
        arguments: Value,
    ) -> Result<(Value, Option<u64>), CaseError> {
        let answer = Gate::call(&self.stage.gate, who, tool, arguments).await;
        match answer.outcome {
            Outcome::Done { value, revision } => Ok((value, revision.map(|made| made.0))),
            other => Err(self.wrong(format!("`{tool}`: {other:?}"))),
        }
    }

    fn start(&mut self, name: &str, setup: Setup) -> Result<(), CaseError> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let agent = name.parse().map_err(|error| self.wrong(error))?;
        let line = Line::new(&self.stage, self.case);
        self.line = Some(line.clone());
        let caller = Principal::Agent { name: agent };
        self.tasks.spawn(async move {
            if let Err(error) = serve_pipe(line, caller, ours).await {
                tracing::warn!(%error, "an agent's line ended");
            }
        });
        let (read, write) = tokio::io::split(theirs);
        let setup = Setup {
            clock: Arc::new(self.stage.clock.clone()),
            ..setup
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

    /// Somebody says yes to whatever is asked.
    async fn say_yes(&mut self) {
        let now = self.stage.clock.time();
        let records = self.stage.gate.records();
        for (id, approval) in &records.approvals {
            let asked = *self.asked.entry(id.clone()).or_insert(now);
            if approval.state == ApprovalState::Waiting && now.since(asked) >= THINKING {
                let arguments = json!({ "id": id, "reason": "the case says yes to everything" });
                Gate::call(&self.stage.gate, &admin("zoe"), "approve", arguments).await;
            }
        }
    }

    async fn do_deeds(&mut self, since: Span) -> Result<(), CaseError> {
        let case = self.case;
        for deed in case.deeds.values() {
            if deed.at.0 / 1_000 != since.0 / 1_000 {
                continue;
            }
            match &deed.what {
                Doing::Patch { service, patch } => self.change(service, patch).await?,
                Doing::Call(call) => {
                    let revision = self.make(&admin("ann"), call).await?;
                    self.own.extend(revision);
                }
            }
        }
        Ok(())
    }

    /// Changes a service's spec as the case's own doing.
    async fn change(&mut self, service: &ServiceKey, patch: &Value) -> Result<(), CaseError> {
        let manifest = self.manifest(service, patch)?;
        self.apply(json!([manifest])).await
    }

    /// A service's manifest of now with a merge patch over its spec.
    fn manifest(&self, key: &ServiceKey, patch: &Value) -> Result<Value, CaseError> {
        let intent = self.stage.gate.intent();
        let service = intent.services.get(key);
        let service = service.ok_or_else(|| self.wrong(format!("there is no service `{key}`")))?;
        let mut spec = serde_json::to_value(&*service.spec).map_err(|error| self.wrong(error))?;
        json_patch::merge(&mut spec, patch);
        Ok(json!({
            "apiVersion": "ostler.dev/v1", "kind": "Service",
            "metadata": { "name": key.name, "namespace": key.namespace }, "spec": spec,
        }))
    }

    async fn fix(&mut self, calls: &[Call]) {
        for call in calls {
            if let Err(refused) = self.make(&admin("bob"), call).await {
                self.refused.push(refused.problem);
            }
        }
    }

    /// Makes a call, with the oldest instance's name where the case asks for it.
    async fn make(&self, who: &Principal, call: &Call) -> Result<Option<u64>, CaseError> {
        let text = call.arguments.to_string();
        let text = match text.split_once("$first:") {
            Some((_, rest)) => {
                let name = rest.split('"').next().unwrap_or_default();
                let service = name.parse().map_err(|error| self.wrong(error))?;
                let first = self.stage.oldest(&service);
                let first = first.map_or_else(String::new, |id| id.to_string());
                text.replace(&format!("$first:{name}"), &first)
            }
            None => text,
        };
        let arguments = serde_json::from_str(&text).map_err(|error| self.wrong(error))?;
        let (_, revision) = self.call(who, &call.tool, arguments).await?;
        Ok(revision)
    }

    /// Where it stands, for who decides whether it goes on.
    fn standing(&self, since: Span, well_since: Option<Span>) -> Standing {
        let records = self.stage.gate.records();
        let states = || records.incidents.values().map(|incident| incident.state);
        Standing {
            since,
            well_since,
            called: states().any(|state| state == IncidentState::NeedsPerson),
            busy: states()
                .any(|state| matches!(state, IncidentState::Open | IncidentState::Proposed)),
            silent: records.incidents.is_empty(),
        }
    }

    /// What an operator who exports every incident gets.
    async fn exports(&self) -> Result<Vec<Value>, CaseError> {
        let mut all = Vec::new();
        for id in self.stage.gate.records().incidents.keys() {
            let asked = json!({ "incident": id });
            let (answer, _) = self.call(&admin("ann"), "export_incident", asked).await?;
            all.push(answer);
        }
        Ok(all)
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
            exports: self.exports().await?,
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
            heard: self.line.map_or_else(Heard::default, |line| line.heard()),
            audit: self.stage.store.texts(),
        })
    }
}
