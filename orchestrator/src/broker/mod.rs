//! Wiring of the broker: which agent plans with what, over which socket, and who may use it.

mod budgets;
mod desk;
mod meter;
mod secrets;
mod sockets;

use ostler_agents::Models;
use ostler_agents_llm::line::Line;

pub(crate) use self::secrets::OfGate;
pub use self::{
    desk::{Access, Desk},
    sockets::SOCKET,
};

/// Where an agent is told its broker's socket.
pub const SOCKET_VARIABLE: &str = "OSTLER_BROKER";

/// The way to language models that this process, an agent, was given; none when models are not configured.
#[must_use]
pub fn models() -> Option<Models> {
    let socket = std::env::var_os(SOCKET_VARIABLE)?;
    Some(Models {
        line: Line::new(socket),
        seed: rand::random(),
        settings: None,
    })
}
