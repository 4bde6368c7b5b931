//! The one place that reads the clock and draws random bits.

use std::time::{SystemTime, UNIX_EPOCH};

use ostler_core::time::Time;
use ostler_gate::ports::Clock;

/// The machine's clock and the kernel's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        now()
    }

    fn fresh(&self) -> u64 {
        rand::random()
    }
}

/// Now, in milliseconds since the epoch.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
