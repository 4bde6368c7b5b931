//! CPU, memory, pressure and volumes of every running instance, every few seconds.

use std::{sync::Arc, time::Duration};

use ostler_core::{
    id::InstanceId,
    observed::Phase,
    signal::{SignalKind, Subject},
    time::Span,
};
use ostler_runtime::backend::Usage;
use ostler_signals::rates::{Rates, Reading};
use tokio_util::sync::CancellationToken;

use super::load;
use crate::{clock, fleet::Fleet};

/// Time between two readings.
pub const EVERY: Span = Span::seconds(5);

/// Reads until told to stop.
pub async fn watch(fleet: Arc<Fleet>, stop: CancellationToken) {
    let mut rates = Rates::default();
    let mut tick = tokio::time::interval(Duration::from_secs(EVERY.0 / 1_000));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => read_all(&fleet, &mut rates).await,
        }
    }
}

async fn read_all(fleet: &Fleet, rates: &mut Rates) {
    let began = clock::now();
    for (instance, attempt) in running(fleet) {
        let now = clock::now();
        fleet.history().record(
            &Subject::Instance(instance.clone()),
            SignalKind::Restarts,
            now,
            f64::from(attempt.saturating_sub(1)),
        );
        match fleet.backend.usage(&instance).await {
            Ok(usage) => rates.usage(fleet.history(), &instance, now, reading(&usage)),
            Err(error) => tracing::debug!(%instance, %error, "no usage"),
        }
    }
    load::sum(fleet, SignalKind::CpuCores, began);
    load::whole(fleet, began);
    forget(fleet, rates);
    fleet.metrics.set_series(fleet.history().size().0);
}

fn running(fleet: &Fleet) -> Vec<(InstanceId, u32)> {
    fleet.read(|table| {
        let running = table
            .observed
            .instances
            .iter()
            .filter(|(_, seen)| seen.phase == Phase::Running);
        running
            .map(|(id, seen)| (id.clone(), seen.attempt))
            .collect()
    })
}

/// Series of instances and services that are gone.
fn forget(fleet: &Fleet, rates: &mut Rates) {
    let intent = fleet.intents().borrow().clone();
    let instances = fleet.read(|table| {
        table
            .observed
            .instances
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    });
    rates.retain(|instance| instances.contains(instance));
    fleet.history().retain(|subject| match subject {
        Subject::Instance(instance) => instances.contains(instance),
        Subject::Service(service) => intent.services.contains_key(service),
        Subject::Node(_) => true,
    });
}

fn reading(usage: &Usage) -> Reading {
    Reading {
        cpu_us: usage.cpu_us,
        throttled: usage.throttled,
        memory: usage.memory.0,
        memory_limit: usage.memory_limit.map(|limit| limit.0),
        pressure: usage.pressure,
        volume_share: usage.volume_share,
    }
}
