//! A gate over in-memory ports, with the catalogue and the policies that ship.

use std::sync::{Arc, OnceLock};

use ostler_gate::{
    Gate, GateConfig, Keys, Limits, actions,
    answer::Outcome,
    testing::{MemoryStore, SetClock, StillWorld},
};
use ostler_policies::{Bundle, Engine};
use ostler_tools::{
    answer::AuditExport,
    catalogue::ALL,
    principal::{Principal, Role},
};
use serde_json::json;

pub fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().build().unwrap()
    })
}

fn engine() -> Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    let load = || Arc::new(Engine::load(&Bundle::embedded(), &actions(ALL)).unwrap());
    Arc::clone(ENGINE.get_or_init(load))
}

pub fn admin() -> Principal {
    Principal::User {
        name: "root".to_owned(),
        roles: vec![Role::Admin],
    }
}

pub async fn open() -> Arc<Gate> {
    let config = GateConfig {
        store: Arc::new(MemoryStore::default()),
        world: Arc::new(StillWorld::default()),
        clock: Arc::new(SetClock::default()),
        engine: engine(),
        keys: Keys::ephemeral(),
        catalogue: ALL,
        priorities: Default::default(),
        limits: Limits::default(),
    };
    Gate::open(config).await.unwrap()
}

/// The first page of the log.
pub async fn exported(gate: &Arc<Gate>) -> AuditExport {
    let (auditor, page) = (admin(), json!({ "limit": 1_000 }));
    let answer = gate.call(&auditor, "export_audit", page).await;
    let Outcome::Done { value, .. } = answer.outcome else {
        panic!("an admin exports: {answer:?}");
    };
    serde_json::from_value(value).unwrap()
}
