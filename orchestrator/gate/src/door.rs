//! The door itself: one dispatcher for all callers. It never panics and never errors: whatever
//! happens, the caller gets an answer with the id under which it was recorded.

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
    time::Instant,
};

use ostler_core::{
    id::CallId,
    intent::{Intent, SecretKey},
};
use ostler_policies::Engine;
use ostler_tools::{
    answer::AuditEntry,
    contract::{Class, Tool},
    principal::Principal,
    record::Records,
};
use serde_json::Value;
use tokio::sync::{Mutex, mpsc};
use zeroize::Zeroizing;

use crate::{
    answer::{Answer, Outcome},
    calendar::{Calendar, InForce, Lately},
    certificate::Evaluators,
    config::{GateConfig, GateError, Limits},
    engines::{Engines, UNLOADED},
    flood::Flood,
    keys::Keys,
    ledger::Ledger,
    mcp::HeldTasks,
    note::Verifier,
    plan::{Call, State, Still},
    ports::{Called, Clock, Store, World},
    recent::Recent,
    sessions::Sessions,
    strangers::Strangers,
    writer::Queued,
};

/// The only way to ask for anything.
pub struct Gate {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) world: Arc<dyn World>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engines: Engines,
    pub(crate) keys: Keys,
    pub(crate) tasks: HeldTasks,
    pub(crate) catalogue: &'static [Tool],
    pub(crate) priorities: BTreeMap<String, u32>,
    pub(crate) limits: Limits,
    pub(crate) ledger: Mutex<Ledger>,
    /// One batch is written at a time.
    pub(crate) writing: Mutex<()>,
    pub(crate) state: RwLock<State>,
    pub(crate) queue: mpsc::Sender<Queued>,
    /// Says that something was written of an incident.
    pub(crate) noted: mpsc::Sender<()>,
    pub(crate) strangers: Strangers,
    pub(crate) flood: Flood,
    pub(crate) recent: Recent,
    /// Who is signed in to the console.
    pub(crate) sessions: Sessions,
    /// Whose certificates are believed.
    pub(crate) evaluators: Evaluators,
    /// Questions that go through the whole log: one at a time, whoever asks.
    pub(crate) heavy: Mutex<()>,
    /// One round of retention at a time.
    pub(crate) retaining: Mutex<()>,
    /// When changes are frozen.
    pub(crate) calendar: InForce,
    /// Who changed something within the last hour.
    pub(crate) lately: Lately,
    /// Stands in where an id cannot be made; never seen.
    no_id: CallId,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// Loads the state, checks the end of the audit log, and opens. Must be called on a tokio runtime.
    ///
    /// # Errors
    /// When the state cannot be loaded, the log does not match its checkpoint, or catalogue and
    /// policies do not fit each other.
    pub async fn open(config: GateConfig) -> Result<Arc<Self>, GateError> {
        let GateConfig {
            store,
            world,
            clock,
            engine,
            keys,
            catalogue,
            priorities,
            limits,
        } = config;
        let mut names = std::collections::BTreeSet::new();
        if let Some(tool) = catalogue
            .iter()
            .find(|tool| !names.insert(tool.name) || !engine.knows(tool.name))
        {
            return Err(GateError::Catalogue(tool.name.to_owned()));
        }
        let no_id =
            CallId::new("call_0").map_err(|error| GateError::Catalogue(error.to_string()))?;
        let kept = store.load().await?;
        let last = crate::audit::Chain::newest(&kept.handovers);
        keys.settle(last.as_deref());
        let ledger = Ledger::open(keys.signer(), kept, limits)?;
        let state = ledger.state();
        let lately = Lately::of(store.changes(None, crate::calendar::REMEMBERED).await?);
        let (queue, waiting) = mpsc::channel(crate::writer::QUEUE);
        let (noted, written) = crate::capture::hints();
        let gate = Arc::new(Self {
            store,
            world,
            clock,
            engines: Engines::new(engine, crate::actions(catalogue)),
            keys,
            tasks: HeldTasks::default(),
            catalogue,
            priorities,
            limits,
            ledger: Mutex::new(ledger),
            writing: Mutex::new(()),
            state: RwLock::new(state),
            queue,
            noted,
            strangers: Strangers::default(),
            heavy: Mutex::new(()),
            retaining: Mutex::new(()),
            flood: Flood::default(),
            recent: Recent::default(),
            sessions: Sessions::default(),
            evaluators: Evaluators::default(),
            calendar: InForce::default(),
            lately,
            no_id,
        });
        tokio::spawn(crate::writer::write_queued(Arc::downgrade(&gate), waiting));
        crate::capture::begin(&gate, written);
        Ok(gate)
    }

    /// The wanted state as of the last commit.
    #[must_use]
    pub fn intent(&self) -> Arc<Intent> {
        self.state().intent
    }

    /// Incidents, proposals, approvals, tokens as of the last commit.
    #[must_use]
    pub fn records(&self) -> Arc<Records> {
        self.state().records
    }

    /// The tools that policy could permit a caller, on some argument or with some person's yes.
    #[must_use]
    pub fn tools_for(&self, caller: &Principal) -> Vec<&'static Tool> {
        let may = |tool: &&Tool| self.could(caller, tool);
        self.catalogue.iter().filter(may).collect()
    }

    /// Whether policy could permit a caller a tool at all.
    fn could(&self, caller: &Principal, tool: &Tool) -> bool {
        *caller != Principal::Anonymous
            && (self.engine_of(&self.state())).could(&crate::facts::who(caller), tool.name)
    }

    /// Believes certificates of these evaluators from now on, and of nobody else.
    pub fn trust(&self, evaluators: Vec<Verifier>) {
        self.evaluators.trust(evaluators);
    }

    /// The policies of a state.
    pub(crate) fn engine_of(&self, state: &State) -> Arc<Engine> {
        self.engines.of(&state.intent.law)
    }

    /// What is wrong with the policies in force, in words; everything but looking is denied then.
    #[must_use]
    pub fn policy_problem(&self) -> Option<String> {
        let problem = self.engines.problem(&self.state().intent.law)?;
        Some(format!(
            "{UNLOADED}, so everything but looking is denied: {problem}. An \
             admin puts others in force with `ostler policy apply`"
        ))
    }

    /// Freezes changes by this calendar from now on, and by no other.
    pub fn follow(&self, calendar: Calendar) {
        self.calendar.set(calendar);
    }

    /// Opens a sealed secret, for the executor that delivers it.
    ///
    /// # Errors
    /// When there is no such secret or it does not open with this daemon's key.
    pub fn reveal(&self, secret: &SecretKey) -> Result<Zeroizing<Vec<u8>>, GateError> {
        let refuse = |problem| GateError::Secret {
            secret: secret.clone(),
            problem,
        };
        let intent = self.intent();
        let sealed = intent
            .secrets
            .get(secret)
            .ok_or_else(|| refuse("there is no such secret"))?;
        self.keys.open(secret, sealed).map_err(refuse)
    }

    /// Waits until everything that was answered is on disk; for an orderly end.
    pub async fn close(&self) {
        self.tell_strangers().await;
        self.tell_floods().await;
        if let Err(words) = self.flush().await {
            tracing::error!(words, "some reads could not be recorded");
        }
    }

    /// Makes one call. A caller that goes away does not interrupt it: what was permitted is finished.
    pub async fn call(self: &Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer {
        self.call_while(caller, tool, args, None).await
    }

    pub(crate) async fn call_while(
        self: &Arc<Self>,
        caller: &Principal,
        tool: &str,
        args: Value,
        still: Option<Still>,
    ) -> Answer {
        let fresh = self.clock.fresh();
        let id = call_id(fresh, self.clock.now()).unwrap_or_else(|| self.no_id.clone());
        if *caller == Principal::Anonymous {
            let outcome = self.stranger(id.clone(), tool, &args).await;
            return Answer { call: id, outcome };
        }
        if let Some(outcome) = self.too_many(caller) {
            return Answer { call: id, outcome };
        }
        self.recent.made(&id);
        let began = Instant::now();
        let (gate, caller, name, call) = (
            Arc::clone(self),
            caller.clone(),
            tool.to_owned(),
            id.clone(),
        );
        let task =
            tokio::spawn(
                async move { gate.handle((call, fresh), caller, &name, args, still).await },
            );
        let outcome = task.await.unwrap_or_else(|error| {
            tracing::error!(call = %id, tool, %error, "a call broke off");
            Outcome::Failed {
                words: "the call broke off inside the daemon; its log says more".to_owned(),
            }
        });
        self.count(tool, &outcome, began);
        Answer { call: id, outcome }
    }

    fn count(&self, tool: &str, outcome: &Outcome, began: Instant) {
        let known = self.catalogue.iter().find(|known| known.name == tool);
        self.world.called(&Called {
            tool: known.map(|known| known.name),
            class: known.map_or("none", |known| known.class.group()),
            outcome: outcome.as_str(),
            took: began.elapsed(),
        });
    }

    async fn handle(
        &self,
        (id, fresh): (CallId, u64),
        caller: Principal,
        name: &str,
        args: Value,
        still: Option<Still>,
    ) -> Outcome {
        let now = self.clock.now();
        let Some(tool) = self.catalogue.iter().find(|tool| tool.name == name) else {
            return self.unknown(id, now, &caller, name).await;
        };
        let call = Call {
            id,
            caller,
            tool,
            args,
            now,
            fresh,
            still,
        };
        // Who may not call it at all is not told anything about it, nor does it look at anything for them.
        if !self.could(&call.caller, tool) {
            return self.turn_away(&call).await;
        }
        let limit = if tool.name == "apply_services" {
            self.limits.manifests
        } else {
            self.limits.arguments
        };
        let size = serde_json::to_vec(&call.args).map_or(usize::MAX, |bytes| bytes.len());
        if size > limit {
            let words = format!("the arguments have {size} bytes; at most {limit} are accepted");
            return self.refuse(&call, words).await;
        }
        match tool.class {
            Class::Read | Class::ReadData => self.look(&call).await,
            Class::Change | Class::Act | Class::Record | Class::Approve | Class::Admin => {
                self.act(&call).await
            }
        }
    }

    async fn unknown(
        &self,
        id: CallId,
        now: ostler_core::time::Time,
        caller: &Principal,
        name: &str,
    ) -> Outcome {
        let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        let near = crate::answers::near(&shown, self.catalogue.iter().map(|tool| tool.name));
        let words = match near.is_empty() {
            true => format!("there is no tool `{shown}`"),
            false => format!(
                "there is no tool `{shown}`; did you mean {}?",
                near.join(", ")
            ),
        };
        let entry = AuditEntry {
            index: 0,
            at: now,
            call: Some(id),
            principal: caller.to_string(),
            tool: shown,
            arguments: Value::Null,
            decision: None,
            policies: Vec::new(),
            outcome: "refused".to_owned(),
            words: words.clone(),
            services: Vec::new(),
            revision: None,
            approval: None,
            judged: None,
        };
        self.recorded(entry, Outcome::Refused { words }).await
    }
}

pub(crate) fn call_id(fresh: u64, now: ostler_core::time::Time) -> Option<CallId> {
    CallId::new(format!("call_{:x}-{fresh:016x}", now.0)).ok()
}
