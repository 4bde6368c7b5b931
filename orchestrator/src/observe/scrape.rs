//! Golden signals of services that expose Prometheus metrics, scraped every few seconds.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    observed::Phase,
    signal::{SignalKind, Subject},
    spec::MetricsEndpoint,
    time::{Span, Time},
};
use ostler_signals::{
    http,
    rates::{Rates, record_requests, record_service},
    scrape::{self, Counters, SCRAPE_LIMIT},
};
use tokio_util::sync::CancellationToken;

use super::load;
use crate::{clock, fleet::Fleet};

const EVERY: Duration = Duration::from_secs(5);
const TIMEOUT: Duration = Duration::from_secs(2);

/// Scrapes until told to stop.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut rates = Rates::default();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => scrape_all(&fleet, &mut rates).await,
        }
    }
}

async fn scrape_all(fleet: &Fleet, rates: &mut Rates) {
    let began = clock::now();
    let targets = targets(fleet);
    let scrapes = targets.into_iter().map(|target| async move {
        let counters = scrape_one(target.address, &target.endpoint).await;
        (target, clock::now(), counters)
    });
    let mut served: BTreeMap<ServiceKey, (Time, Counters, Span)> = BTreeMap::new();
    for (target, at, counters) in futures::future::join_all(scrapes).await {
        let Some((delta, over)) =
            counters.and_then(|counters| rates.requests(&target.instance, at, counters))
        else {
            continue;
        };
        record_requests(
            fleet.history(),
            &Subject::Instance(target.instance),
            at,
            &delta,
            over,
        );
        let (last, sum, longest) = served
            .entry(target.service)
            .or_insert_with(|| (at, Counters::default(), over));
        *last = at.max(*last);
        *longest = over.max(*longest);
        sum.add(&delta);
    }
    for (service, (at, sum, over)) in served {
        record_service(fleet.history(), &service, at, &sum, over);
    }
    load::sum(fleet, SignalKind::RequestRate, began);
    load::sum(fleet, SignalKind::QueueDepth, began);
    load::latency(fleet, began);
    let known = fleet.read(|table| {
        table
            .observed
            .instances
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    });
    rates.retain(|instance| known.contains(instance));
}

struct Target {
    instance: InstanceId,
    service: ServiceKey,
    address: Ipv4Addr,
    endpoint: MetricsEndpoint,
}

fn targets(fleet: &Fleet) -> Vec<Target> {
    let intent = fleet.intents().borrow().clone();
    fleet.read(|table| {
        let running = table
            .observed
            .instances
            .iter()
            .filter(|(_, seen)| seen.phase == Phase::Running);
        running
            .filter_map(|(instance, seen)| {
                let endpoint = intent.services.get(&seen.service)?.spec.metrics.clone()?;
                let address = seen.address.unwrap_or(Ipv4Addr::LOCALHOST);
                Some(Target {
                    instance: instance.clone(),
                    service: seen.service.clone(),
                    address,
                    endpoint,
                })
            })
            .collect()
    })
}

async fn scrape_one(address: Ipv4Addr, endpoint: &MetricsEndpoint) -> Option<Counters> {
    let reply = http::get(
        (address, endpoint.port).into(),
        &endpoint.path,
        TIMEOUT,
        SCRAPE_LIMIT,
    )
    .await
    .ok()?;
    if reply.status != 200 {
        return None;
    }
    scrape::read(std::str::from_utf8(&reply.body).ok()?)
}
