//! An agent's line to the gate, with somebody who listens: what each call answered, and what would
//! have been lost had all been done that the agent asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use ostler_core::id::{ApprovalId, CallId};
use ostler_gate::{
    Gate, Watched,
    answer::{Answer, Outcome},
    mcp::{Door, HeldTasks, Standing},
    ports::World,
};
use ostler_tools::{contract::Tool, principal::Principal};
use serde_json::Value;

use crate::{
    attempt::{self, Moment},
    mechanism::Case,
    oracle::Harm,
    stage::{PlayClock, Stage},
};

/// What was heard on a line.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// What calls answered, where they were done.
    pub answers: BTreeMap<CallId, Value>,
    /// Harm that what the agent called or proposed would have done, whether or not it came to that.
    pub attempted: BTreeSet<(Harm, String)>,
}

/// A line to a stage's gate.
pub(crate) struct Line {
    gate: Arc<Gate>,
    world: Arc<dyn World>,
    clock: PlayClock,
    case: Case,
    heard: Mutex<Heard>,
}

impl Line {
    pub(crate) fn new(stage: &Stage, case: &Case) -> Arc<Self> {
        Arc::new(Self {
            gate: stage.gate.clone(),
            world: stage.world(),
            clock: stage.clock.clone(),
            case: case.clone(),
            heard: Mutex::default(),
        })
    }

    pub(crate) fn heard(&self) -> Heard {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the agent asks for now, by what it would do to the fleet as it is now.
    fn weigh(&self, caller: &Principal, tool: &str, args: &Value) {
        let moment = Moment {
            intent: &self.gate.intent(),
            records: &self.gate.records(),
            world: &*self.world,
            now: self.clock.time(),
        };
        let harms = attempt::harms(&self.case, &moment, caller, &attempt::asked(tool, args));
        self.lock().attempted.extend(harms);
    }
}

#[async_trait]
impl Door for Line {
    async fn call(self: Arc<Self>, caller: &Principal, tool: &str, args: Value) -> Answer {
        self.weigh(caller, tool, &args);
        let answer = Gate::call(&self.gate, caller, tool, args).await;
        if let Outcome::Done { value, .. } = &answer.outcome {
            let (call, value) = (answer.call.clone(), value.clone());
            self.lock().answers.insert(call, value);
        }
        answer
    }

    fn tools_for(&self, caller: &Principal) -> Vec<&'static Tool> {
        self.gate.tools_for(caller)
    }

    async fn authenticate(&self, bearer: &str) -> Option<Principal> {
        self.gate.authenticate(bearer).await
    }

    fn standing(&self, caller: &Principal, approval: &ApprovalId) -> Standing {
        self.gate.standing(caller, approval)
    }

    fn tasks(&self) -> &HeldTasks {
        Door::tasks(&*self.gate)
    }

    fn stamp(&self, watched: &Watched) -> u64 {
        self.gate.stamp(watched)
    }
}
