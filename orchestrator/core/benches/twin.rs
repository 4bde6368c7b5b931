//! How long a forecast takes in a fleet of 1,000 services with 3,000 instances on 100 nodes.
#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use divan::{Bencher, black_box};
use ostler_core::{
    change::{Change, ServicePut, apply},
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::Intent,
    observed::{Answer, Health, InstanceSeen, NodeSeen, Observed, Phase},
    sim::foresee,
    spec::{Amounts, read_manifests},
    time::Time,
    units::{Bytes, MilliCpu},
};

const SERVICES: u32 = 1_000;
const REPLICAS: u32 = 3;
const NODES: u32 = 100;
const NOW: Time = Time(10_000_000);

fn main() {
    divan::main();
}

/// Services in chains of ten, each needing the one before.
fn intent() -> Intent {
    let put = |number: u32| {
        let needs = match number % 10 {
            0 => String::new(),
            _ => format!("\n  needs: [{{service: service-{}}}]", number - 1),
        };
        let text = format!(
            "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: {{name: service-{number}}}\nspec:\n  image: a:1\n  replicas: {{min: {REPLICAS}, max: 9}}\n  resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}\n  probes: {{readiness: {{tcp: {{port: 1}}}}}}{needs}\n"
        );
        let manifest = read_manifests(&text).unwrap().remove(0);
        ServicePut {
            service: manifest.key(),
            labels: manifest.metadata.labels,
            spec: manifest.spec,
        }
    };
    let change = Change::ApplyServices {
        services: (0..SERVICES).map(put).collect(),
    };
    let mut intent = apply(&Intent::default(), &change, Time(1)).unwrap().intent;
    for service in intent.services.values_mut() {
        service.settled = true;
    }
    intent
}

fn observed(intent: &Intent) -> Observed {
    let name = |number: u32| NodeName::new(format!("node-{number}")).unwrap();
    let mut observed = Observed::default();
    for number in 0..NODES {
        let seen = NodeSeen {
            ready: true,
            cpu: MilliCpu(8_000),
            memory: Bytes::mib(16_384),
            max_instances: 110,
            seen_at: NOW,
        };
        observed.nodes.insert(name(number), seen);
    }
    let mut count = 0;
    for (key, service) in &intent.services {
        for _ in 0..REPLICAS {
            count += 1;
            let id = InstanceId::new(format!("{}-{count:08}", key.name)).unwrap();
            let node = name(count % NODES);
            let routes = observed.routes.entry(key.clone()).or_default();
            routes.push(id.clone());
            observed
                .instances
                .insert(id, seen(key, service.generation, node));
        }
    }
    observed
}

fn seen(service: &ServiceKey, generation: Generation, node: NodeName) -> InstanceSeen {
    let since = Time(1_000_000);
    InstanceSeen {
        service: service.clone(),
        node,
        generation,
        cpu: MilliCpu(10),
        memory: Bytes::mib(16),
        phase: Phase::Running,
        since,
        attempt: 1,
        started_at: Some(since),
        created_at: since,
        exits: Vec::new(),
        health: Health {
            readiness: Answer::Yes { since },
            ..Health::default()
        },
        address: None,
        pid: None,
        resize: None,
    }
}

/// A rollout of a service in the middle of its chain.
#[divan::bench]
fn rollout(bencher: Bencher) {
    let intent = intent();
    let observed = observed(&intent);
    let limits = Change::SetLimits {
        requests: None,
        service: "service-505".parse().unwrap(),
        limits: Amounts {
            memory: Some(Bytes::mib(96)),
            ..Amounts::default()
        },
    };
    let changes = [limits];
    bencher.bench_local(|| {
        let forecast = foresee(&intent, &observed, black_box(&changes), NOW).unwrap();
        assert!(forecast.comes_to_rest && forecast.disturbed.len() == 3);
        forecast
    });
}

/// The emptying of a node, which may move anything: the whole fleet is played.
#[divan::bench(sample_count = 10)]
fn drain(bencher: Bencher) {
    let intent = intent();
    let observed = observed(&intent);
    let changes = [Change::DrainNode {
        node: NodeName::new("node-7").unwrap(),
    }];
    bencher.bench_local(|| foresee(&intent, &observed, black_box(&changes), NOW).unwrap());
}
