//! Small things in words: ages by this machine's clock, colours. What the console says too is in
//! `ostler_tools::words`.

use std::time::{SystemTime, UNIX_EPOCH};

use comfy_table::Color;
use ostler_core::{plan::ServiceState, time::Time};
pub use ostler_tools::words::{bytes, clock, moment, short, size, span, untrusted, word};

/// Now, by this machine's clock.
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// How long ago, in one or two units: `42s`, `3m`, `5h12m`, `9d`.
pub fn ago(at: Time) -> String {
    ostler_tools::words::ago(at, now())
}

/// The colour of a state.
pub const fn colour_of(state: Option<ServiceState>) -> Color {
    match state {
        Some(ServiceState::Healthy) => Color::Green,
        Some(ServiceState::Progressing) => Color::Cyan,
        Some(ServiceState::Degraded) => Color::Yellow,
        Some(ServiceState::Down) => Color::Red,
        Some(ServiceState::Idle) | None => Color::Reset,
    }
}
