//! Looking at the fleet: probes, usage, scrapes, versions side by side, the machine, registries, reports of evals. Writes the table and the signals.

pub mod compare;
pub mod evals;
mod load;
pub mod machine;
pub mod probes;
pub mod prometheus;
pub mod registries;
pub mod scrape;
pub mod usage;
pub mod versions;
