//! How long one full decision takes: 100,000 instances of 2,000 services on 5,000 nodes.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use divan::{Bencher, black_box};
use ostler_core::{
    change::{Change, ServicePut, apply},
    check::check,
    id::{InstanceId, NodeName},
    intent::Intent,
    observed::{Answer, Exit, Health, InstanceSeen, NodeSeen, Observed, Phase},
    plan::Plan,
    reconcile::reconcile,
    spec::read_manifests,
    step::Step,
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};

const SERVICES: u32 = 2_000;
const REPLICAS: u32 = 50;
const NODES: u32 = 5_000;
const NOW: Time = Time(10_000_000);

fn main() {
    divan::main();
}

/// Services in chains of ten, each needing the one before.
fn intent() -> Intent {
    let manifest = |number: u32| {
        let needs = if number.is_multiple_of(10) {
            String::new()
        } else {
            format!("\n  needs: [{{service: service-{}}}]", number - 1)
        };
        format!(
            "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: {{name: service-{number}}}\nspec:\n  image: a:1\n  replicas: {{min: {REPLICAS}, max: 100}}\n  resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}\n  probes: {{readiness: {{tcp: {{port: 1}}}}}}{needs}\n"
        )
    };
    let put = |number| {
        let manifest = read_manifests(&manifest(number)).unwrap().remove(0);
        let service = manifest.key();
        ServicePut {
            service,
            labels: manifest.metadata.labels,
            spec: manifest.spec,
        }
    };
    let services = (0..SERVICES).map(put).collect();
    apply(
        &Intent::default(),
        &Change::ApplyServices { services },
        Time(1),
    )
    .unwrap()
    .intent
}

fn empty() -> Observed {
    let node = |number| {
        let seen = NodeSeen {
            ready: true,
            cpu: MilliCpu(4_000),
            memory: Bytes::mib(8_192),
            max_instances: 110,
            seen_at: NOW,
        };
        (NodeName::new(format!("node-{number}")).unwrap(), seen)
    };
    Observed {
        nodes: (0..NODES).map(node).collect(),
        ..Observed::default()
    }
}

fn settled(mut intent: Intent) -> Intent {
    for service in intent.services.values_mut() {
        service.settled = true;
    }
    intent
}

/// Places whatever the plan places, running and ready.
fn filled(intent: &Intent) -> Observed {
    let mut observed = empty();
    while let Some(plan) =
        Some(reconcile(intent, &observed, NOW)).filter(|plan| !plan.steps.is_empty())
    {
        for step in plan.steps {
            take(intent, &mut observed, step);
        }
    }
    observed
}

fn take(intent: &Intent, observed: &mut Observed, step: Step) {
    let (instance, service, generation, node) = match step {
        Step::Place {
            instance,
            service,
            generation,
            node,
            ..
        } => (instance, service, generation, node),
        Step::Route { service, instances } => {
            observed.routes.insert(service, instances);
            return;
        }
        _ => return,
    };
    let (cpu, memory) = intent.spec_of(&service, generation).unwrap().reserved();
    let since = Time(1_000_000);
    let health = Health {
        readiness: Answer::Yes { since },
        ..Health::default()
    };
    let seen = InstanceSeen {
        service,
        node,
        generation,
        cpu,
        memory,
        phase: Phase::Running,
        since,
        attempt: 1,
        started_at: Some(since),
        created_at: since,
        exits: Vec::new(),
        health,
        address: None,
        pid: None,
        resize: None,
    };
    observed.instances.insert(instance, seen);
}

/// Ends every hundredth instance.
fn hurt(observed: &mut Observed) {
    for seen in observed.instances.values_mut().step_by(100) {
        seen.phase = Phase::Ended;
        seen.exits.push(Exit {
            attempt: 1,
            at: NOW,
            ran: Span::seconds(5),
            code: Some(1),
            signal: None,
            out_of_memory: false,
            asked: false,
            liveness: false,
        });
    }
}

/// As wanted: nothing to do but to see that.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn steady(bencher: Bencher) {
    let intent = settled(intent());
    let observed = filled(&intent);
    assert_eq!(
        observed.instances.len(),
        usize::try_from(SERVICES * REPLICAS).unwrap()
    );
    assert!(reconcile(&intent, &observed, NOW).steps.is_empty());
    bencher.bench(|| reconcile(black_box(&intent), black_box(&observed), NOW));
}

/// A thousand instances have just crashed.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn a_thousand_crashed(bencher: Bencher) {
    let intent = settled(intent());
    let mut observed = filled(&intent);
    hurt(&mut observed);
    bencher.bench(|| reconcile(black_box(&intent), black_box(&observed), NOW));
}

/// Every service has a new generation.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn all_roll_out(bencher: Bencher) {
    let first = settled(intent());
    let observed = filled(&first);
    let mut services = Vec::new();
    for (key, service) in &first.services {
        let mut spec = (*service.spec).clone();
        "a:2".clone_into(&mut spec.image);
        services.push(ServicePut {
            service: key.clone(),
            labels: service.labels.clone(),
            spec,
        });
    }
    let intent = apply(&first, &Change::ApplyServices { services }, NOW)
        .unwrap()
        .intent;
    bencher.bench(|| reconcile(black_box(&intent), black_box(&observed), NOW));
}

/// Nothing runs yet and nothing needs anything: 100,000 placements in one plan.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn all_placed_at_once(bencher: Bencher) {
    let mut intent = intent();
    for service in intent.services.values_mut() {
        std::sync::Arc::make_mut(&mut service.spec).needs.clear();
    }
    let observed = empty();
    bencher.bench(|| reconcile(black_box(&intent), black_box(&observed), NOW));
}

/// Checking a plan of 2,000 placements against all invariants.
#[divan::bench(sample_count = 10, sample_size = 1)]
fn checked(bencher: Bencher) {
    let intent = intent();
    let mut observed = filled(&intent);
    let ids: Vec<InstanceId> = observed.instances.keys().step_by(50).cloned().collect();
    for id in ids {
        observed.instances.remove(&id);
    }
    let plan: Plan = reconcile(&intent, &observed, NOW);
    assert!(check(&intent, &observed, &plan).is_empty());
    bencher.bench(|| check(black_box(&intent), black_box(&observed), black_box(&plan)));
}
