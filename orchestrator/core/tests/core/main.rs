//! The core's tests from outside, one module an idea.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

mod analysis;
mod autoscale;
mod change;
mod common;
mod following;
mod graph;
mod judged;
mod promoted;
mod properties;
mod reconcile;
mod resize;
mod rollout;
mod rollouts;
mod spec;
mod takeover;
mod twin;
