//! What must be true of a policy bundle, proved: of every request that the gate can make, not of those
//! that somebody thought of.
//!
//! Invariants are Cedar: a `forbid` says that nothing it matches is ever allowed, a `permit` that all it
//! matches always is. The solver cvc5 looks for a request that breaks one; what it finds is evaluated
//! again by Cedar itself, made as plain as possible, and printed in words. A crate of its own because
//! nothing that decides calls needs it.

mod alike;
mod example;
mod laws;
mod lint;
mod plain;

mod prove;
mod scope;
mod solver;
mod subject;

pub use example::Example;
pub use laws::{Kind, Law, Laws};

pub use lint::{Silent, silent};
pub use prove::{Broken, Report, Unsettled, first_break, prove};
pub use solver::{ProveError, Solver};
pub use subject::Subject;
