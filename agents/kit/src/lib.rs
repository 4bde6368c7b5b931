//! The loop every agent runs: look, think, propose, act, verify, close or undo.
//!
//! An agent knows and does nothing except through MCP tools. Data's way: [`client`] (the pipe) →
//! [`world`] (questions and typed answers) → [`look`] (a glance, or a [`situation`]) → a
//! [`planner`] → [`case`] (what comes next for one incident) → [`agent`] and [`act`] (do it).
//! This crate links no gate, no store and no runtime.

mod act;
pub mod agent;
pub mod budget;
pub mod case;
pub mod client;
pub mod gather;
pub mod load;
pub mod look;
mod paper;
pub mod planner;
pub mod reader;
pub mod recall;
pub mod refused;
pub mod regress;
mod resume;
pub mod shadow;
pub mod situation;
pub mod symptom;
pub mod template;
pub mod text;
mod think;
pub mod trend;
mod undo;
mod watch;
pub mod world;
