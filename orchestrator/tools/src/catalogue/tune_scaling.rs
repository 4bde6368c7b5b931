//! `tune_scaling`: tune how a service's scaling follows its load, for a while.

use ostler_core::{
    autoscale::{Floor, TUNING_LASTS_AT_MOST, Tuning},
    change::Change,
    id::ServiceKey,
    spec::Target,
    time::{Span, Time},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup;

/// See the module.
pub struct TuneScaling;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service, `namespace/name`.
    pub service: ServiceKey,
    /// Targets that stand in for the spec's of the same signal, or beside them.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// At least so many instances at given times, milliseconds since 1970.
    #[serde(default)]
    pub floors: Vec<Floor>,
    /// How long all of it holds, such as `2h`; a week at most. Absent only where nothing is given:
    /// that ends what was tuned before.
    #[serde(rename = "for")]
    pub lasts: Option<Span>,
}

impl Describe for TuneScaling {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "tune_scaling";
    const TITLE: &'static str = "Tune how a service follows its load";
    const DESCRIPTION: &'static str = "Tunes, for a while, how a service with `spec.scaling` follows its load: targets that one \
        instance should carry (they take the place of the spec's of the same signal) and floors \
        (at least so many instances from one moment to another, such as ahead of a peak). All of \
        it replaces what was tuned before and ends after `for`; then the spec's own targets hold \
        again. The bounds of `spec.replicas` hold all the same. Without targets and floors, what \
        was tuned ends now. Signals: cpu (percent of the request), requestRate and queueDepth \
        (per instance), latency (99th percentile).";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::service(view, &args.service)?;
        let clears = args.targets.is_empty() && args.floors.is_empty();
        let tuning = match args.lasts {
            None if clears => None,
            None => {
                return Err(Refusal::new(
                    "give `for`: how long this holds, such as `2h`; a week at most",
                ));
            }
            Some(lasts) => Some(tuning(args.targets, args.floors, lasts, view.now)?),
        };
        Ok(Decided::Change(Change::TuneScaling {
            service: args.service,
            tuning: tuning.map(Box::new),
        }))
    }
}

fn tuning(
    targets: Vec<Target>,
    floors: Vec<Floor>,
    lasts: Span,
    now: Time,
) -> Result<Tuning, Refusal> {
    if lasts == Span(0) || lasts > TUNING_LASTS_AT_MOST {
        return Err(Refusal::new(format!(
            "`for` is {lasts}; give more than `0s`, `7d` at most"
        )));
    }
    let until = now + lasts;
    if let Some(floor) = floors.iter().find(|floor| floor.from >= until) {
        return Err(Refusal::new(format!(
            "a floor begins at {}, after all of it ends at {}; give a longer `for`",
            floor.from.0, until.0
        )));
    }
    Ok(Tuning {
        targets,
        floors,
        until,
    })
}
