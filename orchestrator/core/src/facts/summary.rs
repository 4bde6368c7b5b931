//! One line for people: what a change does.

use super::ChangeFacts;
use crate::{
    autonomy::Autonomy,
    autoscale::Tuning,
    change::Change,
    id::{AgentName, Namespace, ServiceKey},
    intent::Intent,
    spec::Strategy,
};

/// Says what the change does, such as `scale shop/cart from 2 to 5 replicas`.
pub(super) fn of(before: &Intent, after: &Intent, change: &Change, facts: &ChangeFacts) -> String {
    match change {
        Change::ApplyServices { .. } => applied(facts),
        Change::DeleteService { service } => {
            format!(
                "delete {service} with its {}",
                count(replicas_of(before, service), "replica")
            )
        }
        Change::ScaleService { service, replicas } => {
            let from = replicas_of(before, service);
            format!(
                "scale {service} from {from} to {}",
                count(*replicas, "replica")
            )
        }
        Change::TuneScaling { service, tuning } => tuned(service, tuning.as_deref()),
        Change::SetLimits { service, .. } => limits(service, facts),
        Change::UpgradeService {
            service,
            image,
            strategy,
        } => upgraded(before, service, image, strategy.as_ref()),
        Change::RollbackService { service, to } => {
            let from = before
                .services
                .get(service)
                .map_or(0, |service| service.generation.0);
            let new = after
                .services
                .get(service)
                .map_or(0, |service| service.generation.0);
            format!(
                "roll {service} back from generation {from} to what generation {to} was, as generation {new}"
            )
        }
        Change::RestartInstances {
            service, instances, ..
        } => {
            format!(
                "restart {} of {service}",
                count(instances.len(), "instance")
            )
        }
        Change::SettleService {
            service,
            generation,
        } => {
            format!("record that generation {generation} of {service} has rolled out")
        }
        Change::AdvanceRollout { .. }
        | Change::PromoteRollout { .. }
        | Change::PauseRollout { .. }
        | Change::ResumeRollout { .. } => rollout(after, change),
        Change::PutSecret { secret, .. } => format!("store secret {secret}"),
        Change::DeleteSecret { secret } => format!("delete secret {secret}"),
        Change::CordonNode { node } => format!("place nothing new on node {node}"),
        Change::UncordonNode { node } => format!("place instances on node {node} again"),
        Change::DrainNode { node } => format!("move every instance off node {node}"),
        Change::PauseAgent { agent } => format!("pause agent {agent}"),
        Change::ResumeAgent { agent } => format!("let agent {agent} act again"),
        Change::SetAutonomy { agent, autonomy } => autonomy_of(agent, autonomy.as_deref()),
        Change::SetFreeze { .. } | Change::SetGlass { .. } | Change::SetPolicies { .. } => {
            law(change)
        }
        Change::RestoreServices { .. } => format!("put back {}", names(facts.services.iter())),
        Change::All { changes } => all(before, after, changes, facts),
    }
}

fn upgraded(
    before: &Intent,
    service: &ServiceKey,
    image: &str,
    strategy: Option<&Strategy>,
) -> String {
    let now = before.services.get(service);
    let from = now.map_or("nothing", |now| now.spec.image.as_str());
    let way = strategy.map(|strategy| format!(", {}", strategy.name()));
    format!(
        "upgrade {service} from {from} to {image}{}",
        way.unwrap_or_default()
    )
}

fn all(before: &Intent, after: &Intent, changes: &[Change], facts: &ChangeFacts) -> String {
    let parts: Vec<String> = changes
        .iter()
        .take(5)
        .map(|part| of(before, after, part, facts))
        .collect();
    let rest = changes.len().saturating_sub(5);
    let more = if rest > 0 {
        format!("; and {rest} more")
    } else {
        String::new()
    };
    format!("{}{more}", parts.join("; "))
}

/// What a change does to a rollout.
fn rollout(after: &Intent, change: &Change) -> String {
    match change {
        Change::AdvanceRollout { service, to, .. } => {
            format!("let the rollout of {service} go on: {}", to.in_words())
        }
        Change::PromoteRollout { service, .. } => {
            let now = after.services.get(service);
            let stands = now.map(|now| now.mark().in_words()).unwrap_or_default();
            format!("promote the rollout of {service}: {stands}")
        }
        Change::PauseRollout { service, .. } => format!("hold the rollout of {service}"),
        Change::ResumeRollout { service, .. } => format!("let the rollout of {service} go on"),
        _ => String::new(),
    }
}

/// What a change does to what people rule.
fn law(change: &Change) -> String {
    match change {
        Change::SetFreeze { name, freeze } => match freeze {
            Some(freeze) if freeze.namespaces.is_empty() => {
                format!("freeze all changes ({name}): {}", freeze.reason)
            }
            Some(freeze) => format!(
                "freeze changes in {} ({name}): {}",
                names(freeze.namespaces.iter()),
                freeze.reason
            ),
            None => format!("lift the freeze {name}"),
        },
        Change::SetGlass { person, glass } => match glass {
            Some(glass) => format!("EMERGENCY of {person}: {}", glass.reason),
            None => format!("end the emergency of {person}"),
        },
        Change::SetPolicies {
            policies: Some(policies),
        } => format!("put {} of policies in force", count(policies.len(), "file")),
        Change::SetPolicies { policies: None } => "put the shipped policies in force".to_owned(),
        _ => String::new(),
    }
}

fn autonomy_of(agent: &AgentName, autonomy: Option<&Autonomy>) -> String {
    let Some(autonomy) = autonomy else {
        return format!("agent {agent} acts with a person's yes only");
    };
    let scores = &autonomy.certificate.scores;
    let places: Vec<&str> = autonomy.namespaces.iter().map(Namespace::as_str).collect();
    let place = match places.is_empty() {
        true => String::new(),
        false => format!(" in {}", places.join(", ")),
    };
    format!(
        "let agent {agent} act alone{place} where policy says so, on {}'s certificate over {} cases",
        autonomy.evaluator, scores.cases
    )
}

fn replicas_of(intent: &Intent, service: &ServiceKey) -> u32 {
    intent
        .services
        .get(service)
        .map_or(0, |service| service.replicas)
}

fn applied(facts: &ChangeFacts) -> String {
    let changed: Vec<&ServiceKey> = facts
        .diff
        .iter()
        .map(|diff| &diff.service)
        .filter(|key| !facts.creates.contains(key))
        .collect();
    let mut parts = Vec::new();
    if !facts.creates.is_empty() {
        parts.push(format!("create {}", names(facts.creates.iter())));
    }
    if !changed.is_empty() {
        parts.push(format!("update {}", names(changed.into_iter())));
    }
    if parts.is_empty() {
        return format!("change nothing in {}", names(facts.services.iter()));
    }
    parts.join(" and ")
}

fn limits(service: &ServiceKey, facts: &ChangeFacts) -> String {
    let lines = facts
        .diff
        .iter()
        .filter(|diff| diff.service == *service)
        .flat_map(|diff| &diff.lines);
    let show = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    let parts: Vec<String> = lines
        .filter_map(|line| {
            let name = line.path.strip_prefix("spec.resources.")?;
            let name = match name.split_once('.')? {
                ("limits", name) => name.to_owned(),
                (_, name) => format!("{name} request"),
            };
            Some(format!("{name} {} → {}", show(&line.from), show(&line.to)))
        })
        .collect();
    if parts.is_empty() {
        return format!("leave the limits of {service} as they are");
    }
    format!("set limits of {service}: {}", parts.join(", "))
}

fn names<'a, T: ToString + 'a>(keys: impl ExactSizeIterator<Item = &'a T>) -> String {
    let all = keys.len();
    let mut text = keys
        .take(5)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ");
    if all > 5 {
        text.push_str(&format!(" and {} more", all - 5));
    }
    text
}

fn count(number: impl Into<Count>, noun: &str) -> String {
    let Count(number) = number.into();
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// A count of things, whatever integer it came as.
struct Count(u64);

impl From<u32> for Count {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl From<usize> for Count {
    fn from(number: usize) -> Self {
        Self(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

fn tuned(service: &ServiceKey, tuning: Option<&Tuning>) -> String {
    let Some(tuning) = tuning else {
        return format!("let {service} scale as its spec says");
    };
    let (targets, floors) = (tuning.targets.len(), tuning.floors.len());
    let highest = tuning.floors.iter().map(|floor| floor.replicas).max();
    let highest = highest.map_or_else(String::new, |most| format!(", {most} instances at most"));
    format!(
        "tune the scaling of {service}: {}, {}{highest}",
        count(targets, "target"),
        count(floors, "floor"),
    )
}
