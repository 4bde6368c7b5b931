//! How long to wait before trying again, and how many failures belong to one streak.

use crate::{
    observed::{Exit, InstanceSeen, Phase},
    spec::Restart,
    time::{Span, Time},
};

/// The wait after the `failures`-th failure of a streak: none after the first, `backoff` after the
/// second, doubling from there up to `max_backoff`.
#[must_use]
pub fn delay(restart: &Restart, failures: u32) -> Span {
    let Some(doublings) = failures.checked_sub(2) else {
        return Span(0);
    };
    let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
    Span(restart.backoff.0.saturating_mul(factor)).min(restart.max_backoff)
}

/// When something that failed at `failed_at` may be tried again. A failure that lies ahead means
/// that the clock jumped back: it may be tried at once.
#[must_use]
pub fn due(restart: &Restart, failures: u32, failed_at: Time, now: Time) -> Time {
    if failed_at > now {
        now
    } else {
        failed_at + delay(restart, failures)
    }
}

/// Failures in a row. A run of `reset_after` or longer ends the streak: a failure after such a run
/// is the first of a new one, and an attempt that is running that long has none.
#[must_use]
pub fn failures(seen: &InstanceSeen, restart: &Restart, now: Time) -> u32 {
    let running = matches!(seen.phase, Phase::Running | Phase::Stopping);
    if running
        && seen
            .started_at
            .is_some_and(|at| now.since(at) >= restart.reset_after)
    {
        return 0;
    }
    let (ended, newest) = ended_badly(&seen.exits, restart);
    let tried = if matches!(seen.phase, Phase::Failed { .. }) {
        seen.attempt.saturating_sub(newest).max(1)
    } else {
        0
    };
    ended.saturating_add(tried)
}

/// Failed ends of the running streak, and the attempt of the newest end.
fn ended_badly(exits: &[Exit], restart: &Restart) -> (u32, u32) {
    let mut count = 0u32;
    for exit in exits.iter().rev() {
        count += u32::from(exit.is_failure());
        if exit.ran >= restart.reset_after {
            break;
        }
    }
    (count, exits.last().map_or(0, |exit| exit.attempt))
}

/// When the running streak began: the start of its first failed attempt.
#[must_use]
pub fn streak_began(seen: &InstanceSeen, restart: &Restart) -> Option<Time> {
    let mut began = None;
    for exit in seen.exits.iter().rev() {
        if exit.ran >= restart.reset_after {
            if exit.is_failure() {
                began = Some(exit.at);
            }
            break;
        }
        if exit.is_failure() {
            began = Some(exit.at - exit.ran);
        }
    }
    began
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_then_delays_double_up_to_the_longest() {
        let restart = Restart::default();
        let seconds: Vec<u64> = (1..=12).map(|n| delay(&restart, n).0 / 1_000).collect();
        assert_eq!(seconds, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(delay(&restart, u32::MAX), restart.max_backoff);
        assert_eq!(delay(&restart, 0), Span(0));
    }

    #[test]
    fn a_clock_that_jumped_back_does_not_hold_a_restart_up() {
        let restart = Restart::default();
        assert_eq!(due(&restart, 3, Time(90_000), Time(5_000)), Time(5_000));
        assert_eq!(due(&restart, 3, Time(5_000), Time(5_000)), Time(7_000));
    }
}
