//! A plan in numbers, as people read it: now, expected, why, cost.

use std::fmt;

/// Why a plan is as it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// These numbers.
    Numbers(Numbers),
    /// Nothing that was read for a minute can be believed: nothing is taken away.
    Blind,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(numbers) => numbers.fmt(f),
            Self::Blind => f.write_str(
                "nothing that was read for a minute can be believed: it keeps what it has",
            ),
        }
    }
}

/// The numbers behind a plan for one service.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Numbers {
    /// Requests per second, now.
    pub rate: f64,
    /// Before the next look, most likely.
    pub expected: f64,
    /// Before the next look, hardly more.
    pub high: f64,
    /// CPU seconds of one request.
    pub work_s: f64,
    /// Share of its CPU that may be in use.
    pub busy: f64,
    /// The users' 99th percentile at that, in seconds.
    pub p99_s: f64,
    /// CPUs of each instance.
    pub cores: f64,
    /// Ready instances now, and wanted.
    pub instances: (u32, u32),
}

impl Numbers {
    /// CPUs in all: now and asked for.
    #[must_use]
    pub fn reserved(&self) -> (f64, f64) {
        let (now, then) = self.instances;
        (self.cores * f64::from(now), self.cores * f64::from(then))
    }

    /// What the change costs in an hour at a price per CPU-hour; negative where it saves.
    #[must_use]
    pub fn costs(&self, price_per_cpu_hour: f64) -> f64 {
        let (now, then) = self.reserved();
        (then - now) * price_per_cpu_hour
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (now, then) = self.reserved();
        write!(
            f,
            "{:.0} requests/s now, {:.0} expected, {:.0} at most; {:.1} ms of CPU each; at {:.0} % busy users wait {:.0} ms (p99); \
             {} instances of {:.2} CPU become {}: {:+.2} CPU",
            self.rate,
            self.expected,
            self.high,
            self.work_s * 1e3,
            self.busy * 100.0,
            self.p99_s * 1e3,
            self.instances.0,
            self.cores,
            self.instances.1,
            then - now
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_as_a_sentence_of_numbers() {
        let numbers = Numbers {
            rate: 152.2,
            expected: 171.0,
            high: 188.4,
            work_s: 0.0112,
            busy: 0.84,
            p99_s: 0.31,
            cores: 0.8,
            instances: (6, 8),
        };
        assert_eq!(
            numbers.to_string(),
            "152 requests/s now, 171 expected, 188 at most; 11.2 ms of CPU each; at 84 % busy users wait 310 ms (p99); \
             6 instances of 0.80 CPU become 8: +1.60 CPU"
        );
        assert!((numbers.costs(0.04) - 0.064).abs() < 1e-9);
    }
}
