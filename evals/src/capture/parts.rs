//! Services, instances, nodes, series and logs of a capture as a bundle writes them. Pure.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    observed::{Answer, Exit, Phase},
    signal::Subject,
    spec::{Need, ServiceSpec},
    time::Time,
};
use ostler_tools::answer::{
    Capture, CapturedGeneration, CapturedInstance, CapturedNode, CapturedSeries, CapturedService,
};
use serde_json::{Map, Value};

use super::ago;
use crate::bundle::{
    AnswerIn, EarlierIn, ExitIn, InstanceIn, NodeIn, NotReadyIn, PhaseIn, ProbesIn, ReservesIn,
    SeriesIn, ServiceIn, ValuesIn,
};

/// Digits of a value that are written: more than any rule looks at.
const DIGITS: usize = 5;

/// A service. What it needs outside of the capture was not looked at: it is taken to be well, as
/// nothing needs what is not there.
pub(super) fn service(
    at: Time,
    service: &CapturedService,
    known: &BTreeSet<&ServiceKey>,
) -> Result<ServiceIn, String> {
    let within = |spec: &ServiceSpec| {
        let mut spec = spec.clone();
        let namespace = &service.service.namespace;
        let key = |need: &Need| ServiceKey::new(namespace.clone(), need.service.clone());
        spec.needs.retain(|need| known.contains(&key(need)));
        spec
    };
    let spec = within(&service.spec);
    let earlier = service.earlier.iter();
    let earlier = earlier.map(|past| generation(at, &spec, &within(&past.spec), past));
    Ok(ServiceIn {
        service: service.service.clone(),
        generation: service.generation.0,
        changed: ago(at, service.changed_at),
        settled: service.settled,
        replicas: Some(service.replicas),
        earlier: earlier.collect::<Result<_, _>>()?,
        spec,
    })
}

fn generation(
    at: Time,
    current: &ServiceSpec,
    spec: &ServiceSpec,
    past: &CapturedGeneration,
) -> Result<EarlierIn, String> {
    let json = |spec: &ServiceSpec| serde_json::to_value(spec).map_err(|error| error.to_string());
    Ok(EarlierIn {
        generation: past.generation.0,
        changed: ago(at, past.changed_at),
        good: past.last_good,
        differs: difference(&json(current)?, &json(spec)?)
            .unwrap_or_else(|| Value::Object(Map::new())),
    })
}

/// The merge patch (RFC 7396) that leads from one value to another; nothing where they are the same.
fn difference(from: &Value, to: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (from, to) else {
        return (from != to).then(|| to.clone());
    };
    let mut patch = Map::new();
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, value) in after {
        let differs = match before.get(name) {
            Some(earlier) => difference(earlier, value),
            None => Some(value.clone()),
        };
        patch.extend(differs.map(|differs| (name.clone(), differs)));
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

pub(super) fn node(node: &CapturedNode) -> Option<NodeIn> {
    let seen = node.seen.as_ref()?;
    Some(NodeIn {
        node: node.node.clone(),
        ready: seen.ready,
        cpu: seen.cpu,
        memory: seen.memory,
        max_instances: seen.max_instances,
        cordoned: node.cordoned,
        draining: node.draining,
    })
}

pub(super) fn instance(at: Time, one: &CapturedInstance) -> InstanceIn {
    let seen = &one.seen;
    let health = &seen.health;
    InstanceIn {
        id: one.instance.clone(),
        service: seen.service.clone(),
        generation: seen.generation.0,
        node: Some(seen.node.clone()),
        phase: phase(&seen.phase),
        created: Some(ago(at, seen.created_at)),
        since: Some(ago(at, seen.since)),
        attempt: Some(seen.attempt),
        started: seen.started_at.map(|started| ago(at, started)),
        reserves: Some(ReservesIn {
            cpu: seen.cpu,
            memory: seen.memory,
        }),
        probes: Some(ProbesIn {
            startup: answer(at, &health.startup),
            liveness: answer(at, &health.liveness),
            readiness: answer(at, &health.readiness),
        }),
        not_ready: None,
        // Ends with other resources than it has now say nothing about it.
        exits: seen.exits_as_it_is().map(|end| exit(at, end)).collect(),
    }
}

fn phase(phase: &Phase) -> PhaseIn {
    match phase {
        Phase::Starting => PhaseIn::Starting,
        Phase::Running => PhaseIn::Running,
        Phase::Stopping => PhaseIn::Stopping,
        Phase::Ended => PhaseIn::Ended,
        Phase::Failed { problem } => PhaseIn::Failed(problem.clone()),
        Phase::Unknown => PhaseIn::Unknown,
    }
}

fn answer(at: Time, answer: &Answer) -> AnswerIn {
    match answer {
        Answer::Unknown => AnswerIn::Unknown,
        Answer::Yes { since } => AnswerIn::Yes(ago(at, *since)),
        Answer::No { since, reason } => AnswerIn::No(NotReadyIn {
            since: ago(at, *since),
            reason: reason.clone(),
        }),
    }
}

pub(super) fn exit(at: Time, exit: &Exit) -> ExitIn {
    ExitIn {
        ago: ago(at, exit.at),
        ran: exit.ran,
        code: exit.code,
        signal: exit.signal,
        out_of_memory: exit.out_of_memory,
        asked: exit.asked,
        liveness: exit.liveness,
    }
}

pub(super) fn series(at: Time, subject: &Subject, all: &[CapturedSeries]) -> Vec<SeriesIn> {
    let (mut service, mut instance, mut node) = (None, None, None);
    match subject {
        Subject::Service(key) => service = Some(key),
        Subject::Instance(id) => instance = Some(id),
        Subject::Node(name) => node = Some(name),
    }
    let one = |series: &CapturedSeries| SeriesIn {
        service: service.cloned(),
        instance: instance.cloned(),
        node: node.cloned(),
        kind: series.kind,
        every: crate::bundle::ten_seconds(),
        values: ValuesIn::Timed {
            at: series
                .points
                .iter()
                .map(|point| (ago(at, point.at).as_secs_f64(), short(point.value)))
                .collect(),
        },
    };
    all.iter().map(one).collect()
}

/// A value with as many digits as matter.
fn short(value: f64) -> f64 {
    format!("{value:.DIGITS$e}").parse().unwrap_or(value)
}

pub(super) fn logs(capture: &Capture) -> BTreeMap<InstanceId, Vec<String>> {
    let services = capture.services.iter();
    let instances = services.flat_map(|service| &service.instances);
    instances
        .filter(|one| !one.untrusted_lines.is_empty())
        .map(|one| {
            let lines = one.untrusted_lines.iter();
            let texts = lines.map(|line| line.text.clone()).collect();
            (one.instance.clone(), texts)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_leads_from_one_to_the_other() {
        let from = json!({ "a": 1, "b": { "c": [1, 2], "d": "x" }, "e": true });
        let to = json!({ "a": 1, "b": { "c": [2], "f": "y" } });
        let patch = difference(&from, &to).unwrap();
        let mut made = from.clone();
        json_patch::merge(&mut made, &patch);
        assert_eq!(made, to);
        assert_eq!(difference(&to, &to), None);
    }
}
