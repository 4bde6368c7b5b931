//! Signals of services that an existing Prometheus knows better, asked every few seconds.

use std::{sync::Arc, time::Duration};

use ostler_core::{
    autoscale::Sample,
    id::ServiceKey,
    signal::{SignalKind, Subject},
};
use ostler_signals::prometheus::Prometheus;
use tokio_util::sync::CancellationToken;

use crate::{clock, fleet::Fleet};

const EVERY: Duration = Duration::from_secs(10);
/// How a problem with it begins in what the daemon tells of itself.
const PROBLEM: &str = "Prometheus cannot be asked";

/// Asks until told to stop.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => ask_all(&fleet).await,
        }
    }
}

async fn ask_all(fleet: &Fleet) {
    let mut problem = None;
    for (service, signal, query) in queries(fleet) {
        let said = match fleet.prometheus() {
            None => Err("the configuration names none; give it `prometheus`".to_owned()),
            Some(prometheus) => ask(&prometheus, &query).await,
        };
        match said {
            Ok(Some(value)) => record(fleet, &service, signal, value),
            // Nothing known is nothing recorded: it is never read as zero.
            Ok(None) => {}
            Err(words) => problem = Some(format!("{PROBLEM} about {service}: {words}")),
        }
    }
    tell(fleet, problem);
}

async fn ask(prometheus: &Prometheus, query: &str) -> Result<Option<f64>, String> {
    prometheus
        .ask(query)
        .await
        .map_err(|error| error.to_string())
}

fn queries(fleet: &Fleet) -> Vec<(ServiceKey, SignalKind, String)> {
    let intent = fleet.intents().borrow().clone();
    let of_one = |(key, service): (&ServiceKey, &ostler_core::intent::Service)| {
        let queries = service.spec.scaling.iter().flat_map(|one| &one.queries);
        let one = |(signal, query): (&ostler_core::spec::Queried, &String)| {
            (key.clone(), signal.signal(), query.clone())
        };
        queries.map(one).collect::<Vec<_>>()
    };
    intent.services.iter().flat_map(of_one).collect()
}

fn record(fleet: &Fleet, service: &ServiceKey, signal: SignalKind, value: f64) {
    let at = clock::now();
    fleet
        .history()
        .record(&Subject::Service(service.clone()), signal, at, value);
    let sample = Sample {
        at,
        total: value,
        reporting: 1,
        expected: 1,
    };
    fleet.demand.record(service, signal, sample);
}

/// Says once what is wrong, and that it is over.
fn tell(fleet: &Fleet, problem: Option<String>) {
    if !fleet.problem(PROBLEM, problem.clone()) {
        return;
    }
    match problem {
        Some(words) => tracing::warn!("{words}"),
        None => tracing::info!("Prometheus answers again"),
    }
}
