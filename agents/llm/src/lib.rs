//! Planners that ask a language model, with rules behind them.
//!
//! A turn's way: [`view`] turns a situation into data, [`fence`] marks it as data, [`investigate`]
//! lets a [`model`] look further through read tools and asks for an [`answer`], [`check`] holds the
//! answer against what is known, [`weigh`] against what the rules say, [`chain`] goes on to the next
//! planner when one gives nothing. A model only ever concludes: the kit submits, the gate judges.

pub mod answer;
pub mod chain;
pub mod check;
pub mod fence;
pub mod investigate;
pub mod line;
pub mod model;
pub mod ollama;
pub mod openai;
mod patience;
pub mod prompt;
pub mod settings;
pub mod view;
pub mod weigh;
