//! Looking at the fleet: probes, usage, scrapes, the machine, registries. Writes the table and the signals.

mod load;
pub mod machine;
pub mod probes;
pub mod prometheus;
pub mod registries;
pub mod scrape;
pub mod usage;
pub mod versions;
