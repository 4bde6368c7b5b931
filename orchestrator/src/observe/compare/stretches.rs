//! CPU of a request of one version, in stretches. Pure: readings in, means out.
//!
//! A stretch is some seconds in which the same instances of a version, in the same attempts, answered so many
//! requests at least. It goes on until there are enough, so that none is without requests and what instances do
//! by themselves is in it as it is in all time. Where anything is not known of it (an instance came, went or
//! began anew, a counter went back, nobody looked for a while), it is no stretch, and the next begins.

use std::collections::BTreeMap;

use ostler_core::{analysis::Spread, id::InstanceId};

/// Requests of a stretch, at least: with fewer, chance in their number would be most of what is measured.
const LEAST_REQUESTS: u64 = 10;

/// Counters of one version at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// Its requests in all.
    pub requests: u64,
    /// Of each instance that answers them: its attempt, and the CPU time which that used, in microseconds.
    pub cpu_us: BTreeMap<InstanceId, (u32, u64)>,
}

/// The stretches of one version so far.
#[derive(Debug, Default)]
pub(super) struct Stretches {
    open: Option<Reading>,
    spread: Spread,
}

impl Stretches {
    /// Takes a reading. It ends the open stretch, where that has requests enough, and begins the next.
    pub fn read(&mut self, now: Reading) {
        let Some(open) = &self.open else {
            self.open = Some(now);
            return;
        };
        match between(open, &now) {
            Some((requests, _)) if requests < LEAST_REQUESTS => {}
            Some((requests, micros)) => {
                self.spread.record(mean(micros, requests));
                self.open = Some(now);
            }
            None => self.open = Some(now),
        }
    }

    /// What happened since the last reading is not known.
    pub fn interrupt(&mut self) {
        self.open = None;
    }

    /// All stretches.
    pub const fn spread(&self) -> Spread {
        self.spread
    }
}

/// Requests and microseconds between two readings; `None` where they are not of the same instances, or
/// something went back.
fn between(open: &Reading, now: &Reading) -> Option<(u64, u64)> {
    if open.cpu_us.len() != now.cpu_us.len() {
        return None;
    }
    let mut micros = 0_u64;
    for (instance, (attempt, used)) in &now.cpu_us {
        let (attempt_before, used_before) = open.cpu_us.get(instance)?;
        if attempt != attempt_before {
            return None;
        }
        micros = micros.checked_add(used.checked_sub(*used_before)?)?;
    }
    Some((now.requests.checked_sub(open.requests)?, micros))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a stretch's counts stay far below 2^53"
)]
fn mean(micros: u64, requests: u64) -> f64 {
    micros as f64 / requests as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(requests: u64, cpu: &[(&str, u32, u64)]) -> Reading {
        let of = |(id, attempt, used): &(&str, u32, u64)| (id.parse().unwrap(), (*attempt, *used));
        Reading {
            requests,
            cpu_us: cpu.iter().map(of).collect(),
        }
    }

    /// Stretches and the sum of their means.
    fn counted(readings: &[Option<Reading>]) -> (u32, f64) {
        let mut stretches = Stretches::default();
        for reading in readings {
            match reading {
                Some(reading) => stretches.read(reading.clone()),
                None => stretches.interrupt(),
            }
        }
        let spread = stretches.spread();
        (spread.stretches, spread.sum)
    }

    #[test]
    fn cpu_of_all_instances_falls_on_the_requests_of_the_same_time() {
        let all = [
            Some(reading(100, &[("a", 1, 9_000), ("b", 1, 500)])),
            Some(reading(120, &[("a", 1, 19_000), ("b", 1, 10_500)])),
            Some(reading(140, &[("a", 1, 59_000), ("b", 1, 10_500)])),
        ];
        assert_eq!(counted(&all), (2, 1_000.0 + 2_000.0));
    }

    #[test]
    fn a_stretch_goes_on_until_it_has_requests() {
        let all = [
            Some(reading(0, &[("a", 1, 0)])),
            Some(reading(0, &[("a", 1, 700)])),
            Some(reading(9, &[("a", 1, 1_000)])),
            Some(reading(10, &[("a", 1, 2_000)])),
        ];
        assert_eq!(
            counted(&all[..3]),
            (0, 0.0),
            "no requests are no reading of zero"
        );
        assert_eq!(counted(&all), (1, 200.0), "what was idle is in it");
    }

    #[test]
    fn what_is_not_known_is_no_stretch() {
        let first = reading(100, &[("a", 1, 9_000), ("b", 1, 500)]);
        for (what, next) in [
            (
                "another attempt",
                reading(200, &[("a", 2, 9_500), ("b", 1, 600)]),
            ),
            (
                "one that came",
                reading(200, &[("a", 1, 9_500), ("b", 1, 600), ("c", 1, 1)]),
            ),
            ("one that went", reading(200, &[("a", 1, 9_500)])),
            ("another", reading(200, &[("a", 1, 9_500), ("c", 1, 600)])),
            (
                "CPU that went back",
                reading(200, &[("a", 1, 8_000), ("b", 1, 9_600)]),
            ),
            (
                "requests that went back",
                reading(7, &[("a", 1, 9_500), ("b", 1, 600)]),
            ),
        ] {
            let after = Reading {
                requests: next.requests + 10,
                ..next.clone()
            };
            let all = [Some(first.clone()), Some(next), Some(after)];
            assert_eq!(counted(&all[..2]), (0, 0.0), "{what}");
            assert_eq!(counted(&all), (1, 0.0), "{what}: the next one counts");
        }
        let later = reading(200, &[("a", 1, 9_500), ("b", 1, 600)]);
        assert_eq!(
            counted(&[Some(first), None, Some(later)]),
            (0, 0.0),
            "a gap"
        );
    }
}
