//! The gate under load over HTTP, beside a bare MCP server on the same transport:
//! `cargo bench -p ostler --bench door`. Needs `wrk` and root.
//!
//! A read at a steady 2,000 a second shows the gate's own part; as much as goes shows what a gate costs;
//! changes show what durable means when many come at once.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a bench may stop at the first surprise"
)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod echo;
mod histogram;
mod wrk;

use std::process::Command;

use common::Daemon;

use self::{histogram::Histogram, wrk::Load};

/// So many people that none of them makes more calls in a minute than one may.
const PEOPLE: usize = 120;
const SERVICE: &str = "
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { image: 'shop/cart:1', replicas: { min: 0, max: 100 } }
";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(echo::INSIDE) {
        return echo::inside();
    }
    if !common::can_run_containers() || Command::new("wrk").arg("-v").output().is_err() {
        eprintln!("\n!!! SKIPPED: this needs root and `wrk` !!!\n");
        return;
    }
    println!(
        "\n| calls over HTTP, 40 kept connections | a second | p50 ms | p99 ms | bad | gate p50 ms | gate p99 ms |"
    );
    println!("|---|---|---|---|---|---|---|");
    bare();
    gated();
}

fn bare() {
    let server = echo::Server::start();
    let tokens = ["nobody".to_owned()];
    for (rate, named) in [
        (Some(2_000), "at 2,000 a second"),
        (None, "as much as goes"),
    ] {
        let load = Load {
            address: &server.address,
            tokens: &tokens,
            tool: "echo",
            arguments: "'{}'",
            connections: 40,
            rate,
            seconds: 10,
        };
        row(&format!("bare server, {named}"), &load, || None);
    }
}

fn gated() {
    let daemon = Daemon::start(false);
    let people = tokens(&daemon);
    let file = daemon.file("cart.yaml", SERVICE);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    let port = daemon.port();
    let address = &format!("127.0.0.1:{port}");
    let secret = r#"'{"secret":"shop/s' .. n % 50 .. '","value":"' .. n .. '"}'"#;
    let loads = [
        (
            "read `list_services`, at 2,000 a second",
            "list_services",
            "'{}'",
            Some(2_000),
        ),
        (
            "read `list_services`, as much as goes",
            "list_services",
            "'{}'",
            None,
        ),
        (
            "change `put_secret`, as much as goes",
            "put_secret",
            secret,
            None,
        ),
    ];
    for (named, tool, arguments, rate) in loads {
        let load = Load {
            address,
            tokens: &people,
            tool,
            arguments,
            connections: 40,
            rate,
            seconds: 10,
        };
        let class = if tool == "list_services" {
            "read"
        } else {
            "change"
        };
        row(named, &load, || Some(Histogram::of(port, class)));
    }
    let verified = daemon.cli(&["audit", "verify"]);
    println!("\n{}", verified.trim());
}

/// A token each for so many admins: nothing of theirs waits for anybody.
fn tokens(daemon: &Daemon) -> Vec<String> {
    let make = |number: usize| daemon.token(&format!("bench{number}"), "admin");
    (0..PEOPLE).map(make).collect()
}

fn row(named: &str, load: &Load<'_>, gate: impl Fn() -> Option<Histogram>) {
    let dir = tempfile::tempdir().unwrap();
    let before = gate();
    let run = load.run(dir.path());
    let own = gate()
        .zip(before)
        .map(|(after, before)| after.since(&before));
    let own = own.map_or_else(
        || " | ".to_owned(),
        |own| format!("≤ {:.2} | ≤ {:.2}", own.within(0.5), own.within(0.99)),
    );
    println!(
        "| {named} | {:.0} | {:.2} | {:.2} | {} | {own} |",
        run.rate, run.p50, run.p99, run.bad
    );
}
