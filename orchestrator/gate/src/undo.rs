//! The change that takes a past one back, where nothing else was built on it since. What was decided and is not
//! on disk yet counts like what is.

use std::collections::{BTreeMap, BTreeSet};

use ostler_core::{
    change::Change,
    id::{Revision, ServiceKey},
    time::Span,
};

use crate::{
    door::Gate,
    plan::{Call, State},
    ports::{PastChange, StoreError},
};

/// How long after a change taking it back counts as taking back one's own: later, the world has
/// come to rest on it.
const OWN_UNDO: Span = Span::minutes(60);

impl Gate {
    /// The change that takes a revision back, if nothing else was built on it since.
    pub(crate) async fn inverse_of(
        &self,
        call: &Call,
        state: &State,
        revision: Revision,
    ) -> Result<(Change, bool), String> {
        let unread = |error: StoreError| error.to_string();
        let unwritten = state.unwritten.iter();
        let past = match unwritten.clone().find(|past| past.revision == revision) {
            Some(past) => Some(past.clone()),
            None => self.store.change(revision).await.map_err(unread)?,
        };
        let past = past.ok_or_else(|| format!("revision {revision} is no longer remembered"))?;
        let words = &past.summary;
        let inverse = past.inverse.clone().ok_or_else(|| {
            let why = past.change.no_way_back();
            let why = why.unwrap_or("no way back was recorded with it");
            format!("revision {revision} ({words}) cannot be taken back: {why}")
        })?;
        // Each later change has a revision of its own: there cannot be more of them.
        let since = state.intent.revision.0.saturating_sub(revision.0);
        let since = u32::try_from(since).unwrap_or(u32::MAX);
        let mut later = BTreeMap::new();
        let mut undone = BTreeSet::new();
        for service in past
            .services
            .iter()
            .map(Some)
            .chain(past.services.is_empty().then_some(None))
        {
            let of_it = |past: &&PastChange| service.is_none_or(|of| past.services.contains(of));
            let written = self.store.changes(service, since).await.map_err(unread)?;
            for change in unwritten.clone().filter(of_it).cloned().chain(written) {
                if change.revision > revision && !passes(&change.change) {
                    undone.extend(change.undoes.map(|undoes| (undoes, change.revision)));
                    later.insert(change.revision, change);
                }
            }
        }
        if let Some((_, by)) = undone.iter().find(|(undoes, _)| *undoes == revision) {
            return Err(format!(
                "revision {revision} was taken back already, by revision {by}"
            ));
        }
        let cancelled = |at: &Revision| undone.iter().any(|(undoes, by)| undoes == at || by == at);
        if let Some((at, change)) = later
            .iter()
            .find(|(at, change)| !cancelled(at) && past.services_meet(change))
        {
            return Err(format!(
                "revision {revision} ({words}) cannot be taken back alone: revision {at} ({}) changed the same since; \
                 take that back first",
                change.summary
            ));
        }
        let own = past.principal == call.caller.to_string()
            && past.undoes.is_none()
            && call.now.since(past.at) <= OWN_UNDO;
        Ok((inverse, own))
    }
}

/// Changes that an undo of an earlier one does not disturb: they set nothing that it restores.
fn passes(change: &Change) -> bool {
    matches!(
        change,
        Change::SettleService { .. } | Change::RestartInstances { .. }
    )
}

impl PastChange {
    /// Whether another change touched the same: a service of both, or, without services, the same kind.
    fn services_meet(&self, other: &Self) -> bool {
        if self.services.is_empty() {
            return other.services.is_empty() && same_target(&self.change, &other.change);
        }
        let both = |service: &ServiceKey| other.services.contains(service);
        self.services.iter().any(both) && !self.set_apart(other)
    }

    /// Whether both set one thing of a service each, and not the same: taking one back leaves the other.
    fn set_apart(&self, other: &Self) -> bool {
        let own = Aspect::of(&self.change);
        // An older program's way back may restore more than what was set.
        let back = self.inverse.as_ref().and_then(Aspect::of);
        let others = Aspect::of(&other.change);
        own.is_some() && own == back && others.is_some() && own != others
    }
}

/// One thing of a service that can be set by itself.
#[derive(PartialEq, Eq)]
enum Aspect {
    /// How many there are just now.
    Count,
    /// How that follows its load.
    Following,
    /// What each of them gets.
    Size,
}

impl Aspect {
    const fn of(change: &Change) -> Option<Self> {
        match change {
            Change::ScaleService { .. } => Some(Self::Count),
            Change::TuneScaling { .. } => Some(Self::Following),
            Change::SetLimits { .. } => Some(Self::Size),
            _ => None,
        }
    }
}

/// Whether two changes without services speak of the same secret, node or agent.
fn same_target(one: &Change, other: &Change) -> bool {
    let target = |change: &Change| match change {
        Change::PutSecret { secret, .. } | Change::DeleteSecret { secret } => {
            Some(format!("secret {secret}"))
        }
        Change::CordonNode { node }
        | Change::UncordonNode { node }
        | Change::DrainNode { node } => Some(format!("node {node}")),
        Change::PauseAgent { agent }
        | Change::ResumeAgent { agent }
        | Change::SetAutonomy { agent, .. } => Some(format!("agent {agent}")),
        Change::SetFreeze { name, .. } => Some(format!("freeze {name}")),
        Change::SetGlass { person, .. } => Some(format!("emergency of {person}")),
        Change::SetPolicies { .. } => Some("policies".to_owned()),
        _ => None,
    };
    match (target(one), target(other)) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}
