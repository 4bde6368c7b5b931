//! Whether things got worse since a change, against how they were when it was made. Pure.
//!
//! Four objectives of each service that is watched: ready instances, error ratio, latency, crash
//! loops with restarts. Each has a threshold that noise does not reach and a time it must hold.
//! What was not measured before is not judged: a missing value is missing, never zero.

use std::{collections::BTreeMap, fmt};

use ostler_core::{
    id::ServiceKey,
    time::{Span, Time},
};

/// A share or time must grow by this factor …
const WORSE_FACTOR: f64 = 1.5;
/// … and by this share of requests …
const WORSE_ERRORS: f64 = 0.05;
/// … or by so many seconds.
const WORSE_SECONDS: f64 = 0.05;
/// Restarts beyond one of each instance that make a service worse.
const WORSE_RESTARTS: u32 = 3;

/// What a change must not make worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Objective {
    /// Ready instances.
    Ready,
    /// Share of requests that fail.
    Errors,
    /// 99th percentile of latency.
    Latency,
    /// Crash loops and restarts.
    Restarts,
}

impl Objective {
    /// How long it must be worse. Signals are judged on half a minute of values already.
    const fn hold(self) -> Span {
        match self {
            Self::Ready => Span::seconds(30),
            Self::Restarts => Span::seconds(10),
            Self::Errors | Self::Latency => Span::seconds(6),
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready instances",
            Self::Errors => "the error ratio",
            Self::Latency => "the 99th percentile of latency",
            Self::Restarts => "restarts",
        })
    }
}

/// How a service stood at one moment; what is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Ready instances.
    pub ready: Option<u32>,
    /// Wanted instances, where their number follows the load: fewer are no harm by themselves then.
    pub follows_to: Option<u32>,
    /// Instances, running or not.
    pub instances: u32,
    /// Instances in a crash loop.
    pub looping: Option<u32>,
    /// Starts after the first, of all instances.
    pub restarts: Option<u32>,
    /// Share of requests that fail: before a change the mean, after it the least of the last values.
    pub errors: Option<f64>,
    /// 99th percentile of latency in seconds, likewise.
    pub latency: Option<f64>,
}

/// What is held against a service.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bar {
    /// How it stood when the change was made.
    pub before: Standing,
    /// Fewest ready instances that were foretold on the way …
    pub least_ready: Option<u32>,
    /// … until then.
    pub planned_until: Time,
    /// The share of failed requests that it promises to stay under.
    pub promised_errors: Option<f64>,
    /// The latency in seconds that it promises to stay under.
    pub promised_latency: Option<f64>,
}

/// What is watched while a change proves itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Watch {
    /// When the change was made.
    pub since: Time,
    /// Each watched service and what is held against it.
    pub bars: BTreeMap<ServiceKey, Bar>,
    worse_since: BTreeMap<(ServiceKey, Objective), Time>,
}

impl Watch {
    /// Watches from then on.
    #[must_use]
    pub fn new(since: Time, bars: BTreeMap<ServiceKey, Bar>) -> Self {
        Self {
            since,
            bars,
            worse_since: BTreeMap::new(),
        }
    }

    /// Takes in how services stand now; says which objective is worse for long enough, with numbers.
    pub fn feel(&mut self, seen: &BTreeMap<ServiceKey, Standing>, now: Time) -> Option<String> {
        let mut worse = BTreeMap::new();
        for (service, bar) in &self.bars {
            let Some(standing) = seen.get(service) else {
                continue;
            };
            for (objective, words) in bar.worse(standing, now) {
                worse.insert((service.clone(), objective), words);
            }
        }
        self.worse_since.retain(|key, _| worse.contains_key(key));
        for key in worse.keys() {
            self.worse_since.entry(key.clone()).or_insert(now);
        }
        let held =
            |(key, since): &(&(ServiceKey, Objective), &Time)| now.since(**since) >= key.1.hold();
        let (key, _) = self.worse_since.iter().find(held)?;
        let words = worse.get(key)?;
        Some(format!(
            "`{}` got worse since the change: {}: {words}",
            key.0, key.1
        ))
    }
}

impl Bar {
    fn worse(&self, now: &Standing, at: Time) -> Vec<(Objective, String)> {
        [
            (Objective::Ready, self.fewer_ready(now, at)),
            (Objective::Errors, self.more_errors(now)),
            (Objective::Latency, self.slower(now)),
            (Objective::Restarts, self.more_restarts(now)),
        ]
        .into_iter()
        .filter_map(|(objective, words)| Some((objective, words?)))
        .collect()
    }

    /// Fewer than before, or on the planned way than was foretold, or than the load wants.
    fn fewer_ready(&self, now: &Standing, at: Time) -> Option<String> {
        let (before, ready) = (self.before.ready?, now.ready?);
        let planned = self.least_ready.filter(|_| at < self.planned_until);
        let floor = planned.map_or(before, |least| least.min(before));
        let floor = now.follows_to.map_or(floor, |wanted| floor.min(wanted));
        (ready < floor).then(|| format!("{before} before, {ready} now"))
    }

    fn more_errors(&self, now: &Standing) -> Option<String> {
        let (before, errors) = (self.before.errors?, now.errors?);
        let bound = (before * WORSE_FACTOR)
            .max(before + WORSE_ERRORS)
            .max(self.promised_errors.unwrap_or(0.0));
        let percent = |share: f64| share * 100.0;
        (errors > bound).then(|| {
            format!(
                "{:.1} % before, {:.1} % now",
                percent(before),
                percent(errors)
            )
        })
    }

    fn slower(&self, now: &Standing) -> Option<String> {
        let (before, latency) = (self.before.latency?, now.latency?);
        let bound = (before * WORSE_FACTOR)
            .max(before + WORSE_SECONDS)
            .max(self.promised_latency.unwrap_or(0.0));
        let millis = |seconds: f64| seconds * 1_000.0;
        (latency > bound).then(|| {
            format!(
                "{:.0} ms before, {:.0} ms now",
                millis(before),
                millis(latency)
            )
        })
    }

    /// More crash loops; or, where there was none, more restarts than one of each instance explains.
    fn more_restarts(&self, now: &Standing) -> Option<String> {
        let (before, looping) = (self.before.looping?, now.looping?);
        if looping > before {
            return Some(format!(
                "{before} instances in a crash loop before, {looping} now"
            ));
        }
        let (was, is) = (self.before.restarts?, now.restarts?);
        let explained = self.before.instances.saturating_add(WORSE_RESTARTS);
        (before == 0 && is.saturating_sub(was) > explained)
            .then(|| format!("{was} before, {is} now"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cart() -> ServiceKey {
        "shop/cart".parse().unwrap()
    }

    fn fine() -> Standing {
        Standing {
            ready: Some(3),
            follows_to: None,
            instances: 3,
            looping: Some(0),
            restarts: Some(1),
            errors: Some(0.02),
            latency: Some(0.1),
        }
    }

    /// What is said when it stands so from the first to the 60th second.
    fn said(bar: Bar, standing: Standing) -> Option<(u64, String)> {
        let mut watch = Watch::new(Time(0), BTreeMap::from([(cart(), bar)]));
        (0..=60).step_by(2).find_map(|second| {
            let seen = BTreeMap::from([(cart(), standing)]);
            let words = watch.feel(&seen, Time(second * 1_000))?;
            Some((second, words))
        })
    }

    fn bar() -> Bar {
        Bar {
            before: fine(),
            ..Bar::default()
        }
    }

    #[test]
    fn each_objective_that_gets_worse_is_named_with_numbers() {
        let cases = [
            (
                Standing {
                    ready: Some(2),
                    ..fine()
                },
                30,
                "ready instances: 3 before, 2 now",
            ),
            (
                Standing {
                    ready: Some(1),
                    follows_to: Some(2),
                    ..fine()
                },
                30,
                "ready instances: 3 before, 1 now",
            ),
            (
                Standing {
                    errors: Some(0.3),
                    ..fine()
                },
                6,
                "the error ratio: 2.0 % before, 30.0 % now",
            ),
            (
                Standing {
                    latency: Some(0.4),
                    ..fine()
                },
                6,
                "latency: 100 ms before, 400 ms now",
            ),
            (
                Standing {
                    looping: Some(1),
                    ..fine()
                },
                10,
                "restarts: 0 instances in a crash loop before, 1 now",
            ),
            (
                Standing {
                    restarts: Some(8),
                    ..fine()
                },
                10,
                "restarts: 1 before, 8 now",
            ),
        ];
        for (standing, held, expected) in cases {
            let (second, words) = said(bar(), standing).unwrap();
            assert!(
                words.contains(expected) && words.contains("shop/cart"),
                "{words}"
            );
            assert_eq!(second, held, "{words}");
        }
    }

    #[test]
    fn noise_what_was_bad_before_and_what_is_unknown_is_not_held_against_a_change() {
        for standing in [
            fine(),
            Standing {
                errors: Some(0.069),
                latency: Some(0.149),
                restarts: Some(7),
                ..fine()
            },
            Standing {
                ready: Some(5),
                ..fine()
            },
            Standing {
                ready: Some(2),
                follows_to: Some(2),
                ..fine()
            },
            Standing::default(),
        ] {
            assert_eq!(said(bar(), standing), None, "{standing:?}");
        }
        let unknown = Bar::default();
        let bad = Standing {
            ready: Some(0),
            looping: Some(3),
            errors: Some(1.0),
            ..fine()
        };
        assert_eq!(said(unknown, bad), None);
        let was_bad = Bar {
            before: bad,
            ..Bar::default()
        };
        assert_eq!(said(was_bad, bad), None);
        let promised = Bar {
            promised_errors: Some(0.5),
            ..bar()
        };
        let kept = Standing {
            errors: Some(0.4),
            ..fine()
        };
        assert_eq!(said(promised, kept), None, "it still keeps its promise");
    }

    #[test]
    fn what_is_worse_now_and_then_only_is_not_worse() {
        let mut watch = Watch::new(Time(0), BTreeMap::from([(cart(), bar())]));
        for second in 0..600 {
            let standing = match second % 20 {
                0..=15 => Standing {
                    ready: Some(2),
                    ..fine()
                },
                _ => fine(),
            };
            let seen = BTreeMap::from([(cart(), standing)]);
            assert_eq!(watch.feel(&seen, Time(second * 1_000)), None, "{second}");
        }
    }

    #[test]
    fn a_dip_that_was_foretold_is_allowed_as_long_as_it_was_to_last() {
        let planned = |until| Bar {
            least_ready: Some(2),
            planned_until: Time(until),
            ..bar()
        };
        let two = Standing {
            ready: Some(2),
            ..fine()
        };
        assert_eq!(said(planned(60_001), two), None);
        assert_eq!(said(planned(20_000), two).unwrap().0, 50);
        let one = Standing {
            ready: Some(1),
            ..fine()
        };
        assert_eq!(
            said(planned(60_001), one).unwrap().0,
            30,
            "deeper than foretold"
        );
    }
}
