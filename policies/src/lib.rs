//! What callers may do: Cedar schema, policy bundle, engine.
//!
//! Fails closed: no policy, a broken bundle or an error while deciding means *deny*. Knows nothing of
//! tools or records: actions and facts are handed in, a decision with its reasons comes out.

mod again;
mod bundle;
mod differ;
mod engine;
mod entities;
mod explain;
mod request;
mod schema;
mod table;

pub use again::{Asked, Otherwise};
pub use bundle::{Bundle, BundleError, Source};
pub use engine::Engine;
pub use entities::plain_context;
pub use request::{Action, AgentFacts, Decision, Facts, Reason, Request, Verdict, Who};
pub use schema::{GROUPS, schema_text};
pub use table::{Case, Miss, TableError, in_words, read_table};
