//! The gate over in-memory ports, with the catalogue and the policies that ship.

mod approvals;
mod autonomy;
mod binding;
mod calendar;
mod capture;
mod console;
mod correction;
mod faces;
mod flows;
mod hijacked;
mod law;
mod leases;
mod log;
mod retention;
mod rotation;
mod shadow;
mod strangers;
mod table;
mod tasks;
mod together;
mod twin;
mod undo;

mod walk;

use std::sync::Arc;

use ostler_core::{
    id::{Generation, InstanceId},
    observed::{Health, InstanceSeen, NodeSeen, Phase},
    time::Time,
    units::{Bytes, MilliCpu},
};
use ostler_policies::{Bundle, Engine, Source};
use ostler_tools::{
    answer::AuditEntry,
    catalogue::ALL,
    principal::{Principal, Role},
    view::WorldView,
};
use serde_json::{Value, json};

use crate::{
    Gate, GateConfig, Keys, Limits, actions,
    answer::{Answer, Outcome},
    testing::{MemoryStore, SetClock, StillWorld},
};

const SHOP: &str = "
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { image: 'shop/cart:1', replicas: { min: 0, max: 100 }, resources: { limits: { memory: 64Mi } } }
";

/// A gate with one service, and everything around it.
struct House {
    gate: Arc<Gate>,
    store: Arc<MemoryStore>,
    world: Arc<StillWorld>,
    clock: Arc<SetClock>,
}

async fn open(
    store: &Arc<MemoryStore>,
    clock: &Arc<SetClock>,
    keys: Keys,
) -> Result<House, crate::GateError> {
    let engine = Arc::new(Engine::load(&policies(), &actions(ALL)).unwrap());
    open_with(store, clock, keys, engine).await
}

async fn open_with(
    store: &Arc<MemoryStore>,
    clock: &Arc<SetClock>,
    keys: Keys,
    engine: Arc<Engine>,
) -> Result<House, crate::GateError> {
    let world = Arc::new(StillWorld::default());
    *world.view.lock().unwrap() = Arc::new(seen());
    let config = GateConfig {
        store: Arc::clone(store) as _,
        world: Arc::clone(&world) as _,
        clock: Arc::clone(clock) as _,
        engine,
        keys,
        catalogue: ALL,
        priorities: priorities(),
        limits: Limits::default(),
    };
    let gate = Gate::open(config).await?;
    Ok(House {
        gate,
        store: Arc::clone(store),
        world,
        clock: Arc::clone(clock),
    })
}

/// As a registry of more agents would say.
fn priorities() -> std::collections::BTreeMap<String, u32> {
    let ranks = [
        ("warden", 400),
        ("healer", 300),
        ("upgrader", 200),
        ("scaler", 100),
        ("balancer", 100),
    ];
    ranks.map(|(name, rank)| (name.to_owned(), rank)).into()
}

/// The shipped policies, and what agents that do not ship yet may do.
fn policies() -> Bundle {
    let mut all = Bundle::embedded();
    for name in ["warden", "upgrader", "scaler", "balancer"] {
        let text = format!(
            r#"@id("{name}-tests")
@words("the {name} of tests may look, propose and change")
permit (principal == Agent::"{name}", action in [Action::"read tools", Action::"record tools", Action::"change tools"], resource);"#
        );
        let name = format!("{name}.cedar");
        all = all.with(Source { name, text });
    }
    all
}

fn seen() -> WorldView {
    let mut view = WorldView::default();
    let instance = InstanceSeen {
        service: "shop/cart".parse().unwrap(),
        node: "n1".parse().unwrap(),
        generation: Generation(1),
        cpu: MilliCpu(0),
        memory: Bytes(0),
        phase: Phase::Running,
        since: Time(0),
        attempt: 1,
        started_at: None,
        created_at: Time(0),
        exits: Vec::new(),
        health: Health::default(),
        address: None,
        pid: None,
        resize: None,
    };
    view.observed
        .instances
        .insert(InstanceId::new("cart-aaaaaaaa").unwrap(), instance);
    view
}

/// The same, on a machine that is known.
fn seen_with_machine() -> WorldView {
    let mut view = seen();
    let machine = NodeSeen {
        ready: true,
        cpu: MilliCpu(8_000),
        memory: Bytes::mib(8_192),
        max_instances: 50,
        seen_at: Time(0),
    };
    view.observed.nodes.insert("n1".parse().unwrap(), machine);
    view
}

async fn house() -> House {
    let house = open(&Arc::default(), &Arc::default(), Keys::ephemeral())
        .await
        .unwrap();
    done(
        house
            .gate
            .call(&operator(), "apply_services", json!({ "yaml": SHOP }))
            .await,
    );
    house
}

fn user(name: &str, role: Role) -> Principal {
    Principal::User {
        name: name.to_owned(),
        roles: vec![role],
    }
}

fn operator() -> Principal {
    user("ann", Role::Operator)
}

fn admin() -> Principal {
    user("root", Role::Admin)
}

fn healer() -> Principal {
    Principal::Agent {
        name: "healer".parse().unwrap(),
    }
}

fn done(answer: Answer) -> Value {
    match answer.outcome {
        Outcome::Done { value, .. } => value,
        other => panic!("not done: {other:?}"),
    }
}

fn held(answer: Answer) -> (String, String) {
    match answer.outcome {
        Outcome::Held { approval, words } => (approval.to_string(), words),
        other => panic!("not held: {other:?}"),
    }
}

fn refused(answer: Answer) -> String {
    match answer.outcome {
        Outcome::Refused { words } => words,
        other => panic!("not refused: {other:?}"),
    }
}

fn denied(answer: Answer) -> (String, Vec<String>) {
    match answer.outcome {
        Outcome::Denied { words, policies } => (words, policies),
        other => panic!("not denied: {other:?}"),
    }
}

impl House {
    async fn call(&self, caller: &Principal, tool: &str, args: Value) -> Answer {
        self.gate.call(caller, tool, args).await
    }

    fn replicas(&self) -> u32 {
        self.gate.intent().services[&"shop/cart".parse().unwrap()].replicas
    }

    /// Every leaf so far.
    async fn log(&self) -> Vec<AuditEntry> {
        self.gate.flush().await.unwrap();
        self.store
            .texts()
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect()
    }

    async fn last(&self) -> AuditEntry {
        self.log().await.pop().unwrap()
    }
}

fn scale(replicas: u32) -> Value {
    json!({ "service": "shop/cart", "replicas": replicas })
}
