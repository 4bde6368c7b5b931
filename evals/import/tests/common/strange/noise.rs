//! What healthy things elsewhere showed is seen here too, and the clock is another.

use ostler_diagnosis::picture::{Event, Kind, Log, Picture};
use ostler_evals_import::case::{Case, Truth};

use super::chance;

/// Events and lines of things that were well in other cases of the same system, on things that are well
/// in this one: at most so many of each.
pub fn noisy(case: &Case, all: &[Case], many: usize, salt: &str) -> Case {
    let system = |case: &Case| case.id.split('/').next().unwrap_or_default().to_owned();
    let hosts = calm(case);
    let others: Vec<&Case> = all
        .iter()
        .filter(|other| other.id != case.id && system(other) == system(case))
        .collect();
    let mut noisy = case.clone();
    for place in 0..many {
        let draw = |what: &str, from: usize| {
            (chance(&format!("{salt}/{}/{what}{place}", case.id)) * from as f64) as usize
        };
        let other = others.get(draw("case", others.len()));
        let (Some(other), Some(host)) = (other, hosts.get(draw("host", hosts.len()))) else {
            continue;
        };
        let calm = calm(other);
        let events = other.picture.events.iter();
        let events: Vec<&Event> = events
            .filter(|one| calm.contains(&one.object) && !one.message.contains("Normal="))
            .collect();
        let event = events.get(draw("event", events.len())).map(|one| Event {
            object: host.clone(),
            ..(*one).clone()
        });
        let lines = other.picture.logs.iter();
        let lines: Vec<&Log> = lines.filter(|one| calm.contains(&one.object)).collect();
        let line = lines.get(draw("line", lines.len())).map(|one| Log {
            object: host.clone(),
            ..(*one).clone()
        });
        noisy.picture.events.extend(event);
        noisy.picture.logs.extend(line);
    }
    noisy
}

/// What is well and not at fault.
fn calm(case: &Case) -> Vec<String> {
    let Truth::Faulty { objects, .. } = &case.truth else {
        return Vec::new();
    };
    let picture = &case.picture;
    well(picture)
        .filter(|id| !objects.iter().any(|sick| part_of(picture, id, sick)))
        .map(str::to_owned)
        .collect()
}

/// Services and instances that are well, as far as their state says.
fn well(picture: &Picture) -> impl Iterator<Item = &str> {
    let all = picture.objects.iter();
    all.filter(|(_, object)| {
        let number = |name: &str| object.facts.get(name).and_then(serde_json::Value::as_f64);
        match object.kind {
            Kind::Service => number("replicas.wanted")
                .zip(number("replicas.ready"))
                .is_some_and(|(wanted, ready)| wanted > 0.0 && ready >= wanted),
            Kind::Instance => object.facts.get("ready") == Some(&true.into()),
            _ => false,
        }
    })
    .map(|(id, _)| id.as_str())
}

fn part_of(picture: &Picture, id: &str, whole: &str) -> bool {
    id == whole
        || picture
            .edges
            .iter()
            .any(|edge| edge.from == id && edge.to == whole)
}

/// Everything happened so many seconds later, and trouble was noticed late by so many.
pub fn later(case: &Case, by: f64, late: f64) -> Case {
    let mut case = case.clone();
    let Picture {
        signals,
        events,
        logs,
        changes,
        noticed,
        ..
    } = &mut case.picture;
    for (at, _) in signals.iter_mut().flat_map(|signal| &mut signal.points) {
        *at += by;
    }
    let times = events.iter_mut().map(|event| &mut event.at);
    let times = times.chain(logs.iter_mut().map(|log| &mut log.at));
    let times = times.chain(changes.iter_mut().map(|change| &mut change.at));
    times.flatten().for_each(|at| *at += by);
    *noticed = noticed.map(|at| at + by + late);
    case
}
