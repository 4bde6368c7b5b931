//! What somebody from outside does to the simulated world: scripted faults, beside those by chance.

use super::{
    life::{Due, Life},
    world::World,
};
use crate::{
    id::{InstanceId, NodeName},
    observed::{Answer, InstanceSeen, Phase, Problem},
    time::Span,
};

/// How a program ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this code.
    Exit(i32),
    /// The kernel kills it for its memory.
    OutOfMemory,
}

/// Which probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// May it take traffic?
    Readiness,
    /// Does it live?
    Liveness,
}

impl World {
    /// Every instance that exists.
    pub fn instances(&self) -> impl Iterator<Item = (&InstanceId, &InstanceSeen)> {
        self.lives.iter().map(|(id, life)| (id, &life.seen))
    }

    /// A program that runs ends; others are let be.
    pub fn end(&mut self, id: &InstanceId, how: Ending) {
        let now = self.now;
        if let Some(life) = self.living(id, Phase::Running) {
            life.end(
                now,
                match how {
                    Ending::Exit(code) => Due::Exits(code),
                    Ending::OutOfMemory => Due::OutOfMemory,
                },
            );
        }
    }

    /// A start fails, whose attempt is under way; others are let be.
    pub fn fail_start(&mut self, id: &InstanceId, problem: Problem) {
        let now = self.now;
        if let Some(life) = self.living(id, Phase::Starting) {
            life.fail(now, problem.kind);
            life.seen.phase = Phase::Failed { problem };
        }
    }

    /// A probe of an instance that runs says no for this reason, or yes again.
    pub fn probe(&mut self, id: &InstanceId, asked: Asked, no: Option<&str>) {
        let now = self.now;
        let Some(life) = self.living(id, Phase::Running) else {
            return;
        };
        let health = &mut life.seen.health;
        let answer = match asked {
            Asked::Readiness => &mut health.readiness,
            Asked::Liveness => &mut health.liveness,
        };
        let since = match (&*answer, no) {
            (Answer::No { since, .. }, Some(_)) | (Answer::Yes { since }, None) => *since,
            _ => now,
        };
        *answer = match no {
            Some(reason) => Answer::No {
                since,
                reason: reason.to_owned(),
            },
            None => Answer::Yes { since },
        };
    }

    /// A machine falls silent for a while.
    pub fn silence(&mut self, node: &NodeName, span: Span) {
        let (since, until) = (self.now, self.now + span);
        let entry = self.silent.entry(node.clone()).or_insert((since, until));
        entry.1 = entry.1.max(until);
    }

    fn living(&mut self, id: &InstanceId, phase: Phase) -> Option<&mut Life> {
        self.lives
            .get_mut(id)
            .filter(|life| life.seen.phase == phase)
    }
}
