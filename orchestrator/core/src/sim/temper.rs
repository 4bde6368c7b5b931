//! How programs behave in the simulated world, and what goes wrong around them.

use crate::{
    observed::ProblemKind,
    time::{Span, Time},
};

/// How every instance of an image behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temper {
    /// Shortest and longest time from the order to a running process.
    pub start: (Span, Span),
    /// Shortest and longest time from running to ready.
    pub warm_up: (Span, Span),
    /// What is wrong with it.
    pub flaw: Flaw,
}

impl Default for Temper {
    fn default() -> Self {
        Self {
            start: (Span(20), Span(2_000)),
            warm_up: (Span(50), Span(3_000)),
            flaw: Flaw::None,
        }
    }
}

/// What is wrong with a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing.
    #[default]
    None,
    /// It ends by itself.
    Exits {
        /// After running so long.
        after: Span,
        /// With this code.
        code: i32,
    },
    /// The kernel kills it for its memory.
    OutOfMemory {
        /// After running so long.
        after: Span,
    },
    /// It never becomes ready.
    NeverReady,
    /// Its liveness probe fails.
    Hangs {
        /// After running so long.
        after: Span,
    },
    /// It cannot be started.
    CannotStart(ProblemKind),
}

/// What goes wrong by chance, in cases per thousand, until `until`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// No more of any of these from then on.
    pub until: Time,
    /// A start fails because the registry does not answer.
    pub start_fails: u64,
    /// A run ends in a crash.
    pub crashes: u64,
    /// A run ends for lack of memory.
    pub out_of_memory: u64,
    /// Readiness is lost for a while.
    pub flaps: u64,
    /// A run hangs: liveness fails.
    pub hangs: u64,
    /// A step is never carried out.
    pub drops: u64,
    /// A step is carried out twice.
    pub repeats: u64,
    /// A step is carried out late.
    pub delays: u64,
    /// A resize in place is refused, in one of the ways in which backends do.
    pub refusals: u64,
    /// A node falls silent (each minute), some of them rebooting.
    pub silences: u64,
    /// The daemon restarts (each minute) and forgets what only it knew.
    pub restarts: u64,
}

impl Faults {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            until: Time(0),
            start_fails: 0,
            crashes: 0,
            out_of_memory: 0,
            flaps: 0,
            hangs: 0,
            drops: 0,
            repeats: 0,
            delays: 0,
            refusals: 0,
            silences: 0,
            restarts: 0,
        }
    }

    /// A bad day: everything goes wrong now and then.
    #[must_use]
    pub const fn many(until: Time) -> Self {
        Self {
            until,
            start_fails: 100,
            crashes: 150,
            out_of_memory: 50,
            flaps: 150,
            hangs: 50,
            drops: 80,
            repeats: 80,
            delays: 120,
            refusals: 250,
            silences: 150,
            restarts: 200,
        }
    }
}
