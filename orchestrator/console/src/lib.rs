//! The console: where people look and decide. Pages rendered on the server; a client of the gate like
//! any other.
//!
//! Every read and every change is a tool call by the signed-in person through the one door, so policy and
//! audit hold here as anywhere; there is no other way in. The data's way: a request → [`visit`] (who is
//! signed in) → calls ([`ask`]) → a page ([`pages`], pure functions of answers) → headers ([`guard`]).
//! Pages work without scripts; one small script follows [`live`] hints and asks for the page again.

mod act;
mod ask;
mod assets;
mod elsewhere;
mod guard;
mod live;
pub mod pages;
mod problem;
mod routes;
mod sign_in;
mod state;
pub mod ui;
mod visit;

pub use elsewhere::{Begun, Elsewhere};
pub use routes::router;
