//! The fleet as a picture for the root-cause engine: our words mapped onto those of its knowledge.

use std::collections::BTreeMap;

use ostler_core::{
    event::Happening,
    graph::Graph,
    id::{InstanceId, NodeName, ServiceKey},
    intent::Service,
    observed::{InstanceSeen, NodeSeen, Phase},
    plan::ServiceStatus,
    signal::{Point, SignalKind, Subject},
    time::{Span, Time},
};
use ostler_diagnosis::picture::{
    Change, Edge, Event, How, Kind, Log, Measure, Object, Picture, Signal,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::view::View;

/// How far back signals and events are looked at.
const BACK: Span = Span::minutes(60);
/// Points of a signal at most.
const POINTS: usize = 400;

/// The id of a service in a picture: its key as everywhere.
fn service_id(key: &ServiceKey) -> String {
    key.to_string()
}

fn instance_id(id: &InstanceId) -> String {
    format!("instance/{id}")
}

fn node_id(node: &NodeName) -> String {
    format!("node/{node}")
}

/// Lines of an instance that say the same, as the caller read them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Whose, as `read_logs` was asked for it.
    pub instance: InstanceId,
    /// The line; 500 characters at most count.
    pub line: String,
    /// How many such lines; 1 when absent.
    #[serde(default = "once")]
    pub count: u32,
}

const fn once() -> u32 {
    1
}

/// Characters of a line that are looked at.
const LINE: usize = 500;

/// What the one who asks knows beyond the view.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// The service that somebody asks about.
    pub symptom: Option<&'a ServiceKey>,
    /// When its trouble began.
    pub since: Option<Time>,
    /// What workloads wrote. No view holds logs.
    pub logs: &'a [Said],
}

/// A picture of the whole fleet.
#[must_use]
pub fn picture(view: &View<'_>, known: Known<'_>) -> Picture {
    let mut picture = Picture {
        symptom: known.symptom.map(service_id),
        noticed: known.since.map(seconds),
        logs: known.logs.iter().map(log).collect(),
        ..Picture::default()
    };
    for (key, service) in &view.intent.services {
        let status = view.world.report.get(key);
        let object = service_object(service, status, view.world.observed.routes.get(key));
        picture.objects.insert(service_id(key), object);
        signals(
            &mut picture,
            view,
            service_id(key),
            &Subject::Service(key.clone()),
        );
    }
    for (id, seen) in &view.world.observed.instances {
        picture
            .objects
            .insert(instance_id(id), instance_object(view, seen));
        edge(
            &mut picture,
            instance_id(id),
            service_id(&seen.service),
            How::PartOf,
        );
        edge(
            &mut picture,
            instance_id(id),
            node_id(&seen.node),
            How::RunsOn,
        );
        signals(
            &mut picture,
            view,
            instance_id(id),
            &Subject::Instance(id.clone()),
        );
    }
    for (name, node) in &view.world.observed.nodes {
        let cordoned = view.intent.cordoned.contains(name);
        picture
            .objects
            .insert(node_id(name), node_object(node, cordoned));
        signals(
            &mut picture,
            view,
            node_id(name),
            &Subject::Node(name.clone()),
        );
    }
    needs(&mut picture, view);
    happenings(&mut picture, view);
    picture
}

fn log(said: &Said) -> Log {
    Log {
        at: None,
        object: instance_id(&said.instance),
        line: said.line.chars().take(LINE).collect(),
        count: said.count.into(),
    }
}

fn edge(picture: &mut Picture, from: String, to: String, how: How) {
    picture.edges.push(Edge { from, to, how });
}

fn needs(picture: &mut Picture, view: &View<'_>) {
    let graph = Graph::of(view.intent);
    for key in view.intent.services.keys() {
        for need in graph.needs_of(key) {
            edge(picture, service_id(key), service_id(need), How::Calls);
        }
    }
}

fn object(kind: Kind, facts: Vec<(&str, Value)>) -> Object {
    let facts = facts.into_iter().filter(|(_, value)| !value.is_null());
    Object {
        kind,
        facts: facts
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<BTreeMap<_, _>>(),
    }
}

fn service_object(
    service: &Service,
    status: Option<&ServiceStatus>,
    routes: Option<&Vec<InstanceId>>,
) -> Object {
    let wanted = service.replicas;
    let ready = status.map(|status| status.ready);
    object(
        Kind::Service,
        vec![
            ("images", json!([service.spec.image])),
            ("replicas.wanted", json!(wanted)),
            ("replicas.ready", json!(ready)),
            ("ready", json!(ready.map(|ready| ready >= wanted))),
            ("reachable", json!(routes.map(|routes| !routes.is_empty()))),
        ],
    )
}

fn instance_object(view: &View<'_>, seen: &InstanceSeen) -> Object {
    let spec = view.intent.spec_of(&seen.service, seen.generation);
    let ready = spec.map(|spec| seen.is_ready(&spec.probes));
    let last = seen.exits.last().filter(|exit| exit.is_failure());
    let failing = seen
        .exits
        .iter()
        .rev()
        .take_while(|exit| exit.is_failure())
        .count();
    let down = matches!(seen.phase, Phase::Ended | Phase::Failed { .. });
    let waiting = match &seen.phase {
        Phase::Failed { problem } => Some(waiting_for(problem)),
        Phase::Ended if failing > 1 => Some("CrashLoopBackOff"),
        _ => None,
    };
    object(
        Kind::Instance,
        vec![
            ("ready", json!(ready)),
            ("scheduled", json!(true)),
            ("phase", json!(if down { "Failed" } else { "Running" })),
            ("restarts", json!(seen.attempt.saturating_sub(1))),
            ("waiting", json!(waiting)),
            ("last_exit", json!(last.and_then(|exit| exit.code))),
            (
                "last_reason",
                json!(last.map(|exit| if exit.out_of_memory {
                    "OOMKilled"
                } else {
                    "Error"
                })),
            ),
        ],
    )
}

/// A failed start in the words in which most platforms say it.
fn waiting_for(problem: &ostler_core::observed::Problem) -> &'static str {
    use ostler_core::observed::ProblemKind as Is;
    match problem.kind {
        Is::ImageNotFound | Is::RegistryUnavailable | Is::ImageCorrupt | Is::ImageRefused => {
            "ImagePullBackOff"
        }
        Is::SecretMissing => "CreateContainerConfigError",
        _ => "CreateContainerError",
    }
}

fn node_object(node: &NodeSeen, cordoned: bool) -> Object {
    object(
        Kind::Node,
        vec![
            ("node.ready", json!(node.ready)),
            ("node.cordoned", json!(cordoned)),
        ],
    )
}

const fn measure(kind: SignalKind) -> Option<Measure> {
    Some(match kind {
        SignalKind::CpuCores | SignalKind::CpuThrottled | SignalKind::CpuPressure => Measure::Cpu,
        SignalKind::MemoryShare | SignalKind::MemoryPressure => Measure::Memory,
        SignalKind::IoPressure | SignalKind::DiskShare => Measure::Disk,
        SignalKind::Restarts => Measure::Restarts,
        SignalKind::RequestRate => Measure::Rate,
        SignalKind::ErrorRatio => Measure::Errors,
        SignalKind::LatencyP50 | SignalKind::LatencyP99 => Measure::Latency,
        // The share says the same; probes are facts already; what waits shows as latency.
        SignalKind::MemoryBytes
        | SignalKind::ProbeSeconds
        | SignalKind::ProbePassed
        | SignalKind::QueueDepth => {
            return None;
        }
    })
}

/// Its name as everywhere, such as `memory_share`.
fn name_of(kind: SignalKind) -> String {
    let name = serde_json::to_value(kind).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

fn signals(picture: &mut Picture, view: &View<'_>, object: String, subject: &Subject) {
    for kind in view.signals.kinds(subject) {
        let Some(measure) = measure(kind) else {
            continue;
        };
        let series = view
            .signals
            .series(subject, kind, view.now - BACK, view.now, POINTS);
        // The knowledge base counts latency in milliseconds.
        let scale = if measure == Measure::Latency {
            1e3
        } else {
            1.0
        };
        let point = |point: &Point| (seconds(point.at), point.value * scale);
        picture.signals.push(Signal {
            object: object.clone(),
            measure,
            name: name_of(kind),
            points: series.points.iter().map(point).collect(),
        });
    }
}

fn seconds(at: Time) -> f64 {
    at.since(Time(0)).as_secs_f64()
}

fn happenings(picture: &mut Picture, view: &View<'_>) {
    let from = view.now - BACK;
    for event in view.world.events.iter().filter(|event| event.at >= from) {
        let of_instance = event.instance.as_ref().map(instance_id);
        let of_service = event.service.as_ref().map(service_id);
        let Some(object) = of_instance.or(of_service) else {
            continue;
        };
        let at = Some(seconds(event.at));
        let mut tell = |reason: &str, message: &str| {
            picture.events.push(Event {
                at,
                object: object.clone(),
                reason: reason.to_owned(),
                message: message.to_owned(),
                count: 1,
            });
        };
        match &event.what {
            Happening::Exited { exit, words } if exit.is_failure() => tell("BackOff", words),
            Happening::StartFailed { problem } => tell("FailedStart", &problem.detail),
            Happening::Probed {
                probe,
                passes: false,
                detail,
            } => tell("Unhealthy", &format!("{probe} probe failed: {detail}")),
            Happening::Changed { summary, .. } => picture.changes.push(Change {
                at,
                object,
                what: summary.clone(),
            }),
            _ => {}
        }
    }
}
