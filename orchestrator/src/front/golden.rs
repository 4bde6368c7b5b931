//! What the proxy counted, kept across its runs: by version for whoever compares versions, and as the
//! daemon's metrics by what a version is to its service. Only what came since the last look is added, so
//! that nothing is counted twice and nothing ever gets less.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use ostler_core::{
    golden::{Golden, LATENCY_BOUNDS_MS},
    id::{Generation, ServiceKey},
};
use ostler_proxy::wire::{Counted, Look};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
};
use tokio::sync::Notify;

/// Versions of one service whose counts are kept.
const VERSIONS_KEPT: usize = 16;

/// What a version is to its service, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The one that is wanted.
    Current,
    /// Any before it.
    Previous,
}

impl Role {
    /// Whether it is the one that is wanted.
    #[must_use]
    pub const fn of(current: bool) -> Self {
        if current {
            Self::Current
        } else {
            Self::Previous
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Previous => "previous",
        }
    }
}

/// The counts.
#[derive(Debug, Default)]
pub struct Book {
    pages: Mutex<Pages>,
    looked: Notify,
}

#[derive(Debug, Default)]
struct Pages {
    run: String,
    /// As the proxy told them last.
    last: BTreeMap<(ServiceKey, Generation), Golden>,
    last_turned_away: BTreeMap<ServiceKey, u64>,
    versions: BTreeMap<ServiceKey, BTreeMap<Generation, Golden>>,
    roles: BTreeMap<(ServiceKey, Role), Golden>,
    turned_away: BTreeMap<ServiceKey, u64>,
}

/// Names and help texts of these metrics.
pub const REFERENCE: [(&str, &str); 5] = [
    (
        "ostler_proxy_requests_total",
        "Requests that the proxy sent to instances, by service and version (current or previous)",
    ),
    (
        "ostler_proxy_errors_total",
        "Of these, those that failed: status 500 or above, no answer, or one cut short",
    ),
    (
        "ostler_proxy_retries_total",
        "Of the errors, those that another instance was asked about instead",
    ),
    (
        "ostler_proxy_seconds",
        "Time to the head of the answer, by service and version",
    ),
    (
        "ostler_proxy_turned_away_total",
        "Requests answered 503 without asking an instance: none was ready, or too many were under way",
    ),
];

impl Book {
    /// Adds what came since the last look at the same run.
    pub fn take(&self, run: &str, look: &Look, role: impl Fn(&Counted) -> Role) {
        let mut pages = self.pages();
        if pages.run != run {
            run.clone_into(&mut pages.run);
            pages.last.clear();
            pages.last_turned_away.clear();
        }
        for one in &look.counted {
            pages.add(one, role(one));
        }
        for one in &look.turned_away {
            let last = pages
                .last_turned_away
                .insert(one.service.clone(), one.requests);
            let since = one.requests.saturating_sub(last.unwrap_or_default());
            *pages.turned_away.entry(one.service.clone()).or_default() += since;
        }
        pages.keep_only(look);
        drop(pages);
        self.looked.notify_one();
    }

    /// Returns once the proxy told something, at once where it did since the last time. For one listener.
    pub async fn looked(&self) {
        self.looked.notified().await;
    }

    /// The run of the proxy that told last; empty before one did.
    #[must_use]
    pub fn run(&self) -> String {
        self.pages().run.clone()
    }

    /// Cumulative counts of each version since this daemon saw it first.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<ServiceKey, BTreeMap<Generation, Golden>> {
        self.pages().versions.clone()
    }

    /// Whether the proxy told anything to this daemon yet.
    #[must_use]
    pub fn has_looked(&self) -> bool {
        !self.pages().run.is_empty()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn add(&mut self, one: &Counted, role: Role) {
        let key = (one.service.clone(), one.generation);
        let last = self.last.insert(key, one.golden).unwrap_or_default();
        // A service that was deleted and made anew begins anew in the proxy.
        let since = if one.golden.follows(&last) {
            one.golden.since(&last)
        } else {
            one.golden
        };
        let versions = self.versions.entry(one.service.clone()).or_default();
        let all = versions.entry(one.generation).or_default();
        *all = all.and(&since);
        while versions.len() > VERSIONS_KEPT {
            versions.pop_first();
        }
        let all = self.roles.entry((one.service.clone(), role)).or_default();
        *all = all.and(&since);
    }

    /// Whatever the proxy knows nothing of has no front any more.
    fn keep_only(&mut self, look: &Look) {
        let known: BTreeSet<&ServiceKey> = look.counted.iter().map(|one| &one.service).collect();
        self.last.retain(|(service, _), _| known.contains(service));
        self.versions.retain(|service, _| known.contains(service));
        self.roles.retain(|(service, _), _| known.contains(service));
        let turned: BTreeSet<&ServiceKey> =
            look.turned_away.iter().map(|one| &one.service).collect();
        self.last_turned_away
            .retain(|service, _| turned.contains(service));
        self.turned_away
            .retain(|service, _| turned.contains(service));
    }

    fn counters(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        index: usize,
        of: impl Fn(&Golden) -> u64,
    ) -> fmt::Result {
        let mut metric = described(encoder, index, MetricType::Counter)?;
        for ((service, role), golden) in &self.roles {
            let labels = [
                ("service", service.to_string()),
                ("version", role.as_str().to_owned()),
            ];
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(&of(golden), None)?;
        }
        Ok(())
    }

    fn seconds(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = described(encoder, 3, MetricType::Histogram)?;
        for ((service, role), golden) in &self.roles {
            let labels = [
                ("service", service.to_string()),
                ("version", role.as_str().to_owned()),
            ];
            let bounds = LATENCY_BOUNDS_MS.iter().map(|ms| f64::from(*ms) / 1e3);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(golden.buckets).collect();
            let sum = golden.micros as f64 / 1e6;
            let mut one = metric.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(sum, golden.requests, &buckets, None)?;
        }
        Ok(())
    }

    fn refusals(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut metric = described(encoder, 4, MetricType::Counter)?;
        for (service, requests) in &self.turned_away {
            let labels = [("service", service.to_string())];
            let mut one = metric.encode_family(&labels)?;
            one.encode_counter::<NoLabelSet, _, u64>(requests, None)?;
        }
        Ok(())
    }
}

/// A metric's head, by its place in the reference.
fn described<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    index: usize,
    kind: MetricType,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    let (full, help) = REFERENCE.get(index).ok_or(fmt::Error)?;
    let name = full
        .trim_start_matches("ostler_")
        .trim_end_matches("_total");
    encoder.encode_descriptor(name, &format!("{help}."), None, kind)
}

impl Collector for Book {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let pages = self.pages();
        pages.counters(&mut encoder, 0, |golden| golden.requests)?;
        pages.counters(&mut encoder, 1, |golden| golden.errors)?;
        pages.counters(&mut encoder, 2, |golden| golden.retried)?;
        pages.seconds(&mut encoder)?;
        pages.refusals(&mut encoder)
    }
}

#[cfg(test)]
mod tests {
    use ostler_proxy::wire::TurnedAway;

    use super::*;

    fn look(counted: &[(u64, u64)], turned: u64) -> Look {
        let service: ServiceKey = "shop/web".parse().unwrap();
        let counted = counted.iter().map(|(generation, requests)| {
            let mut golden = Golden {
                requests: *requests,
                ..Golden::default()
            };
            golden.buckets[0] = *requests;
            Counted {
                service: service.clone(),
                generation: Generation(*generation),
                golden,
            }
        });
        Look {
            counted: counted.collect(),
            turned_away: vec![TurnedAway {
                service: service.clone(),
                requests: turned,
            }],
            under_way: Vec::new(),
        }
    }

    fn requests(book: &Book) -> Vec<(u64, u64)> {
        let versions = book.versions();
        let of = versions.values().flatten();
        of.map(|(generation, golden)| (generation.0, golden.requests))
            .collect()
    }

    #[test]
    fn nothing_is_counted_twice_and_another_run_goes_on() {
        let book = Book::default();
        let newest = |newest: u64| move |one: &Counted| Role::of(one.generation.0 == newest);
        book.take("a", &look(&[(1, 10)], 1), newest(1));
        book.take("a", &look(&[(1, 15), (2, 3)], 1), newest(2));
        book.take("b", &look(&[(1, 2), (2, 4)], 2), newest(2));
        assert_eq!(requests(&book), [(1, 17), (2, 7)]);
        let pages = book.pages();
        let roles: Vec<u64> = pages.roles.values().map(|golden| golden.requests).collect();
        assert_eq!(
            roles,
            [10 + 3 + 4, 5 + 2],
            "what was current then, and what was before"
        );
        assert_eq!(pages.turned_away.values().copied().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_service_that_is_gone_is_forgotten() {
        let book = Book::default();
        book.take("a", &look(&[(1, 10)], 1), |_| Role::Current);
        book.take("a", &Look::default(), |_| Role::Current);
        assert!(requests(&book).is_empty());
        book.take("a", &look(&[(1, 4)], 0), |_| Role::Current);
        assert_eq!(requests(&book), [(1, 4)]);
    }
}
