//! What a gate is made of, and the limits it holds.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::time::Span;
use ostler_policies::Engine;
use ostler_tools::contract::Tool;

use crate::{
    keys::{KeyError, Keys},
    ports::{Clock, Store, StoreError, World},
};

/// What a gate is made of.
pub struct GateConfig {
    /// Where state is kept.
    pub store: Arc<dyn Store>,
    /// The running fleet.
    pub world: Arc<dyn World>,
    /// Time and randomness.
    pub clock: Arc<dyn Clock>,
    /// The policies, loaded against [`crate::actions`] of the same catalogue.
    pub engine: Arc<Engine>,
    /// The signing and sealing keys.
    pub keys: Keys,
    /// Every tool there is.
    pub catalogue: &'static [Tool],
    /// Which agent goes before which where two want the same service: the higher number. Who is not
    /// named has 0.
    pub priorities: BTreeMap<String, u32>,
    /// The limits.
    pub limits: Limits,
}

/// Limits on waits, sizes and what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long a request waits for a person's yes; one hour.
    pub approval_waits: Span,
    /// How long after the yes the calls may be made; fifteen minutes.
    pub approval_lasts: Span,
    /// Bytes of a call's arguments; 1 MiB.
    pub arguments: usize,
    /// Bytes of the arguments of `apply_services`, which carry manifests; 4 MiB.
    pub manifests: usize,
    /// Bytes of arguments in an audit leaf; beyond, their hash and length are kept. 32 KiB.
    pub audited: usize,
    /// Closed incidents that are remembered, with their proposals and approvals; 1,000.
    pub closed_incidents: usize,
    /// Approvals that no longer wait and belong to no incident that is remembered; 500.
    pub old_approvals: usize,
    /// Requests that may wait for a person at once; 200.
    pub waiting_approvals: usize,
    /// Requests of one caller that may wait for a person at once; 20.
    pub waiting_per_requester: usize,
    /// Proposals of one incident that may be open at once; 10.
    pub open_proposals: usize,
    /// Proposals that may be made for one incident in all; 50.
    pub proposals: usize,
    /// Calls that an agent or assistant may make in a minute; 1,200.
    pub agent_calls: u32,
    /// Calls that any other caller may make in a minute; 6,000.
    pub person_calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            approval_waits: Span::minutes(60),
            approval_lasts: Span::minutes(15),
            arguments: 1 << 20,
            manifests: 4 << 20,
            audited: 32 << 10,
            closed_incidents: 1_000,
            old_approvals: 500,
            waiting_approvals: 200,
            waiting_per_requester: 20,
            open_proposals: 10,
            proposals: 50,
            agent_calls: 1_200,
            person_calls: 6_000,
        }
    }
}

/// Why a gate did not open.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The state could not be loaded.
    #[error("cannot load the state: {0}")]
    Load(#[from] StoreError),
    /// The keys could not be used.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The audit log does not match its checkpoint.
    #[error("the audit log does not match its signed checkpoint: {0}")]
    Tampered(#[from] crate::audit::Tampered),
    /// Two tools share a name, or the policies were loaded against another catalogue.
    #[error("tool `{0}` is listed twice or is unknown to the policies")]
    Catalogue(String),
    /// A secret cannot be opened.
    #[error("secret `{secret}` cannot be opened: {problem}")]
    Secret {
        /// Which.
        secret: ostler_core::intent::SecretKey,
        /// Why.
        problem: &'static str,
    },
}
