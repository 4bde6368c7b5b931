//! The loop: wake, read, reconcile, check, execute. It decides nothing itself.
//!
//! Level-triggered: every turn reads everything. Hints only make it look sooner.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_core::{
    autoscale::Load,
    check,
    event::Happening,
    id::ServiceKey,
    intent::{Intent, Service},
    observed::{Observed, Phase},
    plan::{Plan, Request, ServiceState, ServiceStatus},
    reconcile::reconcile,
    time::Time,
};
use ostler_gate::{Gate, answer::Outcome};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    execute::Executor,
    fleet::Fleet,
    observe::{probes::Probes, versions::Versions},
};

/// The longest the driver sleeps without looking.
const LOOK_ANYWAY: Duration = Duration::from_secs(15);
/// News of the same moment is handled in one turn.
const GATHER: Duration = Duration::from_millis(1);

/// Drives the fleet until told to stop.
pub async fn drive(
    fleet: Arc<Fleet>,
    gate: Arc<Gate>,
    executor: Arc<Executor>,
    versions: Versions,
    stop: CancellationToken,
) {
    let mut looks = Looks {
        probes: Probes::new(fleet.clone()),
        versions,
    };
    loop {
        let intent = fleet.intents().borrow().clone();
        let wake_at = turn(&fleet, &gate, &executor, &intent, &mut looks).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = fleet.wake.notified() => {}
            () = fleet.backend.changed() => {}
            () = tokio::time::sleep(until(wake_at)) => continue,
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// What looking remembers from turn to turn.
struct Looks {
    probes: Probes,
    versions: Versions,
}

fn until(wake_at: Option<Time>) -> Duration {
    let now = clock::now();
    wake_at.map_or(LOOK_ANYWAY, |at| {
        at.since(now)
            .to_std()
            .clamp(Duration::from_millis(5), LOOK_ANYWAY)
    })
}

async fn turn(
    fleet: &Arc<Fleet>,
    gate: &Arc<Gate>,
    executor: &Arc<Executor>,
    intent: &Arc<Intent>,
    looks: &mut Looks,
) -> Option<Time> {
    let busy = fleet.read(|table| table.busy.keys().cloned().collect());
    match fleet.backend.list().await {
        Ok(list) => fleet.absorb(list, &busy),
        Err(error) => {
            tracing::error!(%error, "the backend's list cannot be read; acting on what was seen before")
        }
    }
    for notice in fleet.backend.notices() {
        let problem = notice.problem;
        fleet.tell(
            notice.service.as_ref(),
            Some(&notice.instance),
            Happening::NotAdopted { problem },
        );
    }
    let mut observed = fleet.read(|table| table.observed.clone());
    observed.load = loads(fleet, intent);
    let now = clock::now();
    observed.measured = looks
        .versions
        .measured(intent, fleet.golden(), &fleet.compared, now);
    looks.probes.follow(intent, &observed);
    let started = Instant::now();
    let plan = reconcile(intent, &observed, now);
    let violations = check::check(intent, &observed, &plan);
    fleet.metrics.reconciled(started.elapsed().as_secs_f64());
    report(fleet, &observed, &plan);
    if violations.is_empty() {
        executor.execute(intent, &plan.steps);
    } else {
        refuse(fleet, violations.iter().map(ToString::to_string).collect());
    }
    executor.routes.follow(intent);
    for request in &plan.requests {
        let answer = gate.request(request).await;
        if matches!(answer.outcome, Outcome::Done { .. }) {
            say_why(fleet, request);
        }
        tracing::info!(?request, ?answer, "the core's own request");
    }
    for answer in gate.demote_fallen().await {
        tracing::info!(?answer, "an agent no longer acts alone");
    }
    plan.wake_at
}

/// Going back, and going on unjudged, are told with their reason, which no argument of a call holds.
fn say_why(fleet: &Fleet, request: &Request) {
    let (service, what) = match request.clone() {
        Request::Revert {
            service, from, why, ..
        } => {
            let generation = from;
            (service, Happening::SentBack { generation, why })
        }
        Request::Advance {
            service,
            generation,
            unjudged: Some(why),
            ..
        } => (service, Happening::Unjudged { generation, why }),
        _ => return,
    };
    fleet.tell(Some(&service), None, what);
}

/// The load of the services that scale with it.
fn loads(fleet: &Fleet, intent: &Intent) -> BTreeMap<ServiceKey, Load> {
    let now = clock::now();
    let scales = |service: &Service| service.spec.scaling.is_some();
    for (key, service) in intent.services.iter().filter(|(_, one)| scales(one)) {
        fleet.demand.wanted(key, service.replicas, now);
    }
    fleet
        .demand
        .loads(|key| intent.services.get(key).is_some_and(scales))
}

/// A plan that breaks an invariant is a defect of ours: nothing of it is executed, and it is loud.
fn refuse(fleet: &Fleet, violations: Vec<String>) {
    fleet.metrics.refused_plan();
    let known = fleet.read(|table| {
        matches!(table.events.back(), Some(last) if matches!(&last.what, Happening::PlanRefused { violations: before } if *before == violations))
    });
    if !known {
        fleet.tell(None, None, Happening::PlanRefused { violations });
    }
}

fn report(fleet: &Fleet, observed: &Observed, plan: &Plan) {
    let before = fleet.write(|table| {
        table.scaling.clone_from(&plan.scaling);
        table.analysis.clone_from(&plan.analysis);
        std::mem::replace(&mut table.report, plan.report.clone())
    });
    for (service, from, to) in moved(&before, &plan.report) {
        fleet.tell(Some(service), None, Happening::StateChanged { from, to });
    }
    fleet.metrics.set_services(&count_states(&plan.report));
    fleet.metrics.set_instances(&count_phases(observed));
}

fn moved<'a>(
    before: &'a BTreeMap<ServiceKey, ServiceStatus>,
    after: &'a BTreeMap<ServiceKey, ServiceStatus>,
) -> impl Iterator<Item = (&'a ServiceKey, Option<ServiceState>, ServiceState)> {
    after.iter().filter_map(|(service, status)| {
        let from = before.get(service).map(|status| status.state);
        (from != Some(status.state)).then_some((service, from, status.state))
    })
}

fn count_states(report: &BTreeMap<ServiceKey, ServiceStatus>) -> [(&'static str, i64); 5] {
    let count = |state| {
        count(
            report
                .values()
                .filter(|status| status.state == state)
                .count(),
        )
    };
    [
        ("healthy", count(ServiceState::Healthy)),
        ("progressing", count(ServiceState::Progressing)),
        ("degraded", count(ServiceState::Degraded)),
        ("down", count(ServiceState::Down)),
        ("idle", count(ServiceState::Idle)),
    ]
}

fn count_phases(observed: &Observed) -> [(&'static str, i64); 6] {
    let count = |wanted: fn(&Phase) -> bool| {
        count(
            observed
                .instances
                .values()
                .filter(|seen| wanted(&seen.phase))
                .count(),
        )
    };
    [
        ("starting", count(|phase| matches!(phase, Phase::Starting))),
        ("running", count(|phase| matches!(phase, Phase::Running))),
        ("stopping", count(|phase| matches!(phase, Phase::Stopping))),
        ("ended", count(|phase| matches!(phase, Phase::Ended))),
        (
            "failed",
            count(|phase| matches!(phase, Phase::Failed { .. })),
        ),
        ("unknown", count(|phase| matches!(phase, Phase::Unknown))),
    ]
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
