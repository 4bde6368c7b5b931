//! The pure core: what is wanted, what was seen, what to do about it.
//!
//! Nothing here has a clock, randomness, async or I/O: time and seeds are arguments, so the core
//! can be simulated, forked and replayed. Data's way: `spec` → `intent` (moved by `change`) and
//! `observed` → `reconcile` → `plan` (checked by `check`) → the driver executes its `step`s.

pub mod analysis;
pub mod autonomy;
pub mod autoscale;
pub mod backoff;
pub mod change;
pub mod check;
pub mod event;
pub mod facts;
pub mod golden;
pub mod graph;
pub mod id;
pub mod incident;
pub mod intent;
pub mod law;
pub mod observed;
pub mod plan;
pub mod proposal;
pub mod reconcile;
pub mod rollout;
pub mod schedule;
pub mod shadow;
pub mod signal;
pub mod sim;
pub mod spec;
pub mod step;
pub mod time;
pub mod traffic;
pub mod units;
