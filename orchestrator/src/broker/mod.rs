//! Wiring of the broker: which agent plans with what, over which socket, and who may use it.

mod budgets;
mod desk;
mod meter;
mod secrets;
mod sockets;
mod whose;

use ostler_agents::Models;
use ostler_agents_llm::line::Line;

pub(crate) use self::secrets::OfGate;
pub use self::{
    desk::{Access, Desk},
    whose::Seat,
};

/// The way to language models that this process, an agent, was given; none when models are not configured.
#[must_use]
pub fn models() -> Option<Models> {
    let line = |seat: Seat| Some(Line::new(std::env::var_os(seat.variable())?));
    Some(Models {
        line: line(Seat::Own)?,
        seed: rand::random(),
        settings: None,
        shadow: line(Seat::Shadow),
    })
}
