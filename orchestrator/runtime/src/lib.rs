//! Backends that run instances. A backend does what it is told and tells what it sees; it decides
//! nothing. `backend` is the contract, `conformance` the suite that every backend passes.

pub mod backend;
pub mod conformance;
mod disk;
pub mod image;
pub mod limits;
pub mod network;
pub mod process;
pub mod sim;
pub mod youki;
