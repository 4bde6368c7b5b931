//! What was counted of each version since a rollout's stage began, by the proxy and beside it, for the core to
//! judge by.

use std::{collections::BTreeMap, path::PathBuf};

use ostler_core::{
    analysis::{Beginnings, Counters, Counts, Histogram, Known, Measured},
    golden::{Golden, LATENCY_BOUNDS_MS},
    id::{Generation, ServiceKey},
    intent::{Intent, Service},
    time::Time,
};

use super::compare::Compared;
use crate::{front::golden::Book, kept::Kept};

/// Remembers how the counters stood when stages began. A restarted daemon begins anew, and knows what was before
/// promotions.
pub struct Versions {
    beginnings: Beginnings,
    baselines: Kept<Before>,
}

/// What was before promotions, by service.
type Before = BTreeMap<ServiceKey, Known>;

impl Versions {
    /// Begins with what an earlier daemon kept in this file: without it a promoted version ends unjudged.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        let baselines = Kept::open(file, "what was counted before promotions");
        Self {
            beginnings: Beginnings::knowing(Before::clone(baselines.value())),
            baselines,
        }
    }

    /// What came since. Every service whose traffic goes through the proxy has an entry, counted or not.
    pub fn measured(
        &mut self,
        intent: &Intent,
        book: &Book,
        beside: &Compared,
        now: Time,
    ) -> BTreeMap<ServiceKey, Measured> {
        let mut counted = book.versions();
        let services = intent.services.iter();
        let proxied = services.filter(|(_, service)| service.spec.is_proxied());
        let of = |(key, _): (&ServiceKey, &Service)| {
            let mut counts = counts(counted.remove(key).unwrap_or_default());
            for (generation, beside) in beside.of(key) {
                beside.join(counts.entry(generation).or_default());
            }
            (key.clone(), counts)
        };
        let counters: Counters = proxied.map(of).collect();
        if !book.has_looked() {
            // What the proxy counted before this daemon began is not of any stage that it knows.
            let known = self.beginnings.known().clone();
            return Beginnings::knowing(known).since(intent, &counters, now);
        }
        let measured = self.beginnings.since(intent, &counters, now);
        self.baselines.keep(self.beginnings.known());
        measured
    }
}

fn counts(versions: BTreeMap<Generation, Golden>) -> BTreeMap<Generation, Counts> {
    let of = |golden: &Golden| Counts {
        requests: golden.requests,
        errors: golden.errors,
        latency: histogram(golden),
        ..Counts::default()
    };
    (versions.iter())
        .map(|(generation, golden)| (*generation, of(golden)))
        .collect()
}

fn histogram(golden: &Golden) -> Histogram {
    let bounds = LATENCY_BOUNDS_MS.iter().map(|ms| u64::from(*ms) * 1_000);
    Histogram(bounds.chain([u64::MAX]).zip(golden.buckets).collect())
}

#[cfg(test)]
mod tests {
    use ostler_core::{
        change::{self, Change, ServicePut},
        spec::ServiceSpec,
    };
    use ostler_proxy::wire::{Counted, Look};

    use super::*;
    use crate::front::golden::Role;

    fn intent(app_protocol: &str) -> Intent {
        let text = format!(
            "{{\"image\": \"a:1\", \"ports\": [{{\"name\": \"http\", \"port\": 80, \"publish\": 8080{app_protocol}}}]}}"
        );
        let spec: ServiceSpec = serde_json::from_str(&text).unwrap();
        let put = ServicePut {
            service: "shop/web".parse().unwrap(),
            labels: BTreeMap::new(),
            spec,
        };
        let apply = Change::ApplyServices {
            services: vec![put],
        };
        change::apply(&Intent::default(), &apply, Time(1))
            .unwrap()
            .intent
    }

    fn look(requests: u64) -> Look {
        let mut golden = Golden {
            requests,
            errors: requests / 2,
            ..Golden::default()
        };
        golden.buckets[3] = requests;
        Look {
            counted: vec![Counted {
                service: "shop/web".parse().unwrap(),
                generation: Generation(1),
                golden,
            }],
            ..Look::default()
        }
    }

    fn versions(dir: &tempfile::TempDir) -> Versions {
        Versions::new(dir.path().join("promotions.json"))
    }

    #[test]
    fn only_what_came_in_a_stage_counts_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let (mut versions, book) = (versions(&dir), Book::default());
        let intent = intent(", \"appProtocol\": \"http\"");
        let key = "shop/web".parse().unwrap();
        let measured = versions.measured(&intent, &book, &Compared::default(), Time(1));
        assert!(
            measured[&key].versions.is_empty(),
            "an entry without counts"
        );
        // A proxy that was there before this daemon tells all at once.
        book.take("run", &look(1_000), |_| Role::Current);
        let measured = versions.measured(&intent, &book, &Compared::default(), Time(2));
        assert!(measured[&key].versions.is_empty());
        book.take("run", &look(1_010), |_| Role::Current);
        let measured = versions.measured(&intent, &book, &Compared::default(), Time(3));
        let counts = &measured[&key].versions[&Generation(1)];
        assert_eq!((counts.requests, counts.errors), (10, 5));
        assert_eq!(counts.latency.slower_than(5_000), 10);
        assert_eq!(counts.latency.slower_than(10_000), 0);
    }

    #[test]
    fn what_goes_past_the_proxy_is_not_measured() {
        let dir = tempfile::tempdir().unwrap();
        let (mut versions, book) = (versions(&dir), Book::default());
        book.take("run", &look(9), |_| Role::Current);
        let measured = versions.measured(&intent(""), &book, &Compared::default(), Time(1));
        assert!(measured.is_empty(), "judged by readiness alone");
    }

    /// Changes that must be accepted.
    fn changed(intent: &Intent, changes: &[Change]) -> Intent {
        let next = |intent: Intent, change: &Change| {
            change::apply(&intent, change, Time(1)).unwrap().intent
        };
        changes.iter().fold(intent.clone(), next)
    }

    /// A blue/green service whose second version stands as a preview, or was promoted.
    fn preview_and_promoted() -> (Intent, Intent) {
        let key = || "shop/web".parse().unwrap();
        let put = |image: &str| {
            let text = format!(
                "{{\"image\": \"{image}\", \"ports\": [{{\"name\": \"http\", \"port\": 80, \"publish\": 8080, \"appProtocol\": \"http\"}}], \"update\": {{\"strategy\": {{\"blueGreen\": {{}}}}}}}}"
            );
            let spec: ServiceSpec = serde_json::from_str(&text).unwrap();
            let (service, labels) = (key(), BTreeMap::new());
            let services = vec![ServicePut {
                service,
                labels,
                spec,
            }];
            Change::ApplyServices { services }
        };
        let settle = Change::SettleService {
            service: key(),
            generation: Generation(1),
        };
        let promote = Change::PromoteRollout {
            service: key(),
            generation: Generation(2),
            full: false,
        };
        let preview = changed(&Intent::default(), &[put("a:1"), settle, put("a:2")]);
        let promoted = changed(&preview, &[promote]);
        (preview, promoted)
    }

    #[test]
    fn the_next_daemon_knows_what_was_before_a_promotion_until_its_rollout_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let key: ServiceKey = "shop/web".parse().unwrap();
        let (preview, promoted) = preview_and_promoted();
        let (mut first, book, beside) = (versions(&dir), Book::default(), Compared::default());
        book.take("run", &look(1_000), |_| Role::Current);
        first.measured(&preview, &book, &beside, Time(1_000));
        book.take("run", &look(1_600), |_| Role::Current);
        let measured = first.measured(&promoted, &book, &beside, Time(2_000));
        let before = measured[&key].before.clone().unwrap();
        let counts = &before.versions[&Generation(1)];
        assert_eq!(
            (counts.requests, counts.errors, before.since.0),
            (600, 300, 1_000)
        );

        // The next daemon, before the proxy told it anything, and after.
        let (mut next, book) = (versions(&dir), Book::default());
        let measured = next.measured(&promoted, &book, &beside, Time(3_000));
        assert_eq!(measured[&key].before, Some(before.clone()));
        book.take("run", &look(1_600), |_| Role::Current);
        let measured = next.measured(&promoted, &book, &beside, Time(4_000));
        assert_eq!(measured[&key].before, Some(before));
        next.measured(&preview, &book, &beside, Time(5_000));
        let mut after = versions(&dir);
        let measured = after.measured(&promoted, &book, &beside, Time(6_000));
        assert_eq!(measured[&key].before, None, "it is over, and forgotten");
    }
}
