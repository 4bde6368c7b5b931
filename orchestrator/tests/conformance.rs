//! The official conformance suite against the product's transport, both revisions of MCP: behind the
//! product's guard, around the product's handler, no failure excused.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise"
)]

mod common;
#[path = "conformance/mod.rs"]
mod fixture;
#[path = "conformance/suite.rs"]
mod suite;

use std::sync::Arc;

use common::door::Remembers;
use fixture::Fixture;
use ostler::serve::http::open_endpoint;
use ostler_gate::mcp::{McpServer, Who};
use ostler_tools::{catalogue, principal::Principal};

use rmcp::ServerHandler;
use serde_json::Value;
use suite::{Scenario, Suite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

fn product() -> McpServer {
    McpServer::new(
        Arc::new(Remembers::default()),
        Who::Fixed(Principal::Anonymous),
    )
}

/// Serves until told to stop; the address.
async fn serve<S: ServerHandler + Clone>(server: S, stop: CancellationToken) -> String {
    let app = open_endpoint(server, stop.child_token());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
    tokio::spawn(async move { served.await.unwrap() });
    url
}

/// What the suite finds, scenario by scenario; nothing where it cannot be had.
async fn found<S: ServerHandler + Clone>(server: S, revision: &str) -> Option<Vec<Scenario>> {
    let suite = Suite::fetch()?;
    let stop = CancellationToken::new();
    let _stopped = stop.clone().drop_guard();
    let url = serve(server, stop).await;
    let scenarios = suite.run(&url, revision);
    eprintln!("MCP {revision}\n{}", suite::table(&scenarios));
    Some(scenarios)
}

/// Whether the product's tools were among those that the suite saw.
fn saw_the_catalogue(scenarios: &[Scenario]) -> bool {
    let listed = scenarios
        .iter()
        .find(|scenario| scenario.name == "tools-list")
        .unwrap();
    let seen = &listed.check("tools-list").details["tools"];
    let seen: Vec<&str> = seen
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    catalogue::ALL.iter().all(|tool| seen.contains(&tool.name))
}

/// How many scenarios there were: those that a revision requires, and those beside them.
fn counted(scenarios: &[Scenario]) -> (usize, usize) {
    let required = scenarios.iter().filter(|scenario| scenario.required);
    let required = required.count();
    (required, scenarios.len() - required)
}

fn wrong(scenarios: &[Scenario]) -> Vec<String> {
    scenarios.iter().flat_map(Scenario::wrong).collect()
}

fn untried(scenarios: &[Scenario]) -> Vec<&str> {
    let untried = scenarios.iter().filter(|scenario| scenario.passed() == 0);
    untried.map(|scenario| &*scenario.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_revision_and_the_tasks_extension_pass_whole() {
    let Some(scenarios) = found(Fixture::new(product()), "2026-07-28").await else {
        return;
    };
    assert_eq!(wrong(&scenarios), Vec::<String>::new());
    assert_eq!(counted(&scenarios), (37, 13));
    // This one the suite skips whatever it meets: it waits for a rewrite of its own.
    assert_eq!(untried(&scenarios), ["tasks-status-notifications"]);
    assert!(saw_the_catalogue(&scenarios));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_revision_passes_whole() {
    let Some(scenarios) = found(Fixture::new(product()), "2025-11-25").await else {
        return;
    };
    assert_eq!(wrong(&scenarios), Vec::<String>::new());
    assert_eq!(counted(&scenarios), (30, 3));
    assert_eq!(untried(&scenarios), Vec::<&str>::new());
    assert!(saw_the_catalogue(&scenarios));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_what_the_suite_wants_does_not_pass() {
    let Some(scenarios) = found(product(), "2025-11-25").await else {
        return;
    };
    let wrong = wrong(&scenarios);
    assert!(
        wrong
            .iter()
            .any(|line| line.starts_with("prompts-get-simple: "))
    );
    assert!(!wrong.iter().any(|line| line.starts_with("tools-list: ")));
}
