//! Callers, resources and facts in Cedar's terms.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{
    Context, Entity, EntityId, EntityTypeName, EntityUid, Policy, PolicySet, PrincipalConstraint,
    RestrictedExpression,
};

use crate::request::{AgentFacts, Facts, Request, Who};

/// Cedar's entity types, parsed once.
#[derive(Debug)]
pub(crate) struct Types {
    pub(crate) action: EntityTypeName,
    role: EntityTypeName,
    user: EntityTypeName,
    assistant: EntityTypeName,
    agent: EntityTypeName,
    system: EntityTypeName,
    fleet: EntityTypeName,
    namespace: EntityTypeName,
    service: EntityTypeName,
    /// Agents that some policy names.
    named: HashSet<EntityUid>,
}

/// The role of agents that no policy names.
const GUEST: &str = "guest";

impl Types {
    pub(crate) fn new(policies: &PolicySet) -> Result<Self, Box<cedar_policy::ParseErrors>> {
        Ok(Self {
            action: "Action".parse().map_err(Box::new)?,
            role: "Role".parse().map_err(Box::new)?,
            user: "User".parse().map_err(Box::new)?,
            assistant: "Assistant".parse().map_err(Box::new)?,
            agent: "Agent".parse().map_err(Box::new)?,
            system: "System".parse().map_err(Box::new)?,
            fleet: "Fleet".parse().map_err(Box::new)?,
            namespace: "Namespace".parse().map_err(Box::new)?,
            service: "Service".parse().map_err(Box::new)?,
            named: policies.policies().filter_map(named).collect(),
        })
    }

    pub(crate) fn named_agents(&self) -> BTreeSet<String> {
        let agents = self
            .named
            .iter()
            .filter(|uid| uid.type_name() == &self.agent);
        agents
            .map(|uid| AsRef::<str>::as_ref(uid.id()).to_owned())
            .collect()
    }

    pub(crate) fn roles(&self, who: &Who) -> Vec<EntityUid> {
        match who {
            Who::User { roles, .. } => roles.iter().map(|role| uid(&self.role, role)).collect(),
            // Roles of their own: nothing that is permitted to people is permitted to their assistants by that.
            Who::Assistant { roles, .. } => roles
                .iter()
                .map(|role| uid(&self.role, &format!("assistant {role}")))
                .collect(),
            Who::Agent(name) if !self.named.contains(&uid(&self.agent, name.as_str())) => {
                vec![uid(&self.role, GUEST)]
            }
            Who::Agent(_) | Who::System => Vec::new(),
        }
    }

    pub(crate) fn who(&self, who: &Who) -> (EntityUid, Vec<Entity>) {
        let principal = match who {
            Who::User { name, .. } => uid(&self.user, name),
            Who::Assistant { of, .. } => uid(&self.assistant, of),
            Who::Agent(name) => uid(&self.agent, name.as_str()),
            Who::System => uid(&self.system, "core"),
        };
        let roles: HashSet<EntityUid> = self.roles(who).into_iter().collect();
        (
            principal.clone(),
            vec![Entity::new_no_attrs(principal, roles)],
        )
    }

    pub(crate) fn resources(&self, request: &Request) -> Vec<EntityUid> {
        let services: BTreeSet<_> = request.services.iter().collect();
        if !services.is_empty() {
            return services
                .into_iter()
                .map(|service| uid(&self.service, &service.to_string()))
                .collect();
        }
        match &request.namespace {
            Some(namespace) => vec![uid(&self.namespace, namespace.as_str())],
            None => vec![uid(&self.fleet, "fleet")],
        }
    }

    pub(crate) fn parents_of(&self, resource: &EntityUid) -> Option<Entity> {
        if resource.type_name() != &self.service {
            return None;
        }
        let id: &str = resource.id().as_ref();
        let namespace = id
            .split_once('/')
            .map(|(namespace, _)| uid(&self.namespace, namespace));
        Some(Entity::new_no_attrs(
            resource.clone(),
            namespace.into_iter().collect(),
        ))
    }
}

/// The one caller that a policy is about.
fn named(policy: &Policy) -> Option<EntityUid> {
    match policy.principal_constraint() {
        PrincipalConstraint::Eq(caller) => Some(caller),
        _ => None,
    }
}

pub(crate) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

pub(crate) fn context(
    facts: &Facts,
    approvals: &BTreeSet<String>,
    now: ostler_core::time::Time,
) -> Result<Context, String> {
    let long = RestrictedExpression::new_long;
    let truth = RestrictedExpression::new_bool;
    let words = |set: &BTreeSet<String>| {
        RestrictedExpression::new_set(
            set.iter()
                .map(|word| RestrictedExpression::new_string(word.clone())),
        )
    };
    let agent = agent(&facts.agent)?;
    let hours = i64::try_from(now.0 / 3_600_000).unwrap_or(0);
    let pairs = [
        ("kinds", words(&facts.kinds)),
        ("services", long(facts.services)),
        ("replicas_from", long(facts.replicas_from)),
        ("replicas_to", long(facts.replicas_to)),
        ("replicas_delta", long(facts.replicas_delta)),
        ("fleet_share", long(facts.fleet_share)),
        ("blast_radius", long(facts.blast_radius)),
        ("stateful", truth(facts.stateful)),
        ("host_paths", truth(facts.host_paths)),
        ("destructive", truth(facts.destructive)),
        ("replaces_instances", truth(facts.replaces_instances)),
        ("memory_percent", long(facts.memory_percent)),
        ("undoes_own", truth(facts.undoes_own)),
        ("frozen", truth(facts.frozen)),
        ("changes_last_hour", long(facts.changes_last_hour)),
        ("second_admin", truth(facts.second_admin)),
        ("emergency", truth(facts.emergency)),
        ("agent", agent),
        ("approvals", words(approvals)),
        ("hour_utc", long(hours % 24)),
        // 1970-01-01 was a Thursday; Monday is 1.
        ("weekday", long((hours / 24 + 3) % 7 + 1)),
    ];
    Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value)))
        .map_err(|error| error.to_string())
}

/// What policies are told where nothing changes, nobody said yes and nothing is known of an agent.
///
/// # Errors
/// Never, unless two facts have one name.
pub fn plain_context() -> Result<Context, String> {
    context(
        &Facts::default(),
        &BTreeSet::new(),
        ostler_core::time::Time(0),
    )
}

/// An agent's standing, certificate and record.
fn agent(facts: &AgentFacts) -> Result<RestrictedExpression, String> {
    let long = RestrictedExpression::new_long;
    let record = |pairs: Vec<(&str, RestrictedExpression)>| {
        let pairs = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        RestrictedExpression::new_record(pairs).map_err(|error| error.to_string())
    };
    let certificate = record(vec![
        ("cases", long(facts.cases)),
        ("passed", long(facts.passed)),
        ("mended", long(facts.mended)),
        ("false_alarms", long(facts.false_alarms)),
        ("minor", long(facts.minor)),
        ("major", long(facts.major)),
        ("catastrophic", long(facts.catastrophic)),
        ("unauthorised", long(facts.unauthorised)),
        ("age_days", long(facts.age_days)),
    ])?;
    let since = record(vec![
        ("verified", long(facts.verified)),
        ("undone", long(facts.undone)),
        ("overruled", long(facts.overruled)),
    ])?;
    let truth = RestrictedExpression::new_bool;
    record(vec![
        ("paused", truth(facts.paused)),
        ("autonomous", truth(facts.autonomous)),
        ("certificate", certificate),
        ("record", since),
    ])
}
