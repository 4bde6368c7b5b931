//! What a scaler thinks: objectives in, capacity out.
//!
//! Pure: [`plan::Brain`] takes readings and gives plans, and knows no clock, tool or model. It is
//! measured in `evals/scaling`; the agent that carries it to a live fleet is not there yet.

pub mod capacity;
pub mod forecast;
pub mod mind;
pub mod plan;
pub mod reading;
pub mod robust;
pub mod size;
mod sizing;
pub mod why;
