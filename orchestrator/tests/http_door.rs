//! The HTTP door of the built binary: what a stranger gets, and what a token's owner may do.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::process::{Command, Output};

use common::{Daemon, can_run_containers, get, hello, import_busybox, npm::Npm};
use serde_json::Value;

/// A client command through the HTTP door.
fn remote(address: &str, token: &str, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ostler"))
        .args(args)
        .args(["--server", &format!("http://{address}")])
        .env("OSTLER_TOKEN", token)
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_stranger_without_a_token_is_refused() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    let port = daemon.port();
    let answer = get(port, "/mcp").unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert!(get(port, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(
        get(port, "/metrics")
            .unwrap()
            .contains("ostler_reconcile_seconds")
    );
}

#[test]
fn a_token_may_do_what_its_role_may() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    let address = format!("127.0.0.1:{}", daemon.port());
    let manifest = daemon.file("hello.yaml", &hello("hello", 1, 3, ""));
    let apply = ["apply", "--yes", "-f", manifest.to_str().unwrap()];
    let (viewer, operator) = (
        daemon.token("vera", "viewer"),
        daemon.token("otto", "operator"),
    );

    let denied = remote(&address, &viewer, &apply);
    assert_eq!(denied.status.code(), Some(3), "{}", words(&denied));
    let done = remote(&address, &operator, &apply);
    assert!(done.status.success(), "{}", words(&done));
    let looked = remote(&address, &viewer, &["get", "services", "--output", "json"]);
    let services: Value = serde_json::from_slice(&looked.stdout).unwrap();
    assert_eq!(
        services["services"][0]["service"], "default/hello",
        "{services}"
    );

    let unknown = remote(&address, "ostler_wrong", &["status"]);
    assert_eq!(unknown.status.code(), Some(5));
    assert!(words(&unknown).contains("token"), "{}", words(&unknown));
    let audited = daemon.cli(&["audit", "list", "--output", "json"]);
    assert!(audited.contains("vera") && audited.contains("otto"));
    assert!(!audited.contains(&viewer) && !audited.contains(&operator));
}

/// The official inspector.
const INSPECTOR: &str = "@modelcontextprotocol/inspector@2.12.0";

#[test]
fn the_official_inspector_lists_the_tools_and_calls_one() {
    if !can_run_containers() {
        return;
    }
    let Some(inspector) = Npm::fetch(&[INSPECTOR]) else {
        return;
    };
    let daemon = Daemon::start(false);
    let url = format!("http://127.0.0.1:{}/mcp", daemon.port());
    let bearer = format!("Authorization: Bearer {}", daemon.token("vera", "viewer"));
    let inspect = |more: &[&str]| {
        let output = inspector
            .program("mcp-inspector")
            .args(["--cli", url.as_str(), "--transport", "http"])
            .args(["--header", &bearer])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{more:?}: {}", words(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let tools: Value =
        serde_json::from_str(&inspect(&["--method", "tools/list", "--strict"])).unwrap();
    assert!(
        tools["tools"]
            .as_array()
            .unwrap()
            .iter()
            .any(|tool| tool["name"] == "list_services"),
        "{tools}"
    );
    let answer = inspect(&["--method", "tools/call", "--tool-name", "list_services"]);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(
        answer["structuredContent"]["services"].is_array(),
        "{answer}"
    );
}
