//! Reads incidents that others recorded into pictures with their truth.
//!
//! One module a format. Nothing of the data is kept in the project: users point at a folder of theirs.

pub mod case;
pub mod cloudopsbench;
pub mod generic;
mod history;
pub mod itbench;
pub mod nab;
pub mod petshop;
pub mod rcd;
mod table;
mod time;
mod wide;
