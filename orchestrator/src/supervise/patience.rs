//! When an agent that ended is started again, and when a person is called instead. Pure.

use std::{collections::VecDeque, time::Duration};

use ostler_core::time::{Span, Time};

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Waits differ by up to this share, so that agents that fell together do not rise together.
const JITTER: f64 = 0.25;
/// A run this long resets the wait.
const GOOD_RUN: Span = Span::minutes(2);
/// More ends than this within [`WINDOW`] are a person's to look at.
pub const BUDGET: usize = 6;
/// See [`BUDGET`].
pub const WINDOW: Span = Span::minutes(10);

/// One agent's ends of late.
#[derive(Debug, Default)]
pub struct Patience {
    ends: VecDeque<Time>,
    streak: u32,
}

/// What to do about an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Start again after this wait.
    After(Duration),
    /// Do not start again until a person says so.
    Person,
}

impl Patience {
    /// A run ended. `chance` is from 0 to 1.
    pub fn ended(&mut self, began: Time, now: Time, chance: f64) -> Next {
        if now.since(began) >= GOOD_RUN {
            self.streak = 0;
        }
        self.ends.push_back(now);
        while self.ends.front().is_some_and(|at| now.since(*at) > WINDOW) {
            self.ends.pop_front();
        }
        if self.ends.len() > BUDGET {
            return Next::Person;
        }
        let doubled = FIRST_WAIT.saturating_mul(1 << self.streak.min(16));
        self.streak += 1;
        let spread = 1.0 + JITTER * (2.0 * chance.clamp(0.0, 1.0) - 1.0);
        Next::After(doubled.min(LONGEST_WAIT).mul_f64(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(next: Next) -> Duration {
        match next {
            Next::After(wait) => wait,
            Next::Person => panic!("a person was called"),
        }
    }

    #[test]
    fn waits_double_and_a_good_run_resets_them() {
        let mut patience = Patience::default();
        let at = |second: u64| Time(second * 1_000);
        assert_eq!(wait(patience.ended(at(0), at(1), 0.5)), FIRST_WAIT);
        assert_eq!(wait(patience.ended(at(2), at(3), 0.5)), FIRST_WAIT * 2);
        assert_eq!(wait(patience.ended(at(5), at(6), 0.5)), FIRST_WAIT * 4);
        assert_eq!(wait(patience.ended(at(10), at(200), 0.5)), FIRST_WAIT);
    }

    #[test]
    fn chance_moves_a_wait_by_a_quarter_at_most() {
        let early = wait(Patience::default().ended(Time(0), Time(1), 0.0));
        let late = wait(Patience::default().ended(Time(0), Time(1), 1.0));
        assert_eq!(early, FIRST_WAIT.mul_f64(0.75));
        assert_eq!(late, FIRST_WAIT.mul_f64(1.25));
    }

    #[test]
    fn after_the_budget_a_person_is_called_and_old_ends_are_forgotten() {
        let mut patience = Patience::default();
        for second in 0..BUDGET as u64 {
            wait(patience.ended(Time(second), Time(second), 0.5));
        }
        assert_eq!(patience.ended(Time(9), Time(9), 0.5), Next::Person);
        let later = Time(WINDOW.0 + 10);
        wait(patience.ended(later, later, 0.5));
    }
}
