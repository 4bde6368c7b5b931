//! One piece of advice for one service: what to call, and why, in numbers.

use ostler_agents_kit::load::Load;
use ostler_core::{plan::ServiceState, time::Time};
use ostler_tools::answer::ServiceSummary;
use serde_json::{Map, Value};

use super::{limits::limits, minds::Told, tune::tune};

/// What would fit better.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Advice {
    /// The tool to call.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// For the proposal's title.
    pub title: String,
    /// What does not fit, in one sentence.
    pub claim: String,
    /// The numbers.
    pub why: Vec<String>,
    /// Whether it gives rather than takes.
    pub gives_more: bool,
}

/// Whether a service is well, takes traffic and rolls nothing out.
pub(super) fn is_at_rest(summary: &ServiceSummary) -> bool {
    summary.state == Some(ServiceState::Healthy) && summary.settled && summary.ready > 0
}

/// What fits better for a service, the more urgent first: what it lacks before what it could spare. Services that
/// are unwell or move are left alone: what they use now says nothing of what they need.
pub(super) fn advice(load: &Load, told: Option<&Told>, now: Time) -> Option<Advice> {
    if !is_at_rest(&load.detail.value.summary) {
        return None;
    }
    let size = limits(load);
    let number = told.and_then(|told| tune(&load.detail.value, told, now));
    let mut all: Vec<Advice> = size.into_iter().chain(number).collect();
    all.sort_by_key(|advice| !advice.gives_more);
    all.into_iter().next()
}
