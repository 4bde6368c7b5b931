//! Measures one decision with the bundle and the catalogue that ship: `cargo run --release -p ostler-gate --example decide`.
#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::{collections::BTreeSet, time::Instant};

use ostler_core::{id::InvalidName, time::Time};
use ostler_policies::{Bundle, Engine, Facts, Request, Who};
use ostler_tools::catalogue;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let actions = ostler_gate::actions(catalogue::ALL);
    let start = Instant::now();
    let engine = Engine::load(&Bundle::embedded(), &actions)?;
    println!(
        "load                    {:>8.1} ms",
        start.elapsed().as_secs_f64() * 1e3
    );
    let operator = Who::User {
        name: "ann".into(),
        roles: vec!["operator".into()],
    };
    measure(
        "allow, one service",
        &engine,
        &request(operator.clone(), "scale_service", 2)?,
    );
    measure(
        "needs approval",
        &engine,
        &request(operator, "scale_service", 90)?,
    );
    let healer = Who::Agent(
        "healer"
            .parse()
            .map_err(|error: InvalidName| error.to_string())?,
    );
    measure(
        "deny, an agent",
        &engine,
        &request(healer, "scale_service", 2)?,
    );
    Ok(())
}

fn request(who: Who, action: &str, to: i64) -> Result<Request, String> {
    let facts = Facts {
        kinds: BTreeSet::from([action.to_owned()]),
        services: 1,
        replicas_from: 1,
        replicas_to: to,
        replicas_delta: to - 1,
        ..Facts::default()
    };
    let service = "shop/cart"
        .parse()
        .map_err(|error: InvalidName| error.to_string())?;
    Ok(Request {
        who,
        action: action.to_owned(),
        services: vec![service],
        namespace: None,
        facts,
        approvals: BTreeSet::new(),
        now: Time(1_795_000_000_000),
    })
}

fn measure(what: &str, engine: &Engine, request: &Request) {
    let mut took: Vec<f64> = (0..5_000)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(engine.decide(std::hint::black_box(request)));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took.sort_by(f64::total_cmp);
    let at = |share: usize| {
        took.get(took.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what:<22}  p50 {:>6.1} \u{b5}s   p99 {:>6.1} \u{b5}s",
        at(50),
        at(99)
    );
}
