//! Looking at the fleet: probes, usage, scrapes, the machine. Writes the table and the signals.

mod load;
pub mod machine;
pub mod probes;
pub mod prometheus;
pub mod scrape;
pub mod usage;
pub mod versions;
