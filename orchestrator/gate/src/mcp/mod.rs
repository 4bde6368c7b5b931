//! The MCP face of the gate: the catalogue as MCP tools, every call through the one door.
//!
//! # How answers look
//! Done: `structuredContent` is the tool's answer, `content` the same as JSON text, `isError` false.
//! Held, denied, refused, failed: `isError` true, `content` says it in words, `structuredContent` is
//! the whole [`crate::answer::Answer`] (`call`, `outcome`, `words`, and `approval` where there is one).
//! Always: `_meta["ostler.dev/call"]` is the recorded call's id, which evidence cites;
//! `_meta["ostler.dev/revision"]` the revision that a change made, `_meta["ostler.dev/approval"]` what a held call waits for; and the last text block names the
//! call for readers that see only text.
//! A held call of a client that knows tasks is a task: it ends with what came of the call after the yes.

mod complete;
mod convert;
mod door;
mod pipe;
mod prompts;
mod resources;
mod server;
pub(crate) mod tasks;
mod watch;

pub use convert::{APPROVAL_KEY, CALL_KEY, REVISION_KEY, mcp_tool, result_of};
pub use door::{Door, Standing};
pub use pipe::{PipeError, serve_pipe, serve_with_heartbeat};
pub use server::{McpServer, Who};
pub use tasks::HeldTasks;
