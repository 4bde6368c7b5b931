//! How programs behave under which conditions: the part of a mechanism that answers to actions.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{NodeName, ServiceKey},
    observed::{InstanceSeen, Problem},
    signal::SignalKind,
    spec::ServiceSpec,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use serde::Deserialize;
use serde_json::Value;

/// One rule: while its conditions hold for an instance, this is how the instance behaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whose instances.
    pub on: ServiceKey,
    /// Conditions, all of which must hold.
    #[serde(default)]
    pub when: When,
    /// What then is the case.
    pub then: Then,
    /// Whether all is not well while it holds.
    #[serde(default = "yes")]
    pub counts: bool,
}

const fn yes() -> bool {
    true
}

/// Conditions; one that is absent holds. Times count from the beginning of the trouble.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct When {
    /// From when on.
    pub from: Span,
    /// Until when.
    pub until: Option<Span>,
    /// What the spec holds at these JSON pointers; `null` where it holds nothing.
    pub spec: BTreeMap<String, Value>,
    /// What the spec must not hold at these.
    pub spec_not: BTreeMap<String, Value>,
    /// The memory limit is lower.
    pub memory_below: Option<Bytes>,
    /// The CPU limit is lower.
    pub cpu_below: Option<MilliCpu>,
    /// Fewer instances are wanted.
    pub replicas_below: Option<u32>,
    /// The process has run for as long.
    pub age_from: Span,
    /// The process has run for less.
    pub age_below: Option<Span>,
    /// The process began before the trouble did: a restart ends that.
    pub began_before: bool,
    /// This service has no ready instance.
    pub without: Option<ServiceKey>,
    /// It runs there.
    pub node: Option<NodeName>,
    /// It is the oldest of its service.
    pub oldest: bool,
    /// This other rule held for some instance a moment ago: what spreads, spreads along rules.
    pub beside: Option<String>,
}

/// What is the case.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Then {
    /// A start fails.
    pub cannot_start: Option<Problem>,
    /// It exits with this code.
    pub exits: Option<i32>,
    /// The kernel ends it.
    pub out_of_memory: bool,
    /// Its readiness probe says no, with these words.
    pub not_ready: Option<String>,
    /// Its liveness probe says no.
    pub not_live: Option<String>,
    /// It writes these lines, once a run.
    pub logs: Vec<String>,
    /// Its machine falls silent.
    pub node_silent: bool,
    /// Signals of the instance.
    pub instance: BTreeMap<SignalKind, Shape>,
    /// Signals of its service.
    pub service: BTreeMap<SignalKind, Shape>,
    /// Signals of its machine.
    pub node: BTreeMap<SignalKind, Shape>,
}

/// How a signal goes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub enum Shape {
    /// It stays there.
    Level(f64),
    /// It moves from there, so much a minute of the process's life, as far as `to`.
    Slope {
        /// At the start.
        from: f64,
        /// Added each minute.
        a_minute: f64,
        /// Not beyond.
        to: f64,
    },
    /// It moves so much a minute of the trouble, whoever is restarted meanwhile.
    Tide {
        /// When the trouble begins.
        first: f64,
        /// Added each minute.
        a_minute: f64,
        /// Not beyond.
        to: f64,
    },
}

impl Shape {
    /// The value at an age of the process and so long after the beginning of the trouble.
    pub fn at(self, age: Span, trouble: Span) -> f64 {
        let (from, a_minute, to, passed) = match self {
            Self::Level(value) => return value,
            Self::Slope { from, a_minute, to } => (from, a_minute, to, age),
            Self::Tide {
                first,
                a_minute,
                to,
            } => (first, a_minute, to, trouble),
        };
        let moved = from + a_minute * passed.as_secs_f64() / 60.0;
        if a_minute < 0.0 {
            moved.max(to)
        } else {
            moved.min(to)
        }
    }
}

/// What a condition is held against.
pub struct Moment<'a> {
    /// Now.
    pub now: Time,
    /// When the trouble begins.
    pub trouble: Time,
    /// Which services have a ready instance.
    pub ready: &'a dyn Fn(&ServiceKey) -> bool,
    /// Which rules held for some instance a moment ago.
    pub held: &'a BTreeSet<String>,
}

/// The instance that a condition is held against.
pub struct Subject<'a> {
    /// As seen.
    pub seen: &'a InstanceSeen,
    /// What it was made of.
    pub spec: &'a ServiceSpec,
    /// The same as JSON.
    pub json: &'a Value,
    /// How many are wanted of its service.
    pub replicas: u32,
    /// Whether it is the oldest of its service.
    pub oldest: bool,
}

impl When {
    /// Whether all of it holds.
    pub fn holds(&self, moment: &Moment<'_>, subject: &Subject<'_>) -> bool {
        self.in_time(moment) && self.of_spec(subject) && self.of_run(moment, subject)
    }

    fn in_time(&self, moment: &Moment<'_>) -> bool {
        moment.now >= moment.trouble + self.from
            && self
                .until
                .is_none_or(|until| moment.now < moment.trouble + until)
            && self
                .beside
                .as_ref()
                .is_none_or(|rule| moment.held.contains(rule))
    }

    fn of_spec(&self, subject: &Subject<'_>) -> bool {
        let at = |pointer: &String| subject.json.pointer(pointer).unwrap_or(&Value::Null);
        let limits = &subject.spec.resources.limits;
        self.spec
            .iter()
            .all(|(pointer, value)| at(pointer) == value)
            && self
                .spec_not
                .iter()
                .all(|(pointer, value)| at(pointer) != value)
            && self
                .memory_below
                .is_none_or(|least| limits.memory.is_some_and(|memory| memory < least))
            && self
                .cpu_below
                .is_none_or(|least| limits.cpu.is_some_and(|cpu| cpu < least))
            && self
                .replicas_below
                .is_none_or(|least| subject.replicas < least)
    }

    fn of_run(&self, moment: &Moment<'_>, subject: &Subject<'_>) -> bool {
        let began = subject.seen.started_at;
        let age = began.map_or(Span(0), |began| moment.now.since(began));
        age >= self.age_from
            && self.age_below.is_none_or(|most| age < most)
            && (!self.began_before || began.is_some_and(|began| began < moment.trouble))
            && self
                .without
                .as_ref()
                .is_none_or(|service| !(moment.ready)(service))
            && self
                .node
                .as_ref()
                .is_none_or(|node| subject.seen.node == *node)
            && (!self.oldest || subject.oldest)
    }
}
