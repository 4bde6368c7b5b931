//! Virtual time stands still while an agent thinks: a model's answer comes over a real socket, and a
//! paused clock would run on to the next timer meanwhile. So a run with a model's recorded answers is
//! the run in which they were recorded, to the millisecond.

use async_trait::async_trait;
use ostler_agents_kit::{
    planner::{Planner, PlannerError, Thought},
    reader::Reader,
    situation::Situation,
};

/// Holds time around a planner, where time is virtual.
#[must_use]
pub fn around(planner: Box<dyn Planner>) -> Box<dyn Planner> {
    Box::new(Held(planner))
}

struct Held(Box<dyn Planner>);

#[async_trait]
impl Planner for Held {
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError> {
        let (over, thinking) = std::sync::mpsc::channel::<()>();
        // A blocking task keeps a paused clock where it is until it ends.
        let hold = tokio::task::spawn_blocking(move || thinking.recv().is_ok());
        let thought = self.0.think(situation, reader).await;
        drop(over);
        // It ends with the channel.
        let _held = hold.await;
        thought
    }
}
