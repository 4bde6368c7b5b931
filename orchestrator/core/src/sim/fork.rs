//! A simulated world that begins as a real one was seen.

use super::{
    life::{Due, Life},
    temper::{Faults, Flaw},
    world::World,
};
use crate::{
    intent::Intent,
    observed::{Answer, Observed, Phase},
    time::{Span, Time},
};

impl World {
    /// A copy of what was seen, in which nothing goes wrong by chance.
    #[must_use]
    pub fn fork(observed: &Observed, now: Time) -> Self {
        let mut world = Self::from_parts(0, Faults::none(), observed.nodes.clone(), now);
        world.routes.clone_from(&observed.routes);
        world.taken.clone_from(&observed.taken);
        for (id, seen) in &observed.instances {
            let mut life = Life::new(seen.clone());
            match seen.phase {
                Phase::Starting => life.pending.push((now + Span::seconds(1), Due::Runs)),
                Phase::Stopping => {
                    life.pending
                        .push((now + Span::seconds(1), Due::Ends { liveness: false }));
                }
                Phase::Running if seen.health.readiness == Answer::Unknown => {
                    life.pending
                        .push((now + Span::seconds(1), Due::Ready(true)));
                }
                _ => {}
            }
            world.lives.insert(id.clone(), life);
        }
        world.accounts.placed = u64::try_from(world.lives.len()).unwrap_or(u64::MAX);
        world
    }

    /// Lets what runs with a flaw fail again when its time has come.
    pub(super) fn doom(&mut self, intent: &Intent) {
        let mut doomed = Vec::new();
        for (id, life) in &self.lives {
            let began = life.seen.started_at.unwrap_or(life.seen.since);
            let temper = self.temper(intent, &life.seen.service, life.seen.generation);
            let due = match temper.flaw {
                Flaw::Exits { after, code } => (began + after, Due::Exits(code)),
                Flaw::OutOfMemory { after } => (began + after, Due::OutOfMemory),
                Flaw::Hangs { after } => (began + after, Due::Live(false)),
                Flaw::None | Flaw::NeverReady | Flaw::CannotStart(_) => continue,
            };
            if life.seen.phase == Phase::Running {
                doomed.push((id.clone(), (due.0.max(self.now), due.1)));
            }
        }
        for (id, due) in doomed {
            if let Some(life) = self.lives.get_mut(&id) {
                life.pending.push(due);
            }
        }
    }
}
