//! What those who propose and those who judge proposals must both know.

/// Words of a refusal because another agent works on the service. Who reads them waits and asks
/// again; nothing is wrong with the proposal.
pub const LEASED: &str = "is leased to";
