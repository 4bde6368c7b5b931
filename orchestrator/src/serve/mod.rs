//! The doors of the daemon: a Unix socket, HTTP, and the bridge from standard input and output.
//!
//! Each only finds out who calls and hands the call to the gate; none decides anything.

pub mod attenuate;
pub mod bridge;
pub mod http;
pub mod oidc;
pub mod peers;
mod quiet;
pub mod tls;
pub mod unix;
