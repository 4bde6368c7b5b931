//! What was counted of each version since a rollout's stage began, by the proxy and beside it, for the core to
//! judge by.

use std::collections::BTreeMap;

use ostler_core::{
    analysis::{Beginnings, Counters, Counts, Histogram, Measured},
    golden::{Golden, LATENCY_BOUNDS_MS},
    id::{Generation, ServiceKey},
    intent::{Intent, Service},
    time::Time,
};

use super::compare::Compared;
use crate::front::golden::Book;

/// Remembers how the counters stood when stages began. A restarted daemon begins anew.
#[derive(Default)]
pub struct Versions(Beginnings);

impl Versions {
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
        let proxied = services.filter(|(_, service)| is_proxied(service));
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
            return Beginnings::default().since(intent, &counters, now);
        }
        self.0.since(intent, &counters, now)
    }
}

pub(super) fn is_proxied(service: &Service) -> bool {
    service.spec.ports.iter().any(|port| port.is_proxied())
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

    #[test]
    fn only_what_came_in_a_stage_counts_for_it() {
        let (mut versions, book) = (Versions::default(), Book::default());
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
        let (mut versions, book) = (Versions::default(), Book::default());
        book.take("run", &look(9), |_| Role::Current);
        let measured = versions.measured(&intent(""), &book, &Compared::default(), Time(1));
        assert!(measured.is_empty(), "judged by readiness alone");
    }
}
