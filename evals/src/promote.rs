//! From a captured bundle to a case of a suite: a person says what was right. Pure.

use std::str::FromStr;

use ostler_core::{id::ServiceKey, incident::CauseKind};
use serde_json::Value;

use crate::bundle::{Bundle, Source, Truth};

/// What a person says of a bundle's truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// What is written is right.
    AsBelieved,
    /// Nothing was wrong.
    Healthy,
    /// Something was wrong, and what is seen does not settle what.
    Unexplained,
    /// This was wrong.
    Faulty {
        /// The kind of cause.
        cause: CauseKind,
        /// The service at fault.
        culprit: ServiceKey,
        /// The tool to propose; none when only a person can help.
        tool: Option<String>,
    },
}

const ACCEPTED: &str =
    "give as-believed, healthy, unexplained or cause=KIND,culprit=NAMESPACE/NAME[,tool=TOOL]";

impl FromStr for Said {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "as-believed" => Ok(Self::AsBelieved),
            "healthy" => Ok(Self::Healthy),
            "unexplained" => Ok(Self::Unexplained),
            _ => faulty(text),
        }
    }
}

fn faulty(text: &str) -> Result<Said, String> {
    let (mut cause, mut culprit, mut tool) = (None, None, None);
    for part in text.split(',') {
        let place = match part.split_once('=') {
            Some(("cause", word)) => (&mut cause, word),
            Some(("culprit", word)) => (&mut culprit, word),
            Some(("tool", word)) => (&mut tool, word),
            _ => return Err(format!("`{part}` is not accepted: {ACCEPTED}")),
        };
        *place.0 = Some(place.1.to_owned());
    }
    let missing = |what: &str| format!("`{what}` is missing: {ACCEPTED}");
    let kind = cause.ok_or_else(|| missing("cause"))?;
    let culprit = culprit.ok_or_else(|| missing("culprit"))?;
    Ok(Said::Faulty {
        cause: serde_json::from_value(Value::String(kind)).map_err(|error| error.to_string())?,
        culprit: culprit
            .parse()
            .map_err(|error| format!("`culprit`: {error}"))?,
        tool,
    })
}

/// The bundle with what a person says as its truth.
#[must_use]
pub fn promoted(mut bundle: Bundle, said: Said, by: String) -> Bundle {
    bundle.truth = match said {
        Said::AsBelieved => bundle.truth,
        Said::Healthy => Truth::Healthy,
        Said::Unexplained => unexplained(&bundle),
        Said::Faulty {
            cause,
            culprit,
            tool,
        } => Truth::Faulty {
            cause,
            culprit,
            tool,
            with: Default::default(),
        },
    };
    bundle.judged_by = Some(by);
    bundle
}

/// Of the service that shows the symptom: a capture has it first.
fn unexplained(bundle: &Bundle) -> Truth {
    let first = bundle.services.first();
    let first = first.filter(|_| bundle.source == Source::Captured);
    match (first, &bundle.truth) {
        (Some(service), _) => Truth::Unexplained {
            service: service.service.clone(),
        },
        (None, Truth::Faulty { culprit, .. }) => Truth::Unexplained {
            service: culprit.clone(),
        },
        (None, truth) => truth.clone(),
    }
}
