//! Generated pages are the same as what the code would generate now.
//!
//! After a change on purpose, write them anew: `OSTLER_WRITE=1 cargo test -p ostler --test generated`.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use std::{fs, path::Path};

fn same(page: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .join("docs")
        .join(page);
    if std::env::var_os("OSTLER_WRITE").is_some() {
        fs::write(&path, generated).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == generated,
        "docs/{page} is out of date; write it anew with OSTLER_WRITE=1 cargo test -p ostler --test generated"
    );
}

#[test]
fn tools() {
    same("tools.md", &ostler_tools::reference::markdown());
}

#[test]
fn manifest_schema() {
    let schema = ostler_core::spec::json_schema();
    same(
        "manifest.schema.json",
        &(serde_json::to_string_pretty(&schema).unwrap() + "\n"),
    );
}

#[test]
fn metrics() {
    let mut page = String::from(
        "# The daemon's metrics\n\nServed at `/metrics` in the Prometheus text format. Generated.\n\n| name | what it tells |\n|---|---|\n",
    );
    for (name, help) in ostler::metrics::reference() {
        page.push_str(&format!("| `{name}` | {help} |\n"));
    }
    same("metrics.md", &page);
}

#[test]
fn every_metric_of_the_reference_is_exposed() {
    let metrics = ostler::metrics::Metrics::default();
    metrics.stepped("place");
    metrics.set_instances(&[("running", 1)]);
    metrics.set_services(&[("healthy", 1)]);
    metrics.happened(&ostler_core::event::Happening::Removed);
    metrics.model_asked("healer", "openai", "answered", 10, 2_500_000_000);
    metrics.called(&ostler_gate::ports::Called {
        tool: Some("get_status"),
        class: "read",
        outcome: "done",
        took: std::time::Duration::from_millis(1),
    });
    metrics.webhook_posted("ops", "delivered");
    metrics.set_webhook_waiting("ops", 1);
    let service: ostler_core::id::ServiceKey = "shop/web".parse().unwrap();
    let look = ostler_proxy::wire::Look {
        counted: vec![ostler_proxy::wire::Counted {
            service: service.clone(),
            generation: ostler_core::id::Generation(1),
            golden: ostler_core::golden::Golden::default(),
        }],
        turned_away: vec![ostler_proxy::wire::TurnedAway {
            service,
            requests: 1,
        }],
        under_way: Vec::new(),
    };
    let current = |_: &ostler_proxy::wire::Counted| ostler::front::golden::Role::Current;
    metrics.golden.take("run", &look, current);
    let text = metrics.encode();
    for (name, help) in ostler::metrics::reference() {
        assert!(text.contains(name), "{name} is not exposed");
        assert!(text.contains(help), "{name} has no help text");
    }
}
