//! Containers that look after themselves, under law: the daemon, its loops and its command line.
//!
//! Wiring and loops, no decisions: those are in `ostler-core`, `ostler-policies` and the agents.

pub mod app;
pub mod broker;
mod calendar;
pub mod cli;
pub mod clock;
pub mod configured;
pub mod demo;
pub mod drive;
pub mod execute;
pub mod fleet;
pub mod front;
pub mod happening;
mod images;
mod kept;
mod key_file;
pub mod launch;
pub mod metrics;
pub mod news;
pub mod notify;
pub mod observe;
mod rehearsal;
pub mod retain;
pub mod routes;
pub mod serve;
pub mod settings;
pub mod shutdown;
pub mod state_dir;
pub mod supervise;
mod urls;
pub mod witness;
