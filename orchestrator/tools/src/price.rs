//! What resources cost, as the operator says: a price per hour of a core and of a GiB.

use ostler_core::units::{Bytes, MilliCpu};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Prices of what instances reserve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Of one core for an hour.
    pub cpu_hour: f64,
    /// Of one GiB of memory for an hour.
    pub gib_hour: f64,
    /// Such as `EUR`.
    pub currency: String,
}

/// What something costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// An hour of it, in millionths of the currency.
    pub millionths_per_hour: u64,
    /// Such as `EUR`.
    pub currency: String,
}

impl Prices {
    /// What so many instances cost that reserve so much each.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "prices are checked to be small and positive"
    )]
    pub fn of(&self, (cpu, memory): (MilliCpu, Bytes), instances: u32) -> Cost {
        let cores = cpu.as_cores();
        let gibibytes = memory.0 as f64 / f64::from(1 << 30);
        let each = cores * self.cpu_hour + gibibytes * self.gib_hour;
        Cost {
            millionths_per_hour: (each * f64::from(instances) * 1e6).round() as u64,
            currency: self.currency.clone(),
        }
    }
}

impl Cost {
    /// So many times as much.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cost is positive, and a factor is held so"
    )]
    pub fn times(&self, factor: f64) -> Self {
        let millionths = self.millionths_per_hour as f64 * factor.max(0.0);
        Self {
            millionths_per_hour: millionths.round() as u64,
            currency: self.currency.clone(),
        }
    }

    /// Thirty days of it, such as `12.30 EUR a month`.
    #[must_use]
    pub fn monthly(&self) -> String {
        let month = self.millionths_per_hour as f64 / 1e6 * 24.0 * 30.0;
        format!("{month:.2} {} a month", self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_what_is_paid() {
        let prices = Prices {
            cpu_hour: 0.04,
            gib_hour: 0.005,
            currency: "EUR".to_owned(),
        };
        let cost = prices.of((MilliCpu(500), Bytes::mib(512)), 3);
        assert_eq!(cost.millionths_per_hour, 67_500);
        assert_eq!(cost.monthly(), "48.60 EUR a month");
        assert_eq!(prices.of((MilliCpu(0), Bytes(0)), 9).millionths_per_hour, 0);
    }
}
