//! From facts of a change to facts of a policy's context, and from tools to Cedar actions.

use std::collections::BTreeSet;

use ostler_core::{
    autonomy::{Autonomy, Record, Standing},
    change::Change,
    facts::ChangeFacts,
    id::ServiceKey,
    time::Time,
};
use ostler_policies::{Action, AgentFacts, Facts, Who};
use ostler_tools::{
    contract::Tool,
    principal::{Principal, Role},
};

/// The actions that policies are loaded against: every tool.
#[must_use]
pub fn actions(catalogue: &[Tool]) -> Vec<Action> {
    catalogue
        .iter()
        .map(|tool| Action::new(tool.name, tool.class.group()))
        .collect()
}

/// A caller as policies know them. The anonymous are nobody with no role; the gate never asks for them.
pub(crate) fn who(principal: &Principal) -> Who {
    let names = |roles: &[Role]| roles.iter().map(|role| role.as_str().to_owned()).collect();
    match principal {
        Principal::User { name, roles } => Who::User {
            name: name.clone(),
            roles: names(roles),
        },
        Principal::Assistant { of, roles } => Who::Assistant {
            of: of.clone(),
            roles: names(roles),
        },
        Principal::Anonymous => Who::User {
            name: principal.to_string(),
            roles: Vec::new(),
        },
        Principal::Agent { name } => Who::Agent(name.clone()),
        Principal::System => Who::System,
    }
}

/// A role by its name in policies; unknown names ask for the strictest.
pub(crate) fn role(name: &str) -> Role {
    match name {
        "operator" => Role::Operator,
        "viewer" => Role::Viewer,
        _ => Role::Admin,
    }
}

pub(crate) fn for_policy(change: &Change, facts: &ChangeFacts, undoes_own: bool) -> Facts {
    let mut kinds = BTreeSet::new();
    kinds_of(change, &mut kinds);
    Facts {
        kinds,
        services: i64::try_from(facts.services.len()).unwrap_or(i64::MAX),
        replicas_from: facts.replicas_from.into(),
        replicas_to: facts.replicas_to.into(),
        replicas_delta: facts.replicas_delta,
        fleet_share: facts.fleet_share.into(),
        blast_radius: facts.blast_radius.into(),
        stateful: facts.stateful,
        host_paths: facts.host_paths,
        destructive: facts.destructive,
        replaces_instances: facts.replaces_instances,
        memory_percent: facts.memory_limit_percent.map_or(100, i64::from),
        undoes_own,
        ..Facts::default()
    }
}

/// An agent's standing, certificate and record as policies know them: what does not stand says nothing.
pub(crate) fn agent_facts(
    autonomy: Option<&Autonomy>,
    standing: &Standing,
    record: &Record,
    services: &[ServiceKey],
    now: Time,
) -> AgentFacts {
    let mut facts = AgentFacts {
        verified: record.verified.into(),
        undone: record.undone.into(),
        overruled: record.overruled.into(),
        ..AgentFacts::default()
    };
    let Some(autonomy) = autonomy.filter(|_| *standing == Standing::Alone) else {
        return facts;
    };
    let long = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let scores = &autonomy.certificate.scores;
    facts.autonomous = autonomy.covers(services);
    facts.cases = long(scores.cases);
    facts.passed = long(scores.passed);
    facts.mended = long(scores.mended);
    facts.false_alarms = long(scores.false_alarms);
    facts.minor = long(scores.minor);
    facts.major = long(scores.major);
    facts.catastrophic = long(scores.catastrophic);
    facts.unauthorised = long(scores.unauthorised);
    facts.age_days = long(now.since(autonomy.certificate.issued_at).0 / 86_400_000);
    facts
}

fn kinds_of(change: &Change, kinds: &mut BTreeSet<String>) {
    match change {
        Change::All { changes } => changes.iter().for_each(|part| kinds_of(part, kinds)),
        one => {
            kinds.insert(one.kind().to_owned());
        }
    }
}
