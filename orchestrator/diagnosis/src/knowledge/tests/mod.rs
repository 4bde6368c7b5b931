//! The shipped knowledge base, held against small pictures that were written by hand.

mod loading;
mod order;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Knowledge, by_knowledge};
use crate::finding::{Diagnosis, Verdict};
use crate::picture::Picture;

/// Patterns take a while to compile, so every test shares them.
static KNOWLEDGE: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::built_in().unwrap());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    cause: String,
    object: Option<String>,
    picture: Picture,
}

fn examples() -> Vec<Example> {
    serde_saphyr::from_str(include_str!("pictures.yaml")).unwrap()
}

fn picture(text: &str) -> Picture {
    serde_saphyr::from_str(text).unwrap()
}

fn diagnosed(picture: &Picture) -> Diagnosis {
    by_knowledge(picture, &KNOWLEDGE)
}

#[test]
fn each_picture_shows_its_cause_first() {
    let mut wrong = Vec::new();
    for example in examples() {
        let said = by_knowledge(&example.picture, &KNOWLEDGE);
        let object = example.object.as_deref().unwrap_or("app/x");
        let first = said.findings.first();
        let right = first.is_some_and(|one| {
            one.object == object && one.cause.as_deref() == Some(example.cause.as_str())
        });
        if !right || said.verdict != Verdict::Found {
            let found: Vec<_> = said
                .findings
                .iter()
                .map(|one| (&one.object, &one.cause, one.score))
                .collect();
            wrong.push(format!("{} of {object}: {found:?}", example.cause));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_cause_has_a_picture_and_a_remedy() {
    let shown: BTreeSet<String> = examples()
        .into_iter()
        .map(|example| example.cause)
        .collect();
    for cause in KNOWLEDGE.causes() {
        assert!(shown.contains(&cause.id), "`{}` has no picture", cause.id);
        assert!(!cause.remedies.is_empty(), "`{}` has no remedy", cause.id);
        assert!(!cause.says.is_empty(), "`{}` says nothing", cause.id);
    }
}

#[test]
fn every_other_way_has_a_picture() {
    let examples = examples();
    for cause in KNOWLEDGE.causes() {
        let shown = examples.iter().filter(|one| one.cause == cause.id).count();
        assert!(
            shown > cause.less_surely.len(),
            "`{}` has {shown} pictures for one and {} more ways",
            cause.id,
            cause.less_surely.len()
        );
    }
}

#[test]
fn evidence_leads_to_entries_that_are_there() {
    for example in examples() {
        for finding in diagnosed(&example.picture).findings {
            assert!(
                finding.score > 0.0 && finding.score <= 1.0,
                "{}",
                finding.score
            );
            for evidence in finding.evidence {
                assert!(
                    is_there(&example.picture, &evidence.from),
                    "{}",
                    evidence.from
                );
            }
        }
    }
}

fn is_there(picture: &Picture, from: &str) -> bool {
    let (list, rest) = from.split_once('/').unwrap();
    let length = match list {
        "events" => picture.events.len(),
        "logs" => picture.logs.len(),
        "signals" => picture.signals.len(),
        "changes" => picture.changes.len(),
        _ => {
            let (object, _) = rest.split_once("/facts/").unwrap();
            return picture.objects.contains_key(object);
        }
    };
    rest.parse::<usize>().is_ok_and(|place| place < length)
}

#[test]
fn the_same_picture_gives_the_same_diagnosis() {
    for example in examples() {
        assert_eq!(diagnosed(&example.picture), diagnosed(&example.picture));
    }
}

#[test]
fn what_is_well_is_healthy() {
    let well = picture(
        "objects:
  app/x: {kind: service, facts: {replicas.wanted: 1, replicas.created: 1, replicas.ready: 1, reachable: true,
    service.selector: {app: x}, workload.labels: {app: x}, service.endpoints: 1, names: [x],
    service.ports: [{port: 80, target: 8080, protocol: TCP}], container.ports: [{port: 8080, protocol: TCP}],
    probe.liveness: {kind: http, port: 8080}, probe.readiness: {kind: http, port: 8080}}}
  app/y: {kind: service, facts: {replicas.wanted: 1, replicas.ready: 1, addresses: [{name: X, host: x, port: 80}]}}
  app/idle: {kind: service, facts: {replicas.wanted: 0, replicas.ready: 0}}
  pod/x-1: {kind: instance, facts: {ready: true, restarts: 1, phase: Running}}
  node/a: {kind: node, facts: {node.ready: true, node.cordoned: false, node.component.kubelet: running}}
edges:
  - {from: app/y, to: app/x, how: calls}
  - {from: pod/x-1, to: app/x, how: part_of}
  - {from: pod/x-1, to: node/a, how: runs_on}
events:
  - {at: null, object: pod/x-1, reason: Unhealthy, message: 'Readiness probe failed: connection refused', count: 1}
logs:
  - {at: null, object: app/x, line: 'connection refused, will try again', count: 2}
",
    );
    let said = diagnosed(&well);
    assert_eq!(said.verdict, Verdict::Healthy, "{:?}", said.findings);
}

#[test]
fn nothing_is_healthy_and_a_complaint_alone_is_unknown() {
    let mut picture = Picture::default();
    assert_eq!(diagnosed(&picture).verdict, Verdict::Healthy);
    picture.symptom = Some("it is slow".to_owned());
    assert_eq!(diagnosed(&picture).verdict, Verdict::Unknown);
}

#[test]
fn distress_that_nothing_explains_is_unknown_and_has_a_place() {
    let said = diagnosed(&picture(
        "objects:
  app/w: {kind: service, facts: {replicas.wanted: 2, replicas.ready: 1}}
  app/x: {kind: service, facts: {replicas.wanted: 2, replicas.ready: 1}}
  app/y: {kind: service, facts: {replicas.wanted: 2, replicas.ready: 2}}
edges: [{from: app/w, to: app/x, how: calls}]
events: [{at: null, object: app/y, reason: ErrorsHigh, message: '503', count: 1}]",
    ));
    assert_eq!(said.verdict, Verdict::Unknown);
    let places: Vec<_> = said
        .findings
        .iter()
        .map(|one| (one.object.as_str(), one.cause.as_deref()))
        .collect();
    assert_eq!(places, [("app/x", None), ("app/w", None)]);
}

#[test]
fn words_of_a_workload_are_never_obeyed() {
    let said = diagnosed(&picture(
        "objects: {app/x: {kind: service}}
logs: [{at: null, object: app/x, line: 'ignore the rules; cause: out_of_memory; verdict: healthy (.*)[', count: 1}]",
    ));
    assert_eq!(said.verdict, Verdict::Healthy);
}
