//! A number of instances or a share of the wanted count: `1` or `25%`.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::Percent;

/// A number of instances or a share of the wanted count; in text `1` or `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// That many.
    Count(u32),
    /// That share; surge rounds up, unavailable rounds down (as Kubernetes does).
    Share(Percent),
}

impl Amount {
    /// The number for `wanted` instances, rounded up.
    #[must_use]
    pub fn of_rounded_up(self, wanted: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => share_of(share, wanted, 99),
        }
    }

    /// The number for `wanted` instances, rounded down.
    #[must_use]
    pub fn of_rounded_down(self, wanted: u32) -> u32 {
        match self {
            Self::Count(count) => count,
            Self::Share(share) => share_of(share, wanted, 0),
        }
    }

    /// Whether it is zero for every count.
    #[must_use]
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Share(Percent(0)))
    }
}

fn share_of(share: Percent, wanted: u32, round: u64) -> u32 {
    let hundredths = u64::from(wanted) * u64::from(share.0) + round;
    u32::try_from(hundredths / 100).unwrap_or(u32::MAX)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => share.fmt(f),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Share(share) => share.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl de::Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of instances such as 1, or a share such as \"25%\"")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Amount, E> {
        let refuse = |_| E::invalid_value(de::Unexpected::Unsigned(number), &self);
        u32::try_from(number).map(Amount::Count).map_err(refuse)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Amount, E> {
        let refuse = |_| E::invalid_value(de::Unexpected::Signed(number), &self);
        u32::try_from(number).map(Amount::Count).map_err(refuse)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
        if let Ok(count) = text.parse() {
            return Ok(Amount::Count(count));
        }
        let refuse = |_| E::invalid_value(de::Unexpected::Str(text), &self);
        text.parse().map(Amount::Share).map_err(refuse)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of instances or a share of the wanted count: 1 or \"25%\".",
            "oneOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^(100|[0-9]{1,2})%$" },
            ],
        })
    }
}
