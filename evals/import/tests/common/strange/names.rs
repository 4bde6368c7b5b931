//! Every service is called something else.

use ostler_diagnosis::picture::{Edge, How, Kind};
use ostler_evals_import::case::{Case, Truth};

use super::chance;

/// Names that say what a thing is: whoever calls a database `mysql` means it.
const TELLING: [&str; 8] = [
    "mysql", "mongo", "redis", "rabbitmq", "nacos", "kafka", "postgres", "app",
];

/// Every service gets another name, the same everywhere: in ids, events, lines and facts. Where a
/// route leads astray, a service's name is what says so: there it only gets something before it.
pub fn renamed(case: &Case, salt: &str) -> Case {
    let services = case.picture.objects.iter();
    let mut names: Vec<&str> = services
        .filter(|(_, object)| object.kind == Kind::Service)
        .map(|(id, _)| id.rsplit('/').next().unwrap())
        .filter(|name| !TELLING.contains(name) && name.len() > 3)
        .collect();
    names.sort_by_key(|name| (std::cmp::Reverse(name.len()), *name));
    let token = |name: &str| {
        let number = chance(&format!("{salt}{name}")) * 1e7;
        format!("w{:07}q", number as u64)
    };
    let cause = match &case.truth {
        Truth::Faulty { cause, .. } => cause.as_deref(),
        Truth::Healthy => None,
    };
    let keeps = cause == Some("gateway_misroute");
    let other = |text: String| {
        // A name may be part of another one: nothing that was put in is looked at again.
        let marked = names.iter().enumerate().fold(text, |text, (place, name)| {
            text.replace(name, &format!("\u{1}{place}\u{2}"))
        });
        names
            .iter()
            .enumerate()
            .fold(marked, |text, (place, name)| {
                let new = if keeps {
                    format!("{}-{name}", token(name))
                } else {
                    token(name)
                };
                text.replace(&format!("\u{1}{place}\u{2}"), &new)
            })
    };
    let text = serde_json::to_string(&case.picture).unwrap();
    let mut case = case.clone();
    case.picture = serde_json::from_str(&other(text)).unwrap();
    if let Truth::Faulty { objects, .. } = &mut case.truth {
        *objects = objects.iter().cloned().map(other).collect();
    }
    case
}

/// What is wrong with a service is wrong with another one: both change places in everything but in who
/// calls whom. Nothing where the case is of no service, or where names or the way of calls say it all.
pub fn transplanted(case: &Case, salt: &str) -> Option<Case> {
    let Truth::Faulty { objects, cause } = &case.truth else {
        return None;
    };
    let told_by_place = [
        "gateway_misroute",
        "db_read_only",
        "db_connection_exhaustion",
    ];
    let apart = case.id.contains("/performance/") || told_by_place.contains(&cause.as_deref()?);
    let victim = objects.first()?.strip_prefix("app/").filter(|_| !apart)?;
    let services = case.picture.objects.iter();
    let others: Vec<&str> = services
        .filter(|(_, object)| object.kind == Kind::Service)
        .filter_map(|(id, _)| id.strip_prefix("app/"))
        .filter(|name| *name != victim && !TELLING.iter().any(|word| name.contains(word)))
        .collect();
    let drawn = chance(&format!("{salt}/{}", case.id)) * others.len() as f64;
    let other = others.get(drawn as usize)?;
    let text = serde_json::to_string(&case.picture).ok()?;
    let text = text.replace(victim, "\u{1}").replace(*other, victim);
    let mut moved = case.clone();
    moved.picture = serde_json::from_str(&text.replace('\u{1}', other)).ok()?;
    let calls = |edge: &&Edge| edge.how == How::Calls;
    moved.picture.edges.retain(|edge| edge.how != How::Calls);
    let kept = case.picture.edges.iter().filter(calls).cloned();
    moved.picture.edges.extend(kept);
    if let Truth::Faulty { objects, .. } = &mut moved.truth {
        *objects = vec![format!("app/{other}")];
    }
    Some(moved)
}
