//! The catalogue of tools: one file a tool; from arguments to a decision about what it would do.
//!
//! Pure: a tool reads a [`view::View`] and answers with [`contract::Decided`]; it performs nothing.
//! MCP schemas, Cedar actions, CLI commands, docs pages and coverage tests derive from here.

pub mod answer;
pub mod base;
pub mod catalogue;
pub mod complaints;
pub mod contract;
pub mod evals;
pub mod kinds;
pub mod picture;
pub mod price;
pub mod principal;
pub mod proposals;
pub mod query;
pub mod record;
pub mod reference;
mod schema;
pub mod twin;
pub mod view;
pub mod words;
