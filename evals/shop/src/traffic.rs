//! Steady traffic: so many requests a second, whatever becomes of the earlier ones, and a line of
//! results every few seconds.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::Method;
use serde_json::json;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{
    client,
    config::{Settings, Stretch},
    log::Log,
};

/// Requests under way at the same time; one more counts as failed.
const IN_FLIGHT: usize = 256;
/// Every so many requests one buys.
const BUY_EVERY: u64 = 5;

#[derive(Default)]
struct Results {
    failed: u64,
    took: Vec<Duration>,
}

/// Sends until SIGTERM or SIGINT.
pub async fn run(settings: Settings) -> ExitCode {
    let log = Log::new(&settings);
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut term), Ok(mut int)) = signals else {
        log.error("cannot listen for signals", json!({}));
        return ExitCode::FAILURE;
    };
    let target: Arc<str> = settings.upstream.unwrap_or_default().into();
    let results = Arc::new(Mutex::new(Results::default()));
    let room = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut stretches = settings.traffic.into_iter();
    let (mut send, mut over) = next(&mut stretches, None);
    let mut report = interval(settings.report);
    report.tick().await;
    let mut number = 0u64;
    loop {
        tokio::select! {
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = report.tick() => tell(&log, &results),
            () = tokio::time::sleep_until(over) => (send, over) = next(&mut stretches, Some(send)),
            _ = send.tick() => {
                number += 1;
                let method = if number.is_multiple_of(BUY_EVERY) { Method::POST } else { Method::GET };
                one(method, &target, &room, &results);
            }
        }
    }
    tell(&log, &results);
    ExitCode::SUCCESS
}

/// The next stretch and when it is over; after the last one it goes on for good.
fn next(
    stretches: &mut impl Iterator<Item = Stretch>,
    before: Option<Interval>,
) -> (Interval, tokio::time::Instant) {
    let now = tokio::time::Instant::now();
    let Some(Stretch { rate, seconds }) = stretches.next() else {
        let for_good = now + Duration::from_secs(86_400 * 365);
        return (
            before.unwrap_or_else(|| interval(Duration::from_secs(1))),
            for_good,
        );
    };
    let mut send = interval(Duration::from_secs(1) / rate);
    send.set_missed_tick_behavior(MissedTickBehavior::Skip);
    (send, now + Duration::from_secs(seconds))
}

fn one(method: Method, target: &Arc<str>, room: &Arc<Semaphore>, results: &Arc<Mutex<Results>>) {
    let (target, results) = (Arc::clone(target), Arc::clone(results));
    let Ok(place) = Arc::clone(room).try_acquire_owned() else {
        results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .failed += 1;
        return;
    };
    tokio::spawn(async move {
        let began = Instant::now();
        let answer = client::ask(method, &target, "/", Duration::from_secs(5)).await;
        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok((status, _)) if status.is_success() => results.took.push(began.elapsed()),
            _ => results.failed += 1,
        }
        drop(place);
    });
}

fn tell(log: &Log, results: &Mutex<Results>) {
    let Results { failed, mut took } =
        std::mem::take(&mut *results.lock().unwrap_or_else(PoisonError::into_inner));
    took.sort_unstable();
    let quantile = |share: usize| {
        let at = (took.len() * share / 100).min(took.len().saturating_sub(1));
        took.get(at)
            .map(|took| (took.as_secs_f64() * 10_000.0).round() / 10.0)
    };
    log.info(
        "traffic",
        json!({ "ok": took.len(), "failed": failed, "p50_ms": quantile(50), "p99_ms": quantile(99) }),
    );
}
