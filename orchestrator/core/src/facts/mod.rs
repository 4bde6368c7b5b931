//! What a change would change, in numbers that a policy judges and in words that people read.
//!
//! Facts are computed by trying the change on the intent, never from its wording: two ways of
//! writing the same change have the same facts.

mod beside;
mod diff;
mod law;
mod summary;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use diff::{DiffLine, ServiceDiff};

use crate::{
    change::{self, Change, Refused},
    graph::Graph,
    id::{AgentName, Namespace, NodeName, ServiceKey},
    intent::{Intent, SecretKey, Service},
    spec::{Likeness, Volume},
    time::Time,
};

/// What a change would change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeFacts {
    /// The kind of change, such as `scale_service`; `all` for several at once.
    pub kind: String,
    /// Services it names.
    pub services: BTreeSet<ServiceKey>,
    /// Namespaces of those services and secrets.
    pub namespaces: BTreeSet<Namespace>,
    /// Services that would not exist without it.
    pub creates: BTreeSet<ServiceKey>,
    /// Services that would be gone.
    pub deletes: BTreeSet<ServiceKey>,
    /// Wanted instances of the named services before.
    pub replicas_from: u32,
    /// Wanted instances of the named services after.
    pub replicas_to: u32,
    /// After minus before.
    pub replicas_delta: i64,
    /// Share of all wanted instances that the named services hold, in percent, rounded up. The
    /// larger of before and after.
    pub fleet_share: u32,
    /// How many services feel it when the named ones fail: themselves and all that need them.
    pub blast_radius: u32,
    /// Whether a named service keeps data, before or after: a writable volume, named or of the host.
    pub stateful: bool,
    /// Whether a named service would get a directory of the host that it did not have before, or
    /// could write where it only read.
    #[serde(default)]
    pub host_paths: bool,
    /// Whether something is deleted or scaled to zero.
    pub destructive: bool,
    /// Whether running instances would be replaced or restarted; other limits alone do neither.
    pub replaces_instances: bool,
    /// For a new memory limit: the largest ratio of new to old in percent; `None` when no memory
    /// limit changes. A limit that is taken away counts as the largest number there is.
    pub memory_limit_percent: Option<u32>,
    /// Nodes it names.
    pub nodes: BTreeSet<NodeName>,
    /// Secrets it names.
    pub secrets: BTreeSet<SecretKey>,
    /// Agents it names.
    pub agents: BTreeSet<AgentName>,
    /// One line for people.
    pub summary: String,
    /// What differs in each service's spec.
    pub diff: Vec<ServiceDiff>,
    /// What differs beside services: secrets (never their values), nodes, agents, restarts.
    #[serde(default)]
    pub beside: Vec<DiffLine>,
}

/// Works out what a change would do to this intent.
///
/// # Errors
/// [`Refused`] when the change cannot be applied at all.
pub fn facts(intent: &Intent, change: &Change) -> Result<ChangeFacts, Refused> {
    // The moment only ends up in `changed_at`, which no fact reads.
    let after = change::apply(intent, change, Time(0))?.intent;
    let mut facts = ChangeFacts {
        kind: change.kind().to_owned(),
        ..ChangeFacts::default()
    };
    name_targets(change, &mut facts);
    facts
        .namespaces
        .extend(facts.services.iter().map(|key| key.namespace.clone()));
    facts
        .namespaces
        .extend(facts.secrets.iter().map(|key| key.namespace.clone()));
    for key in facts.services.clone() {
        compare(
            &key,
            intent.services.get(&key),
            after.services.get(&key),
            &mut facts,
        );
    }
    facts.replicas_delta = i64::from(facts.replicas_to) - i64::from(facts.replicas_from);
    facts.fleet_share = share(intent, facts.replicas_from).max(share(&after, facts.replicas_to));
    let felt = |intent| Graph::of(intent).blast_radius(&facts.services).len();
    facts.blast_radius = u32::try_from(felt(intent).max(felt(&after))).unwrap_or(u32::MAX);
    facts.summary = summary::of(intent, &after, change, &facts);
    facts.beside = beside::of(intent, &after, &facts);
    Ok(facts)
}

impl Change {
    /// The change's kind as one word, such as `scale_service`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ApplyServices { .. } => "apply_services",
            Self::DeleteService { .. } => "delete_service",
            Self::ScaleService { .. } => "scale_service",
            Self::TuneScaling { .. } => "tune_scaling",
            Self::SetLimits { .. } => "set_limits",
            Self::UpgradeService { .. } => "upgrade_service",
            Self::RollbackService { .. } => "rollback_service",
            Self::RestartInstances { .. } => "restart_instances",
            Self::SettleService { .. } => "settle_service",
            Self::AdvanceRollout { .. } => "advance_rollout",
            Self::PromoteRollout { .. } => "promote_rollout",
            Self::PauseRollout { .. } => "pause_rollout",
            Self::ResumeRollout { .. } => "resume_rollout",
            Self::PutSecret { .. } => "put_secret",
            Self::DeleteSecret { .. } => "delete_secret",
            Self::CordonNode { .. } => "cordon_node",
            Self::UncordonNode { .. } => "uncordon_node",
            Self::DrainNode { .. } => "drain_node",
            Self::PauseAgent { .. } => "pause_agent",
            Self::ResumeAgent { .. } => "resume_agent",
            Self::SetAutonomy {
                autonomy: Some(_), ..
            } => "promote_agent",
            Self::SetAutonomy { autonomy: None, .. } => "demote_agent",
            Self::SetFreeze {
                freeze: Some(_), ..
            } => "freeze_changes",
            Self::SetFreeze { freeze: None, .. } => "lift_freeze",
            Self::SetGlass { glass: Some(_), .. } => "break_glass",
            Self::SetGlass { glass: None, .. } => "mend_glass",
            Self::SetPolicies { .. } => "put_policies",
            Self::RestoreServices { .. } => "restore_services",
            Self::All { .. } => "all",
        }
    }
}

fn name_targets(change: &Change, facts: &mut ChangeFacts) {
    match change {
        Change::ApplyServices { services } => {
            facts
                .services
                .extend(services.iter().map(|put| put.service.clone()));
        }
        Change::RestoreServices { services } => facts.services.extend(services.keys().cloned()),
        Change::RestartInstances {
            service, instances, ..
        } => {
            facts.services.insert(service.clone());
            facts.replaces_instances |= !instances.is_empty();
        }
        Change::DeleteService { service }
        | Change::ScaleService { service, .. }
        | Change::TuneScaling { service, .. }
        | Change::SetLimits { service, .. }
        | Change::UpgradeService { service, .. }
        | Change::RollbackService { service, .. }
        | Change::SettleService { service, .. }
        | Change::PauseRollout { service, .. }
        | Change::ResumeRollout { service, .. } => {
            facts.services.insert(service.clone());
        }
        Change::AdvanceRollout { service, .. } | Change::PromoteRollout { service, .. } => {
            facts.services.insert(service.clone());
            facts.replaces_instances = true;
        }
        Change::PutSecret { secret, .. } => {
            facts.secrets.insert(secret.clone());
        }
        Change::DeleteSecret { secret } => {
            facts.secrets.insert(secret.clone());
            facts.destructive = true;
        }
        Change::CordonNode { node } | Change::UncordonNode { node } => {
            facts.nodes.insert(node.clone());
        }
        Change::DrainNode { node } => {
            facts.nodes.insert(node.clone());
            facts.replaces_instances = true;
        }
        Change::PauseAgent { agent }
        | Change::ResumeAgent { agent }
        | Change::SetAutonomy { agent, .. } => {
            facts.agents.insert(agent.clone());
        }
        // Of the fleet, not of anything in it.
        Change::SetFreeze { .. } | Change::SetGlass { .. } | Change::SetPolicies { .. } => {}
        Change::All { changes } => changes
            .iter()
            .for_each(|change| name_targets(change, facts)),
    }
}

/// Adds one service's before and after to the facts.
fn compare(
    key: &ServiceKey,
    before: Option<&Service>,
    after: Option<&Service>,
    facts: &mut ChangeFacts,
) {
    let replicas = |service: Option<&Service>| service.map_or(0, |service| service.replicas);
    let (from, to) = (replicas(before), replicas(after));
    facts.replicas_from = facts.replicas_from.saturating_add(from);
    facts.replicas_to = facts.replicas_to.saturating_add(to);
    facts.stateful |= [before, after]
        .into_iter()
        .flatten()
        .any(|service| service.spec.is_stateful());
    facts.host_paths |= after.is_some_and(|after| {
        let had = before.map_or(&[][..], |before| &before.spec.volumes);
        let new = |volume: &&Volume| !had.iter().any(|old| old.gives_host_path_of(volume));
        after
            .spec
            .volumes
            .iter()
            .any(|volume| volume.is_host() && new(&volume))
    });
    facts.destructive |= before.is_some() && (after.is_none() || (from > 0 && to == 0));
    match (before, after) {
        (Some(before), Some(after)) => {
            facts.replaces_instances |= from > 0 && replaces(before, after);
            let limit = |service: &Service| service.spec.resources.limits.memory;
            let factor = memory_factor(limit(before), limit(after));
            facts.memory_limit_percent = facts.memory_limit_percent.max(factor);
        }
        (None, Some(_)) => {
            facts.creates.insert(key.clone());
        }
        (Some(_), None) => {
            facts.deletes.insert(key.clone());
        }
        (None, None) => {}
    }
    facts.diff.extend(diff::of(key, before, after));
}

/// Whether running instances cannot become what the service is to be where they are. Those that
/// would reserve more may have to move: their node may have no room.
fn replaces(before: &Service, after: &Service) -> bool {
    let (was, becomes) = (&before.spec, &after.spec);
    match was.likeness(becomes) {
        Likeness::Same => false,
        Likeness::OtherSize => was.resources.reserves_less_than(&becomes.resources),
        Likeness::Other => true,
    }
}

fn memory_factor(
    from: Option<crate::units::Bytes>,
    to: Option<crate::units::Bytes>,
) -> Option<u32> {
    match (from, to) {
        (from, to) if from == to => None,
        (_, None) => Some(u32::MAX),
        (None, Some(_)) => Some(0),
        (Some(from), Some(to)) => {
            let percent = (u128::from(to.0) * 100).div_ceil(u128::from(from.0.max(1)));
            Some(u32::try_from(percent).unwrap_or(u32::MAX))
        }
    }
}

fn share(intent: &Intent, part: u32) -> u32 {
    let all: u64 = intent
        .services
        .values()
        .map(|service| u64::from(service.replicas))
        .sum();
    if all == 0 {
        return 0;
    }
    u32::try_from((u64::from(part) * 100).div_ceil(all)).unwrap_or(u32::MAX)
}
