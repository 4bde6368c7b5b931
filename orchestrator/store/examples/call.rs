//! Measures one gated call on disk: `cargo run --release -p ostler-store --example call [DIRECTORY]`.
#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::{path::PathBuf, sync::Arc, time::Instant};

use ostler_gate::{
    Gate, GateConfig, Keys, Limits, actions,
    testing::{SetClock, StillWorld},
};
use ostler_policies::{Bundle, Engine};
use ostler_store::SqliteStore;
use ostler_tools::{
    catalogue::ALL,
    principal::{Principal, Role},
};
use serde_json::{Value, json};

const SERVICE: &str = "
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { image: 'shop/cart:1', replicas: { min: 1, max: 100 } }
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args()
        .nth(1)
        .map_or_else(std::env::temp_dir, PathBuf::from);
    let dir = tempfile::tempdir_in(dir)?;
    let gate = Gate::open(GateConfig {
        store: Arc::new(SqliteStore::open(&dir.path().join("state.db")).await?),
        world: Arc::new(StillWorld::default()),
        clock: Arc::new(SetClock::default()),
        engine: Arc::new(Engine::load(&Bundle::embedded(), &actions(ALL))?),
        keys: Keys::open_or_create(dir.path())?,
        catalogue: ALL,
        priorities: Default::default(),
        limits: Limits {
            person_calls: u32::MAX,
            ..Limits::default()
        },
    })
    .await?;
    let made = gate
        .call(
            &admin(),
            "create_token",
            json!({ "name": "bench", "roles": ["admin"] }),
        )
        .await;
    let made = serde_json::to_value(&made)?;
    let token = made
        .pointer("/value/token")
        .and_then(Value::as_str)
        .ok_or("no token")?
        .to_owned();
    gate.call(&admin(), "apply_services", json!({ "yaml": SERVICE }))
        .await;
    measure(
        "change",
        &gate,
        &token,
        1_000,
        "scale_service",
        |number| json!({ "service": "shop/cart", "replicas": 1 + number % 90 }),
    )
    .await?;
    measure("read", &gate, &token, 5_000, "list_services", |_| json!({})).await?;
    gate.close().await;
    Ok(())
}

fn admin() -> Principal {
    Principal::User {
        name: "root".to_owned(),
        roles: vec![Role::Admin],
    }
}

async fn measure(
    what: &str,
    gate: &Arc<Gate>,
    token: &str,
    times: usize,
    tool: &str,
    args: impl Fn(usize) -> Value,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut took = Vec::with_capacity(times);
    for number in 0..times {
        let args = args(number);
        let start = Instant::now();
        let caller = gate
            .authenticate(token)
            .await
            .ok_or("the token is not known")?;
        let answer = gate.call(&caller, tool, args).await;
        took.push(start.elapsed().as_secs_f64() * 1e3);
        if !matches!(answer.outcome, ostler_gate::answer::Outcome::Done { .. }) {
            return Err(format!("{answer:?}").into());
        }
    }
    took.sort_by(f64::total_cmp);
    let at = |share: usize| {
        took.get(took.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!("{what:<8} p50 {:>7.3} ms   p99 {:>7.3} ms", at(50), at(99));
    Ok(())
}
