//! The scaler: objectives in, capacity out. It learns what each service's instances can carry and what they use, and
//! proposes targets, floors ahead of known peaks, and sizes that fit.
//!
//! `minds` learns from what `sight` makes of each glance; `advice` says what fits better; `notice` says for which
//! services that is worth somebody's time; `plan` writes the proposal. What is thought is in `ostler-capacity`.
//! Nothing here follows the load from second to second: that is the core's rule, which needs no agent.

mod advice;
mod limits;
mod minds;
mod notice;
mod plan;
mod sight;
mod tune;

use std::sync::{Arc, Mutex};

use ostler_agents_kit::{
    agent::{Clock, Parts},
    budget::Budget,
};

pub use notice::Noticing;
pub use plan::CapacityPlanner;

/// What a model that thinks for the scaler is told.
pub const PROMPT: &str = include_str!("prompt.md");
/// What the scaler's proposals may consist of; policy says when.
pub const PROPOSABLE: &[&str] = &["tune_scaling", "set_limits"];

/// The scaler's parts: who notices learns, who plans reads what was learnt.
#[must_use]
pub fn parts(clock: Arc<dyn Clock>) -> Parts {
    let minds = Arc::new(Mutex::default());
    Parts {
        notice: Box::new(Noticing::new(Arc::clone(&minds))),
        planner: Box::new(CapacityPlanner::new(minds)),
        budget: Budget::default(),
        clock,
        shadow: None,
    }
}
