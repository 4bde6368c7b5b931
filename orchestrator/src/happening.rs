//! One happening, one log line: the same words wherever it is read.

use ostler_core::{
    event::Happening,
    id::{InstanceId, ServiceKey},
};

/// Writes the log line of a happening. Its text may be untrusted: it is a field, never a format.
pub fn log(service: Option<&ServiceKey>, instance: Option<&InstanceId>, what: &Happening) {
    let service = service.map(ToString::to_string);
    let instance = instance.map(ToString::to_string);
    let words = serde_json::to_string(what).unwrap_or_default();
    match level(what) {
        Level::Warn => tracing::warn!(target: "ostler::happening", service, instance, what = words),
        Level::Info => tracing::info!(target: "ostler::happening", service, instance, what = words),
    }
}

enum Level {
    Warn,
    Info,
}

fn level(what: &Happening) -> Level {
    match what {
        Happening::Exited { exit, .. } if exit.is_failure() => Level::Warn,
        Happening::StartFailed { .. }
        | Happening::NotAdopted { .. }
        | Happening::NotResized { .. }
        | Happening::SentBack { .. }
        | Happening::Unjudged { .. }
        | Happening::PlanRefused { .. } => Level::Warn,
        Happening::Probed { passes: false, .. } => Level::Warn,
        _ => Level::Info,
    }
}

/// The kind of a happening, for counting: the same word as in its JSON.
#[must_use]
pub const fn kind(what: &Happening) -> &'static str {
    match what {
        Happening::Placed { .. } => "placed",
        Happening::Started { .. } => "started",
        Happening::Exited { .. } => "exited",
        Happening::StartFailed { .. } => "start_failed",
        Happening::Restarting { .. } => "restarting",
        Happening::Resized { .. } => "resized",
        Happening::NotResized { .. } => "not_resized",
        Happening::Stopping { .. } => "stopping",
        Happening::Removed => "removed",
        Happening::NotAdopted { .. } => "not_adopted",
        Happening::Probed { .. } => "probed",
        Happening::StateChanged { .. } => "state_changed",
        Happening::Changed { .. } => "changed",
        Happening::SentBack { .. } => "sent_back",
        Happening::Unjudged { .. } => "unjudged",
        Happening::PlanRefused { .. } => "plan_refused",
        Happening::Configured { .. } => "configured",
        Happening::Agent { .. } => "agent",
    }
}
