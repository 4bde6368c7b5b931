//! Signals in: what probes answer, what scrapes and cgroups tell, and an hour of it in memory.
//!
//! Everything here comes from workloads, so it is data: sizes are capped, values must be finite,
//! a gap is a gap and never zero. Nothing here decides.

pub mod demand;
pub mod history;
pub mod http;
pub mod probe;
pub mod prometheus;
pub mod rates;
pub mod scrape;
