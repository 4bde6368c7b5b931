//! What explains comes before what is explained.

use super::{diagnosed, picture};

fn order(text: &str) -> Vec<(String, String)> {
    let findings = diagnosed(&picture(text)).findings.into_iter();
    findings
        .map(|one| (one.object, one.cause.unwrap_or_default()))
        .collect()
}

#[test]
fn a_node_comes_before_what_crashes_on_it() {
    let order = order(
        "objects:
  node/a: {kind: node, facts: {node.ready: false}}
  app/x: {kind: service, facts: {replicas.wanted: 1, replicas.ready: 0}}
  pod/x-1: {kind: instance, facts: {ready: false, waiting: CrashLoopBackOff}}
edges:
  - {from: pod/x-1, to: app/x, how: part_of}
  - {from: pod/x-1, to: node/a, how: runs_on}
",
    );
    assert_eq!(order[0].0, "node/a");
    assert!(
        order
            .iter()
            .any(|(object, cause)| object == "app/x" && cause == "crash_loop")
    );
}

#[test]
fn a_callee_comes_before_its_callers() {
    let order = order(
        "objects:
  app/db: {kind: service, facts: {replicas.wanted: 1, replicas.ready: 0}}
  pod/db-1: {kind: instance, facts: {ready: false, last_reason: OOMKilled, waiting: CrashLoopBackOff}}
  app/x: {kind: service, facts: {replicas.wanted: 1, replicas.ready: 0}}
  pod/x-1: {kind: instance, facts: {ready: false, waiting: CrashLoopBackOff}}
edges:
  - {from: pod/x-1, to: app/x, how: part_of}
  - {from: pod/db-1, to: app/db, how: part_of}
  - {from: app/x, to: app/db, how: calls}
logs: [{at: null, object: app/x, line: 'dial tcp: connection refused', count: 9}]
",
    );
    assert_eq!(order[0], ("app/db".to_owned(), "out_of_memory".to_owned()));
}

#[test]
fn a_sick_database_is_not_called_a_wrong_address() {
    let order = order(
        "objects:
  app/db: {kind: service, facts: {images: ['postgres:16'], replicas.wanted: 1, replicas.ready: 0}}
  app/x: {kind: service, facts: {replicas.wanted: 1, replicas.ready: 0}}
  pod/x-1: {kind: instance, facts: {ready: false, waiting: CrashLoopBackOff}}
edges:
  - {from: pod/x-1, to: app/x, how: part_of}
  - {from: app/x, to: app/db, how: calls}
logs: [{at: null, object: app/x, line: 'postgres: connection refused', count: 9}]
",
    );
    assert!(
        order
            .iter()
            .all(|(_, cause)| cause != "database_address_wrong"),
        "{order:?}"
    );
}

#[test]
fn the_deepest_slow_service_explains_the_others() {
    let slow = |object: &str, before: f64, after: f64| {
        format!(
            "  - {{object: {object}, measure: latency, name: p90, points: [[1, {before}], [2, {before}], [3, {before}], [11, {after}], [12, {after}], [13, {after}]]}}\n"
        )
    };
    let text = format!(
        "noticed: 10\nsymptom: slow\nobjects: {{app/a: {{kind: service}}, app/b: {{kind: service}}, app/c: {{kind: service}}, app/d: {{kind: service}}}}\nedges:\n  - {{from: app/a, to: app/b, how: calls}}\n  - {{from: app/b, to: app/c, how: calls}}\n  - {{from: app/b, to: app/d, how: calls}}\nsignals:\n{}{}{}{}",
        slow("app/a", 20.0, 3_000.0),
        slow("app/b", 15.0, 2_900.0),
        slow("app/c", 5.0, 900.0),
        slow("app/d", 5.0, 6.0),
    );
    assert_eq!(order(&text)[0].0, "app/c");
}

#[test]
fn a_slow_caller_is_not_explained_by_a_faint_echo() {
    let text = "noticed: 10
symptom: slow
objects: {app/a: {kind: service}, app/b: {kind: service}, app/c: {kind: service}}
edges:
  - {from: app/a, to: app/b, how: calls}
  - {from: app/a, to: app/c, how: calls}
signals:
  - {object: app/a, measure: latency, name: p90, points: [[1, 20], [2, 20], [3, 20], [11, 9000], [12, 9000], [13, 9000]]}
  - {object: app/b, measure: latency, name: p90, points: [[1, 5], [2, 5], [3, 5], [11, 600], [12, 600], [13, 600]]}
  - {object: app/c, measure: latency, name: p90, points: [[1, 5], [2, 5], [3, 5], [11, 500], [12, 500], [13, 500]]}
";
    assert_eq!(order(text)[0].0, "app/a");
}
