//! What the broker needs of the daemon and tells it: secrets in, spending out.

use std::sync::Arc;

use ostler_redact::Redactor;

/// Knows the secrets that must not leave.
pub trait Secrets: Send + Sync {
    /// A redactor that knows every secret there is now.
    fn redactor(&self) -> Arc<Redactor>;
}

/// Knows no secrets: credentials are found by their shape alone.
impl Secrets for () {
    fn redactor(&self) -> Arc<Redactor> {
        Arc::default()
    }
}

/// Hears what is spent.
pub trait Meter: Send + Sync {
    /// One request is over.
    fn spent(&self, spending: &Spending<'_>);
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMeter;

impl Meter for NoMeter {
    fn spent(&self, _: &Spending<'_>) {}
}

/// One request that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spending<'a> {
    /// Who asked.
    pub agent: &'a str,
    /// Which endpoint.
    pub endpoint: &'a str,
    /// What came of it.
    pub outcome: Outcome,
    /// Tokens, in and out together, and money.
    pub tokens: u64,
    /// Money in billionths.
    pub nano: u64,
}

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Answered by the provider.
    Answered,
    /// Answered from a recording.
    Replayed,
    /// Not acceptable, or not on the allow-list.
    Refused,
    /// Refused for want of budget.
    OverBudget,
    /// The provider gave nothing.
    Failed,
    /// The agent hung up, or the answer broke off.
    Interrupted,
}

impl Outcome {
    /// Its label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
            Self::OverBudget => "over_budget",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}
