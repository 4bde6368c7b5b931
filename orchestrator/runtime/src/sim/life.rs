//! One simulated instance: what its image says it does, and what became of it. Pure: time and chance
//! are given to it.

use ostler_core::{
    id::Generation,
    observed::{EXITS_LIMIT, Exit, Phase},
    sim::Dice,
    spec::{Resources, ServiceSpec},
    time::{Span, Time},
    units::Bytes,
};

use crate::backend::{Order, Seen, StopCause};

/// What an instance does, as its image's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// `sim:serve`: runs until it is asked to end, then exits with code 0.
    Serve,
    /// `sim:stubborn`: runs and takes no notice of signals.
    Stubborn,
    /// `sim:exit:CODE`: exits with the code soon.
    Exit(i32),
    /// `sim:signal:NUMBER`: is killed by the signal soon.
    Signal(i32),
    /// `sim:hold`: as `serve`, and holds 16 MiB of memory.
    Hold,
    /// `sim:leak`: uses more and more memory and is killed at its limit.
    Leak,
}

impl Habit {
    /// What images there are.
    pub(super) const ACCEPTED: &str = "`sim:serve`, `sim:hold`, `sim:stubborn`, `sim:exit:CODE`, `sim:signal:NUMBER` or `sim:leak`";

    /// Reads an image's name.
    pub(super) fn of(spec: &ServiceSpec) -> Option<Self> {
        let (kind, number) = match spec.image.strip_prefix("sim:")?.split_once(':') {
            Some((kind, number)) => (kind, Some(number.parse().ok()?)),
            None => (spec.image.strip_prefix("sim:")?, None),
        };
        match (kind, number) {
            ("serve", None) => Some(Self::Serve),
            ("stubborn", None) => Some(Self::Stubborn),
            ("leak", None) => Some(Self::Leak),
            ("hold", None) => Some(Self::Hold),
            ("exit", Some(code)) => Some(Self::Exit(code)),
            ("signal", Some(number)) => Some(Self::Signal(number)),
            _ => None,
        }
    }

    /// After how long it ends by itself.
    pub(super) fn lasts(self, dice: &mut Dice) -> Option<Span> {
        match self {
            Self::Serve | Self::Stubborn | Self::Hold => None,
            Self::Exit(_) | Self::Signal(_) | Self::Leak => Some(Span(dice.between(1, 50))),
        }
    }

    /// After how long it ends when it is asked politely.
    pub(super) fn obeys(self, grace: Span, dice: &mut Dice) -> Span {
        match self {
            Self::Stubborn => grace,
            _ => Span(dice.between(1, 50).min(grace.0)),
        }
    }
}

/// How an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// As its habit is.
    ByItself,
    /// Asked to, in time or not.
    Asked {
        /// Whether it had to be killed.
        killed: bool,
    },
}

/// One simulated instance.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub(super) seen: Seen,
    pub(super) habit: Habit,
    pub(super) memory_limit: Option<Bytes>,
    asked: Option<StopCause>,
}

impl Life {
    /// One that was placed and has not run yet.
    pub(super) fn new(order: &Order, habit: Habit, address: std::net::Ipv4Addr) -> Self {
        let (cpu, memory) = order.spec.reserved();
        Self {
            seen: Seen {
                instance: order.instance.clone(),
                service: order.service.clone(),
                generation: order.generation,
                phase: Phase::Ended,
                attempt: 0,
                created_at: order.created_at,
                started_at: None,
                exits: Vec::new(),
                address: Some(address),
                pid: None,
                cpu,
                memory,
                resized_at: None,
            },
            habit,
            memory_limit: order.spec.resources.limits.memory,
            asked: None,
        }
    }

    /// Whether an attempt is under way.
    pub(super) fn runs(&self) -> bool {
        self.seen.phase != Phase::Ended
    }

    /// Memory in use: what it holds, else what it reserves.
    pub(super) fn memory_used(&self) -> Bytes {
        let least = if self.habit == Habit::Hold { 16 } else { 1 };
        self.seen.memory.max(Bytes::mib(least))
    }

    /// Takes over resources of this generation or a newer one; says whether it was a newer one.
    pub(super) fn take_size(&mut self, generation: Generation, resources: &Resources) -> bool {
        let newer = generation > self.seen.generation;
        if newer || generation == self.seen.generation {
            self.seen.generation = generation;
            (self.seen.cpu, self.seen.memory) = resources.reserved();
            self.memory_limit = resources.limits.memory;
        }
        newer
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, attempt: u32, now: Time) {
        self.seen.attempt = attempt;
        self.seen.phase = Phase::Running;
        self.seen.started_at = Some(now);
        self.asked = None;
    }

    /// It is asked to end.
    pub(super) fn ask(&mut self, why: StopCause) {
        self.seen.phase = Phase::Stopping;
        self.asked.get_or_insert(why);
    }

    /// An attempt ends, unless it has already.
    pub(super) fn end(&mut self, attempt: u32, end: End, now: Time) {
        if !self.runs() || self.seen.attempt != attempt {
            return;
        }
        let (code, signal) = match (end, self.habit) {
            (End::Asked { killed: true }, _) => (None, Some(9)),
            (End::Asked { killed: false }, _) => (Some(0), None),
            (End::ByItself, Habit::Exit(code)) => (Some(code), None),
            (End::ByItself, Habit::Signal(number)) => (None, Some(number)),
            (End::ByItself, _) => (None, Some(9)),
        };
        self.seen.phase = Phase::Ended;
        self.seen.exits.push(Exit {
            attempt,
            at: now,
            ran: now.since(self.seen.started_at.unwrap_or(now)),
            code,
            signal,
            out_of_memory: end == End::ByItself && self.habit == Habit::Leak,
            asked: self.asked.is_some(),
            liveness: self.asked == Some(StopCause::NotLive),
        });
        let old = self.seen.exits.len().saturating_sub(EXITS_LIMIT);
        self.seen.exits.drain(..old);
    }
}
