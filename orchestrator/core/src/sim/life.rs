//! The life of one simulated instance: what is due to happen to it, and how it then looks.

use super::{
    dice::Dice,
    temper::{Faults, Flaw, Temper},
};
use crate::{
    observed::{Answer, EXITS_LIMIT, Exit, InstanceSeen, Phase, Problem, ProblemKind},
    time::{Span, Time},
};

/// What can be due to happen to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Runs,
    StartFails(ProblemKind),
    Exits(i32),
    OutOfMemory,
    Ready(bool),
    Live(bool),
    Ends { liveness: bool },
    Removed,
}

/// One instance of the simulated world.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub seen: InstanceSeen,
    pub pending: Vec<(Time, Due)>,
}

impl Life {
    pub fn new(seen: InstanceSeen) -> Self {
        Self {
            seen,
            pending: Vec::new(),
        }
    }

    /// The earliest thing due.
    pub fn next(&self) -> Option<Time> {
        self.pending.iter().map(|(at, _)| *at).min()
    }

    fn plan(&mut self, at: Time, due: Due) {
        self.pending.push((at, due));
    }

    /// Takes what is due by then, earliest first.
    pub fn take_due(&mut self, by: Time) -> Option<(Time, Due)> {
        let index = (0..self.pending.len())
            .filter(|index| self.pending.get(*index).is_some_and(|(at, _)| *at <= by))
            .min_by_key(|index| self.pending.get(*index).map(|(at, _)| *at))?;
        Some(self.pending.remove(index))
    }

    /// An attempt is being prepared.
    pub fn begin(
        &mut self,
        attempt: u32,
        now: Time,
        temper: &Temper,
        faults: &Faults,
        dice: &mut Dice,
    ) {
        self.seen.phase = Phase::Starting;
        self.seen.since = now;
        self.seen.attempt = attempt;
        self.seen.health = Default::default();
        self.pending.clear();
        let at = now + draw(temper.start, dice);
        let unlucky = now < faults.until && dice.chance(faults.start_fails);
        self.plan(
            at,
            match temper.flaw {
                Flaw::CannotStart(kind) => Due::StartFails(kind),
                _ if unlucky => Due::StartFails(ProblemKind::RegistryUnavailable),
                _ => Due::Runs,
            },
        );
    }

    /// The process runs: draws what will become of it.
    pub fn run(&mut self, now: Time, temper: &Temper, faults: &Faults, dice: &mut Dice) {
        self.seen.phase = Phase::Running;
        self.seen.since = now;
        self.seen.started_at = Some(now);
        let ready = now + draw(temper.warm_up, dice);
        match temper.flaw {
            Flaw::Exits { after, code } => self.plan(now + after, Due::Exits(code)),
            Flaw::OutOfMemory { after } => self.plan(now + after, Due::OutOfMemory),
            Flaw::Hangs { after } => self.plan(now + after, Due::Live(false)),
            Flaw::None | Flaw::NeverReady | Flaw::CannotStart(_) => {}
        }
        self.plan(ready, Due::Ready(temper.flaw != Flaw::NeverReady));
        self.plan(ready, Due::Live(true));
        if now < faults.until {
            self.draw_faults(now, temper, faults, dice);
        }
    }

    /// It got other resources while it runs: whether memory is short is another question now.
    pub fn resized(&mut self, now: Time, temper: &Temper) {
        self.pending.retain(|(_, due)| *due != Due::OutOfMemory);
        if let Flaw::OutOfMemory { after } = temper.flaw {
            self.plan(now + after, Due::OutOfMemory);
        }
    }

    fn draw_faults(&mut self, now: Time, temper: &Temper, faults: &Faults, dice: &mut Dice) {
        let later = |dice: &mut Dice| now + Span(dice.between(500, 90_000));
        if dice.chance(faults.crashes) {
            self.plan(later(dice), Due::Exits(1));
        }
        if dice.chance(faults.out_of_memory) {
            self.plan(later(dice), Due::OutOfMemory);
        }
        if dice.chance(faults.hangs) {
            self.plan(later(dice), Due::Live(false));
        }
        if dice.chance(faults.flaps) {
            let at = later(dice);
            let back = at + Span(dice.between(100, 30_000));
            // What is never ready does not get so by losing it.
            if temper.flaw != Flaw::NeverReady {
                self.plan(at, Due::Ready(false));
                self.plan(back, Due::Ready(true));
            }
        }
    }

    /// It was asked to end and takes its time until then.
    pub fn stop(&mut self, now: Time, liveness: bool, ends: Time) {
        self.seen.phase = Phase::Stopping;
        self.seen.since = now;
        self.pending.clear();
        self.plan(ends, Due::Ends { liveness });
    }

    /// The process is gone.
    pub fn end(&mut self, now: Time, how: Due) {
        let asked = matches!(how, Due::Ends { .. });
        let killed = matches!(how, Due::OutOfMemory).then_some(9);
        self.seen.exits.push(Exit {
            attempt: self.seen.attempt,
            at: now,
            ran: self
                .seen
                .started_at
                .map_or(Span(0), |started| now.since(started)),
            code: match how {
                Due::Exits(code) => Some(code),
                Due::Ends { .. } => Some(143),
                _ => None,
            },
            signal: killed,
            out_of_memory: matches!(how, Due::OutOfMemory),
            asked,
            liveness: matches!(how, Due::Ends { liveness: true }),
        });
        let extra = self.seen.exits.len().saturating_sub(EXITS_LIMIT);
        self.seen.exits.drain(..extra);
        self.seen.phase = Phase::Ended;
        self.seen.since = now;
        self.seen.health = Default::default();
        self.pending.clear();
    }

    /// It could not be started.
    pub fn fail(&mut self, now: Time, kind: ProblemKind) {
        self.seen.phase = Phase::Failed {
            problem: Problem {
                kind,
                detail: String::new(),
            },
        };
        self.seen.since = now;
        self.pending.clear();
    }

    /// A probe answers.
    pub fn answer(&mut self, now: Time, due: Due) {
        let say = |yes: bool| match yes {
            true => Answer::Yes { since: now },
            false => Answer::No {
                since: now,
                reason: "simulated".to_owned(),
            },
        };
        match due {
            Due::Ready(yes) => {
                self.seen.health.startup = say(true);
                self.seen.health.readiness = say(yes);
            }
            Due::Live(yes) => self.seen.health.liveness = say(yes),
            _ => {}
        }
    }
}

fn draw((low, high): (Span, Span), dice: &mut Dice) -> Span {
    Span(dice.between(low.0, high.0))
}
