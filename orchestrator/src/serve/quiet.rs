//! Warnings that strangers can cause, in bounded number: a flood of them does not fill the log.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(60);
/// Warnings in a window.
const IN_A_WINDOW: u32 = 10;

/// Counts warnings.
#[derive(Debug, Default)]
pub struct Quiet {
    window: Mutex<Option<Window>>,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    said: u32,
    unsaid: u64,
}

impl Quiet {
    /// Whether one more may be said, with how many before it were not.
    pub fn may_say(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut held = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let window = held.get_or_insert(Window {
            began: now,
            said: 0,
            unsaid: 0,
        });
        if now.duration_since(window.began) >= WINDOW {
            (window.began, window.said) = (now, 0);
        }
        if window.said >= IN_A_WINDOW {
            window.unsaid += 1;
            return None;
        }
        window.said += 1;
        Some(std::mem::take(&mut window.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_told_later() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        let said: Vec<_> = (0..1_000).filter_map(|_| quiet.at(start)).collect();
        assert_eq!(said, [0; 10]);
        assert_eq!(quiet.at(start + WINDOW), Some(990));
        assert_eq!(quiet.at(start + WINDOW), Some(0));
    }
}
