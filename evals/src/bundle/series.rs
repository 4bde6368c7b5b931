//! A bundle's series of signals.

use ostler_core::{
    id::{InstanceId, NodeName, ServiceKey},
    signal::SignalKind,
    time::Span,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One series: values at even intervals with the last one now, or values each with its time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SeriesIn {
    /// About a service…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceKey>,
    /// …or an instance…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// …or a node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeName>,
    /// What it measures.
    pub kind: SignalKind,
    /// The interval.
    #[serde(default = "ten_seconds")]
    pub every: Span,
    /// The values: written out, `{from, to, count}` for a straight line, or `{at: [[ago, value], …]}`.
    pub values: ValuesIn,
}

/// Values of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValuesIn {
    /// Written out, oldest first.
    List(Vec<f64>),
    /// A straight line.
    Line {
        /// The first value.
        from: f64,
        /// The last value.
        to: f64,
        /// How many.
        count: u32,
    },
    /// Each with how many seconds ago it was measured, oldest first; `every` says nothing.
    Timed {
        /// Seconds ago, and the value.
        at: Vec<(f64, f64)>,
    },
}

impl SeriesIn {
    /// The values with how long ago each was measured, oldest first.
    #[must_use]
    pub fn points(&self) -> Vec<(Span, f64)> {
        match &self.values {
            ValuesIn::List(values) => self.spread(values.clone()),
            ValuesIn::Line { from, to, count } => {
                let steps = f64::from(count.saturating_sub(1).max(1));
                let value = |step| from + (to - from) * f64::from(step) / steps;
                self.spread((0..*count).map(value).collect())
            }
            ValuesIn::Timed { at } => at
                .iter()
                .map(|(ago, value)| (span_of(*ago), *value))
                .collect(),
        }
    }

    /// At even intervals, the last one now.
    fn spread(&self, values: Vec<f64>) -> Vec<(Span, f64)> {
        let last = values.len().saturating_sub(1);
        let ago = |index: usize| {
            let steps = u64::try_from(last - index).unwrap_or(0);
            Span(steps.saturating_mul(self.every.0))
        };
        let values = values.into_iter().enumerate();
        values.map(|(index, value)| (ago(index), value)).collect()
    }
}

/// Seconds as a span, to the millisecond; nothing below zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "held between zero and a year"
)]
fn span_of(seconds: f64) -> Span {
    Span((seconds.clamp(0.0, 31_536_000.0) * 1_000.0).round() as u64)
}

pub(crate) const fn ten_seconds() -> Span {
    Span::seconds(10)
}
