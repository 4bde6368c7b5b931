//! A change that makes things worse is taken back at once and without a person; noise is not taken
//! for worse. The world is scripted, the agent is the one that ships.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

use std::{path::Path, time::Duration};

use ostler_agents_kit::agent::Clock;
use ostler_core::{
    id::ServiceKey,
    incident::IncidentState,
    observed::Answer,
    proposal::{Proposal, ProposalState},
    signal::SignalKind,
    time::{Span, Time},
};
use ostler_evals::{
    bundle::{self, Bundle},
    history::Later,
    replay::Replay,
    server::ReplayClock,
};
use serde_json::json;

fn key(name: &str) -> ServiceKey {
    name.parse().unwrap()
}

/// The cart fails a third of its requests since a change; a shop window needs it and is fine.
fn shop() -> Bundle {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("incidents/bad-change-errors");
    let mut bundle = bundle::read(&folder).unwrap();
    let window = json!({
        "service": "shop/window", "changed": "6d",
        "spec": {
            "image": "shop/window:1",
            "probes": { "readiness": { "tcp": { "port": 80 } } },
            "needs": [{ "service": "cart" }]
        },
    });
    bundle
        .services
        .push(serde_json::from_value(window).unwrap());
    let one = json!({ "id": "window-1", "service": "shop/window", "started": "6d" });
    bundle.instances.push(serde_json::from_value(one).unwrap());
    for (service, kind, value) in [
        ("shop/cart", "latency_p99", 0.1),
        ("shop/window", "error_ratio", 0.0),
        ("shop/window", "latency_p99", 0.2),
    ] {
        let series = json!({
            "service": service, "kind": kind, "values": { "from": value, "to": value, "count": 42 }
        });
        bundle.signals.push(serde_json::from_value(series).unwrap());
    }
    bundle
}

struct Act {
    replay: Replay,
    clock: ReplayClock,
    since: Time,
}

impl Act {
    /// Lets the agent propose, be approved and carry its proposal out.
    async fn carried_out() -> Self {
        let (clock, mut replay) = (ReplayClock::start(), Replay::new(&shop()).unwrap());
        replay.world().approves = true;
        replay.start();
        let act = Self {
            replay,
            clock,
            since: Time(0),
        };
        act.until(ProposalState::Verifying).await;
        assert_eq!(act.count("rollback_service"), 1);
        let since = act.clock.now();
        Self { since, ..act }
    }

    fn count(&self, tool: &str) -> usize {
        let world = self.replay.world();
        world.called.iter().filter(|called| *called == tool).count()
    }

    fn proposal(&self) -> Option<Proposal> {
        self.replay.seen().proposals.first().cloned()
    }

    fn later(&self, service: &str, kind: SignalKind, value: f64) {
        self.replay.world().later.push(Later {
            service: key(service),
            kind,
            from: self.since,
            until: None,
            value,
        });
    }

    /// Lets time pass until the proposal is so, five minutes at most.
    async fn until(&self, state: ProposalState) {
        for _ in 0..3_000 {
            if self.proposal().is_some_and(|one| one.state == state) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("never {state:?}: {:#?}", self.said());
    }

    fn said(&self) -> Vec<String> {
        let seen = self.replay.seen();
        let entries = seen.incidents.iter().flat_map(|one| &one.timeline);
        entries.map(|entry| entry.what.clone()).collect()
    }

    /// It was taken back once, soon, exactly, before its time was over, and the incident says why.
    async fn is_taken_back(&self, why: &str) {
        self.until(ProposalState::Undone).await;
        let (proposal, took) = (self.proposal().unwrap(), self.clock.now().since(self.since));
        assert!(took < proposal.body.verify.within, "{took}");
        assert!(took <= Span::seconds(90), "{took}");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(self.count("undo_change"), 1);
        let said = self.said();
        assert!(
            said.iter().any(|words| words.contains(why)),
            "{why}\n{said:#?}"
        );
        let stands = "taken back: revision 101 (`rollback_service`)";
        assert!(said.iter().any(|words| words.contains(stands)), "{said:#?}");
        let world = self.replay.world();
        assert_eq!(world.undone, [101]);
        let spec = &world.intent.services[&key("shop/cart")].spec;
        assert_eq!(
            spec.env["PRICES"], "strict",
            "as it was before the proposal"
        );
        drop(world);
        assert_eq!(
            self.replay.seen().incidents[0].state,
            IncidentState::NeedsPerson
        );
    }
}

#[tokio::test(start_paused = true)]
async fn more_errors_of_the_changed_service_are_taken_back() {
    let act = Act::carried_out().await;
    act.later("shop/cart", SignalKind::ErrorRatio, 0.9);
    act.is_taken_back(
        "`shop/cart` got worse since the change: the error ratio: 31.7 % before, 90.0 % now",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_slower_service_that_needs_it_is_reason_enough() {
    let act = Act::carried_out().await;
    act.later("shop/window", SignalKind::LatencyP99, 1.5);
    let why = "`shop/window` got worse since the change: the 99th percentile of latency: 200 ms before, 1500 ms now";
    act.is_taken_back(why).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_needs_it_and_is_no_longer_ready_is_reason_enough() {
    let act = Act::carried_out().await;
    for seen in act.replay.world().observed.instances.values_mut() {
        if seen.service == key("shop/window") {
            seen.health.readiness = Answer::No {
                since: act.since,
                reason: "503 cart".to_owned(),
            };
        }
    }
    act.is_taken_back("`shop/window` got worse since the change: ready instances: 1 before, 0 now")
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_spike_is_not_taken_for_worse_and_what_helps_is_verified() {
    let act = Act::carried_out().await;
    act.later("shop/cart", SignalKind::ErrorRatio, 0.0);
    act.later("shop/window", SignalKind::LatencyP99, 0.21);
    act.replay.world().later.push(Later {
        service: key("shop/window"),
        kind: SignalKind::ErrorRatio,
        from: act.since + Span::seconds(15),
        until: Some(act.since + Span::seconds(35)),
        value: 0.8,
    });
    let cart = key("shop/cart");
    for seen in act.replay.world().observed.instances.values_mut() {
        if seen.service == cart {
            (seen.generation.0, seen.since) = (9, act.since);
        }
    }
    act.until(ProposalState::Verified).await;
    assert_eq!(act.count("undo_change"), 0);
}

#[tokio::test(start_paused = true)]
async fn killed_while_it_watches_it_still_sees_what_got_worse() {
    let mut act = Act::carried_out().await;
    act.replay.kill();
    act.replay.start();
    act.later("shop/cart", SignalKind::ErrorRatio, 0.9);
    act.is_taken_back(
        "`shop/cart` got worse since the change: the error ratio: 31.7 % before, 90.0 % now",
    )
    .await;
}
