//! From a tool's decision to a planned call: what it would do, with the facts a policy judges.

use std::sync::Arc;

use ostler_core::{
    change::{self, Applied, Change},
    facts::{ChangeFacts, facts},
    id::{CallId, Generation, Revision, ServiceKey},
    intent::Intent,
    time::Time,
};
use ostler_policies::{AgentFacts, Engine, Facts, Request};
use ostler_tools::{
    base::Base,
    contract::{About, Class, Decided, Tool},
    principal::Principal,
    query::Query,
    record::{RecordChange, Records},
    view::View,
};
use serde_json::Value;

use crate::{
    base,
    digest::call_digest,
    door::Gate,
    facts::{agent_facts, for_policy, who},
    ports::PastChange,
};

/// The state at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) intent: Arc<Intent>,
    pub(crate) records: Arc<Records>,
    /// Changes that led here and are not on disk yet, in order; none in a state that is.
    pub(crate) unwritten: Arc<Vec<PastChange>>,
}

/// Who calls what, and when.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) caller: Principal,
    pub(crate) tool: &'static Tool,
    pub(crate) args: Value,
    pub(crate) now: Time,
    pub(crate) fresh: u64,
    /// What must still be so when the call is committed.
    pub(crate) still: Option<Still>,
}

/// What the core's rules saw of a service when they asked: late rules are harmless, for what they
/// saw must still be so when it is committed.
#[derive(Debug, Clone)]
pub(crate) struct Still {
    pub(crate) service: ServiceKey,
    /// The current generation.
    pub(crate) generation: Generation,
    /// The wanted number of instances, where that was looked at.
    pub(crate) replicas: Option<u32>,
}

impl Still {
    fn holds(&self, state: &State) -> Result<(), String> {
        let (key, wanted) = (&self.service, self.generation);
        let now = state.intent.services.get(key);
        let Some(now) = now.filter(|now| now.generation == wanted) else {
            return Err(format!(
                "generation {wanted} of `{key}` is no longer current"
            ));
        };
        match self.replicas {
            Some(replicas) if replicas != now.replicas => Err(format!(
                "`{key}` is no longer meant to have {replicas} instances but {}",
                now.replicas
            )),
            _ => Ok(()),
        }
    }
}

/// A call that could be done, not yet judged.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The policies of the state that it was planned on.
    pub(crate) engine: Arc<Engine>,
    pub(crate) deed: Deed,
    pub(crate) about: About,
    pub(crate) request: Request,
    /// What a yes would be bound to; a read needs none.
    pub(crate) digest: String,
    /// What it rests on.
    pub(crate) base: Base,
}

/// What it would do.
#[derive(Debug)]
pub(crate) enum Deed {
    Answer(Value),
    Query(Query),
    Change(Box<Move>),
    Record(RecordChange),
}

/// A change with its effect.
#[derive(Debug)]
pub(crate) struct Move {
    pub(crate) change: Change,
    pub(crate) applied: Applied,
    pub(crate) facts: ChangeFacts,
    pub(crate) undoes: Option<Revision>,
}

impl Planned {
    /// What it would do, in words.
    pub(crate) fn summary(&self, call: &Call) -> String {
        match &self.deed {
            Deed::Change(moved) => moved.summary(),
            _ => call.tool.title.to_owned(),
        }
    }
}

impl Move {
    pub(crate) fn summary(&self) -> String {
        match self.undoes {
            Some(revision) => format!("take back revision {revision}: {}", self.facts.summary),
            None => self.facts.summary.clone(),
        }
    }
}

impl Gate {
    /// What a call would do on this state; the refusal is in words.
    pub(crate) async fn plan(&self, call: &Call, state: &State) -> Result<Planned, String> {
        if let Some(still) = &call.still {
            still.holds(state)?;
        }
        match self.decide(call, state)? {
            Decided::Answer { answer, about } => {
                Ok(self.planned(call, state, Deed::Answer(answer), about))
            }
            Decided::Query {
                query: Query::Undo { revision },
                ..
            } => {
                let (change, own) = self.inverse_of(call, state, Revision(revision)).await?;
                self.plan_change(call, state, change, Some((Revision(revision), own)))
            }
            Decided::Query { query, about } => {
                Ok(self.planned(call, state, Deed::Query(query), about))
            }
            Decided::Change(change) => self.plan_change(call, state, change, None),
            Decided::Record { record, about } => {
                Ok(self.planned(call, state, Deed::Record(record), about))
            }
        }
    }

    fn decide(&self, call: &Call, state: &State) -> Result<Decided, String> {
        self.viewing(call, state, |view| {
            (call.tool.decide)(view, call.args.clone()).map_err(|refusal| refusal.to_string())
        })
    }

    /// Shows what a call of this caller sees of this state and of the world.
    pub(crate) fn viewing<T>(
        &self,
        call: &Call,
        state: &State,
        look: impl FnOnce(&View<'_>) -> T,
    ) -> T {
        let world = self.world.view();
        let view = View {
            now: call.now,
            caller: &call.caller,
            intent: &state.intent,
            records: &state.records,
            world: &world,
            fresh: call.fresh,
            sealer: &self.keys,
            notary: &self.evaluators,
            signals: self.world.signals(),
        };
        look(&view)
    }

    fn planned(&self, call: &Call, state: &State, deed: Deed, about: About) -> Planned {
        let request = self.question(call, state, &about, Facts::default());
        let engine = self.engine_of(state);
        let (mut digest, mut rests) = (String::new(), Base::default());
        if !matches!(call.tool.class, Class::Read | Class::ReadData) {
            rests = base::of_services(engine.version(), &state.intent, &about.services);
            digest = call_digest(&self.keys, call.tool, &call.args, None, &rests);
        }
        Planned {
            engine,
            deed,
            about,
            request,
            digest,
            base: rests,
        }
    }

    fn plan_change(
        &self,
        call: &Call,
        state: &State,
        change: Change,
        undo: Option<(Revision, bool)>,
    ) -> Result<Planned, String> {
        let applied = change::apply(&state.intent, &change, call.now)
            .map_err(|refused| refused.to_string())?;
        let facts = facts(&state.intent, &change).map_err(|refused| refused.to_string())?;
        let engine = self.engine_of(state);
        let base = base::of_change(engine.version(), &state.intent, &applied.intent, &facts);
        let digest = call_digest(&self.keys, call.tool, &call.args, Some(&change), &base);
        let namespace = (facts.namespaces.len() == 1)
            .then(|| facts.namespaces.first().cloned())
            .flatten();
        let about = About {
            services: facts.services.iter().cloned().collect(),
            namespace,
        };
        let mut judged = for_policy(&change, &facts, undo.is_some_and(|(_, own)| own));
        if applied.intent.law.lifts(&state.intent.law, call.now) {
            // Whatever the change is called: less is frozen afterwards.
            judged.kinds.insert("lift_freeze".to_owned());
        }
        let request = self.question(call, state, &about, judged);
        let undoes = undo.map(|(revision, _)| revision);
        Ok(Planned {
            engine,
            deed: Deed::Change(Box::new(Move {
                change,
                applied,
                facts,
                undoes,
            })),
            about,
            request,
            digest,
            base,
        })
    }

    pub(crate) fn question(
        &self,
        call: &Call,
        state: &State,
        about: &About,
        mut facts: Facts,
    ) -> Request {
        facts.agent = self.of_agent(call, state, about);
        if !matches!(call.tool.class, Class::Read | Class::ReadData) {
            let law = &state.intent.law;
            facts.frozen = self.calendar.frozen(about, law, call.now);
            facts.emergency = match &call.caller {
                Principal::User { name, .. } => law.emergency_of(name, call.now).is_some(),
                _ => false,
            };
            facts.changes_last_hour = self.lately.by(&call.caller, call.now);
            facts.second_admin =
                crate::calendar::second_admin(&call.caller, &state.records, call.now);
        }
        Request {
            who: who(&call.caller),
            action: call.tool.name.to_owned(),
            services: about.services.clone(),
            namespace: about.namespace.clone(),
            facts,
            approvals: std::collections::BTreeSet::new(),
            now: call.now,
        }
    }

    /// What policy may know of the agent that calls; nothing of anybody else.
    fn of_agent(&self, call: &Call, state: &State, about: &About) -> AgentFacts {
        let looks = matches!(call.tool.class, Class::Read | Class::ReadData);
        let Principal::Agent { name } = &call.caller else {
            return AgentFacts::default();
        };
        if looks {
            return AgentFacts::default();
        }
        let (standing, record) = self.viewing(call, state, |view| view.standing_of(name));
        let autonomy = state.intent.promoted_agents.get(name);
        AgentFacts {
            paused: state.intent.paused_agents.contains(name),
            ..agent_facts(autonomy, &standing, &record, &about.services, call.now)
        }
    }
}
