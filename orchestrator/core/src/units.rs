//! Amounts with their units: CPU, memory, shares. Written as SREs write them.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not {what}: {accepted}")]
pub struct InvalidAmount {
    what: &'static str,
    value: String,
    accepted: &'static str,
}

macro_rules! text_amount {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = InvalidAmount;
            fn try_from(text: String) -> Result<Self, InvalidAmount> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(amount: $name) -> String {
                amount.to_string()
            }
        }
    };
}

/// Thousandths of one CPU: `250m`, `0.5`, `2`. At most 1,024 CPUs.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^([0-9]+m|[0-9]+(\\.[0-9]{1,3})?)$"))]
pub struct MilliCpu(pub u64);
text_amount!(MilliCpu);

impl MilliCpu {
    /// In cores, for arithmetic.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "at most 1024 cores")]
    pub fn as_cores(self) -> f64 {
        self.0 as f64 / 1_000.0
    }
}

impl FromStr for MilliCpu {
    type Err = InvalidAmount;
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let refuse = || InvalidAmount {
            what: "an amount of CPU",
            value: text.chars().take(40).collect(),
            accepted: "write thousandths such as \"250m\" or CPUs such as \"0.5\" or \"2\", 1024 at most",
        };
        let milli = match text.strip_suffix('m') {
            Some(number) => number.parse::<u64>().map_err(|_| refuse())?,
            None => parse_thousandths(text).ok_or_else(refuse)?,
        };
        if milli > 1_024_000 {
            Err(refuse())
        } else {
            Ok(Self(milli))
        }
    }
}

/// `1.25` → 1250, without going through floating point.
fn parse_thousandths(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.is_empty() || part.len() > 3 || !part.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let scale = 10u64.pow(3 - u32::try_from(part.len()).ok()?);
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(part.parse::<u64>().ok()? * scale)
}

impl fmt::Display for MilliCpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1_000) {
            f.pad(&(self.0 / 1_000).to_string())
        } else {
            f.pad(&format!("{}m", self.0))
        }
    }
}

/// Bytes: `64Mi`, `1Gi`, `500M`, `4096`. At most 1 PiB.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$"))]
pub struct Bytes(pub u64);
text_amount!(Bytes);

const SCALES: [(&str, u64); 8] = [
    ("Ti", 1 << 40),
    ("Gi", 1 << 30),
    ("Mi", 1 << 20),
    ("Ki", 1 << 10),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1_000),
];

impl Bytes {
    /// Whole mebibytes.
    #[must_use]
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }
}

impl FromStr for Bytes {
    type Err = InvalidAmount;
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let refuse = || InvalidAmount {
            what: "an amount of memory",
            value: text.chars().take(40).collect(),
            accepted: "write a whole number with Ki, Mi, Gi, Ti (or k, M, G, T), such as \"64Mi\"; 1024Ti at most",
        };
        let scaled = SCALES
            .iter()
            .find_map(|(unit, scale)| text.strip_suffix(unit).map(|number| (number, *scale)));
        let (number, scale) = scaled.unwrap_or((text, 1));
        let bytes = number
            .parse::<u64>()
            .ok()
            .and_then(|n| n.checked_mul(scale))
            .ok_or_else(refuse)?;
        if bytes > 1 << 50 {
            Err(refuse())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in SCALES.iter().take(4) {
            if self.0 >= *scale && self.0.is_multiple_of(*scale) {
                return f.pad(&format!("{}{unit}", self.0 / scale));
            }
        }
        f.pad(&self.0.to_string())
    }
}

/// A share from 0 to 100 percent, written `25%`.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(100|[0-9]{1,2})%$"))]
pub struct Percent(pub u8);
text_amount!(Percent);

impl FromStr for Percent {
    type Err = InvalidAmount;
    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let number = text
            .strip_suffix('%')
            .and_then(|number| number.parse::<u8>().ok())
            .filter(|n| *n <= 100);
        number.map(Self).ok_or_else(|| InvalidAmount {
            what: "a share",
            value: text.chars().take(40).collect(),
            accepted: "write a whole percentage from \"0%\" to \"100%\"",
        })
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}%", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_print_alike() {
        for (text, milli) in [("250m", 250), ("2", 2_000), ("0m", 0)] {
            assert_eq!(text.parse::<MilliCpu>().unwrap().0, milli);
        }
        assert_eq!("0.5".parse::<MilliCpu>().unwrap().to_string(), "500m");
        for (text, bytes) in [
            ("64Mi", 64 << 20),
            ("1Gi", 1 << 30),
            ("500M", 500_000_000),
            ("4096", 4096),
        ] {
            assert_eq!(text.parse::<Bytes>().unwrap().0, bytes);
        }
        assert_eq!(Bytes(64 << 20).to_string(), "64Mi");
        assert_eq!("25%".parse::<Percent>().unwrap(), Percent(25));
        for bad in ["", "-1", "1.2345", "1e3", "many", "99999999999"] {
            assert!(bad.parse::<MilliCpu>().is_err(), "{bad}");
        }
        for bad in ["", "-1", "1.5Gi", "1 Gi", "9999999Ti"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert!("101%".parse::<Percent>().is_err());
    }
}
