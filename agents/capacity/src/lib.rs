//! What a scaler thinks: objectives in, capacity out.
//!
//! Pure: [`plan::Brain`] takes readings and gives plans, and knows no clock, tool or model. It is
//! measured in `evals/scaling`; the scaler agent carries what lasts of it to a live fleet.

pub mod capacity;
pub mod fit;
pub mod forecast;
pub mod mind;
pub mod plan;
pub mod reading;
pub mod robust;
pub mod size;
mod sizing;
pub mod target;
pub mod why;
