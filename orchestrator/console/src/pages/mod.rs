//! One file a page: what it asks for, then a pure function from the answers to the page.

pub(crate) mod agent;
pub(crate) mod agents;
pub(crate) mod approval;
pub(crate) mod audit;
pub(crate) mod eval;
pub(crate) mod evals;
pub(crate) mod exec;
pub(crate) mod graph;
pub(crate) mod incident;
pub(crate) mod incidents;
pub(crate) mod instance;
pub(crate) mod instances;
mod log;
mod measured;
pub mod night;
mod objectives;
pub(crate) mod policy;
pub(crate) mod proposal;
pub(crate) mod proposals;
mod request;
mod rollout;
pub(crate) mod service;
pub(crate) mod services;
