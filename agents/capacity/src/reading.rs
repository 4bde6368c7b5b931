//! What was seen of one service at one moment, and whether it can be true.
//!
//! Everything the scaler learns comes through here. What contradicts itself is not learnt from and
//! nothing is decided on it: to hold is always allowed.

use std::collections::VecDeque;

use ostler_core::time::{Span, Time};

/// Readings further ahead than this come from a clock that is wrong.
const AHEAD: Span = Span::seconds(5);
/// A reading older than this when it comes in says nothing about now.
pub const STALE_AFTER: Span = Span::seconds(60);
/// CPU in use may seem so many times what there is, by the way it is averaged.
const CPU_SLACK: f64 = 1.5;
/// No request takes less CPU than this, in seconds: hardly a system call could be made in it.
const LEAST_WORK_S: f64 = 1e-6;
/// A load that leaps by more than this from one reading to the next is believed when it is seen twice.
const LEAP: f64 = 5.0;
/// Most readings kept: ten minutes at one every two seconds, more where they are rarer.
const KEPT: usize = 300;

/// One service at one moment: sums over its instances, averaged since the reading before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// When it was read.
    pub at: Time,
    /// Requests that came, per second.
    pub rate: f64,
    /// Requests that were answered, per second.
    pub served: f64,
    /// CPUs in use.
    pub used: f64,
    /// Mean time of a request with all that it calls, in seconds; 0 where nobody measures it.
    pub mean_s: f64,
    /// 99th percentile of that time, in seconds; 0 where nobody measures it.
    pub p99_s: f64,
    /// Requests that wait.
    pub waiting: f64,
    /// Instances that told.
    pub reporting: u32,
    /// Instances that should have.
    pub expected: u32,
    /// CPUs that each of them was given.
    pub cores: f64,
}

/// Why a reading is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// Not a number, without end, or negative.
    #[error("it holds what is no amount")]
    NoAmount,
    /// Its clock is ahead.
    #[error("it is from the future")]
    Ahead,
    /// It is older than a minute, or not newer than the last.
    #[error("it is old")]
    Old,
    /// More CPU in use than there is.
    #[error("more CPU is in use than there is")]
    TooMuchCpu,
    /// More requests than so little CPU could have answered.
    #[error("more requests came than so little CPU could answer")]
    TooManyRequests,
    /// No requests, but times of requests: a counter that began anew.
    #[error("no requests came, yet their times were measured")]
    Reset,
    /// Far more than the last; the next one will tell.
    #[error("load leapt; the next reading must agree")]
    Leap,
}

impl Reading {
    /// Share of its CPU that the service uses.
    #[must_use]
    pub fn utilisation(&self) -> f64 {
        self.used / (f64::from(self.reporting.max(1)) * self.cores).max(1e-9)
    }

    fn doubt(&self, now: Time) -> Option<Doubt> {
        let amounts = [
            self.rate,
            self.served,
            self.used,
            self.mean_s,
            self.p99_s,
            self.waiting,
            self.cores,
        ];
        if amounts
            .iter()
            .any(|amount| !amount.is_finite() || *amount < 0.0)
        {
            return Some(Doubt::NoAmount);
        }
        if self.at > now + AHEAD {
            return Some(Doubt::Ahead);
        }
        if now.since(self.at) > STALE_AFTER {
            return Some(Doubt::Old);
        }
        let there = f64::from(self.reporting.max(self.expected).max(1)) * self.cores;
        if self.used > there * CPU_SLACK {
            return Some(Doubt::TooMuchCpu);
        }
        if self.served * LEAST_WORK_S > self.used {
            return Some(Doubt::TooManyRequests);
        }
        (self.rate <= 0.0 && self.mean_s > 0.0).then_some(Doubt::Reset)
    }
}

/// Readings that were believed, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    kept: VecDeque<Reading>,
    /// A leap that waits for a second reading.
    leapt: Option<Reading>,
}

impl Readings {
    /// Takes in one.
    ///
    /// # Errors
    /// [`Doubt`] where it cannot be true; it is not kept then.
    pub fn add(&mut self, reading: Reading, now: Time) -> Result<(), Doubt> {
        if let Some(doubt) = reading.doubt(now) {
            return Err(doubt);
        }
        if let Some(last) = self.kept.back() {
            if reading.at <= last.at {
                return Err(Doubt::Old);
            }
            let leaps = reading.rate > last.rate.max(1.0) * LEAP;
            let seen_before = self.leapt.is_some_and(|before| {
                reading.rate < before.rate * 2.0 && reading.rate * 2.0 > before.rate
            });
            if leaps && !seen_before {
                self.leapt = Some(reading);
                return Err(Doubt::Leap);
            }
        }
        self.leapt = None;
        self.kept.push_back(reading);
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        Ok(())
    }

    /// The newest, if it is fresh.
    #[must_use]
    pub fn fresh(&self, now: Time) -> Option<&Reading> {
        self.kept
            .back()
            .filter(|last| now.since(last.at) <= STALE_AFTER)
    }

    /// Those of the last so long, newest first.
    pub fn recent(&self, now: Time, span: Span) -> impl Iterator<Item = &Reading> {
        self.kept
            .iter()
            .rev()
            .take_while(move |reading| now.since(reading.at) <= span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at_s: u64, rate: f64) -> Reading {
        Reading {
            at: Time(at_s * 1_000),
            rate,
            served: rate,
            used: rate * 0.01,
            mean_s: 0.03,
            p99_s: 0.1,
            waiting: 0.0,
            reporting: 4,
            expected: 4,
            cores: 1.0,
        }
    }

    #[test]
    fn what_cannot_be_true_is_not_believed() {
        let now = Time(1_000_000);
        let good = reading(990, 100.0);
        let wrong = [
            (
                Reading {
                    rate: f64::NAN,
                    ..good
                },
                Doubt::NoAmount,
            ),
            (
                Reading {
                    used: f64::INFINITY,
                    ..good
                },
                Doubt::NoAmount,
            ),
            (
                Reading {
                    served: -1.0,
                    ..good
                },
                Doubt::NoAmount,
            ),
            (
                Reading {
                    at: Time(4_600_000),
                    ..good
                },
                Doubt::Ahead,
            ),
            (
                Reading {
                    at: Time(100_000),
                    ..good
                },
                Doubt::Old,
            ),
            (Reading { used: 1e9, ..good }, Doubt::TooMuchCpu),
            (
                Reading {
                    rate: 1e9,
                    served: 1e9,
                    ..good
                },
                Doubt::TooManyRequests,
            ),
            (
                Reading {
                    rate: 0.0,
                    served: 0.0,
                    used: 0.0,
                    ..good
                },
                Doubt::Reset,
            ),
        ];
        for (reading, doubt) in wrong {
            assert_eq!(Readings::default().add(reading, now), Err(doubt));
        }
        assert_eq!(Readings::default().add(good, now), Ok(()));
    }

    #[test]
    fn a_leap_is_believed_when_it_is_seen_twice() {
        let mut readings = Readings::default();
        let mut add = |at_s: u64, rate| readings.add(reading(at_s, rate), Time(at_s * 1_000));
        assert_eq!(add(15, 20.0), Ok(()));
        assert_eq!(add(30, 350.0), Err(Doubt::Leap));
        assert_eq!(add(45, 22.0), Ok(()), "it was a spike");
        assert_eq!(add(60, 300.0), Err(Doubt::Leap));
        assert_eq!(add(75, 320.0), Ok(()), "it was a crowd");
        assert_eq!(add(75, 320.0), Err(Doubt::Old), "the same again");
    }
}
