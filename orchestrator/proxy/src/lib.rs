//! In front of published HTTP ports: which version and which instance answers a request, a second
//! try where that is safe, counts by version.
//!
//! A table comes in, connections are served by it, counts go out; nothing here decides what is in
//! the table. The process around it is the daemon's: it outlives it and goes on with the last table.
//! A request's way: `door` → `forward` (by `headers`) → `choice` → `upstream` → `body`.

mod body;
mod choice;
pub mod control;
mod door;
mod forward;
mod headers;
mod limits;
mod pass;
mod proxy;
mod table;
mod tally;
mod upstream;
pub mod wire;

pub use limits::Limits;
pub use proxy::Proxy;
pub use table::{Front, FrontKey, Instance, Table, Version};
