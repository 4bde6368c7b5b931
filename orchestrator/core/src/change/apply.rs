//! From an intent and a change to the next intent and the change that takes it back. Pure; all or
//! none: a refusal leaves the given intent as it was.

use super::{Applied, Change, Refused, law, nodes, services, validate};
use crate::{id::Revision, intent::Intent, time::Time};

/// Deepest nesting of [`Change::All`].
const DEPTH_LIMIT: u32 = 8;

/// Applies a change. The new intent's revision is one higher, also when nothing else changed.
///
/// # Errors
/// [`Refused`] says in words what is wrong and what would be accepted; nothing is half-applied.
pub fn apply(intent: &Intent, change: &Change, now: Time) -> Result<Applied, Refused> {
    let mut draft = Draft {
        base: intent,
        next: intent.clone(),
        now,
    };
    draft.next.revision = Revision(intent.revision.0.saturating_add(1));
    let inverse = draft.step(change, 0)?;
    validate::whole(&draft.next)?;
    Ok(Applied {
        intent: draft.next,
        inverse,
    })
}

/// An intent being changed, beside the one it came from.
pub(super) struct Draft<'a> {
    /// Before any part of the change.
    pub base: &'a Intent,
    /// After the parts so far.
    pub next: Intent,
    /// When the change is made.
    pub now: Time,
}

impl Draft<'_> {
    /// Applies one change to the draft and answers with its inverse.
    fn step(&mut self, change: &Change, depth: u32) -> Result<Option<Change>, Refused> {
        match change {
            Change::ApplyServices { services } => self.put_services(services).map(Some),
            Change::DeleteService { service } => self.delete_service(service).map(Some),
            Change::ScaleService { service, replicas } => self.scale(service, *replicas).map(Some),
            Change::TuneScaling { service, tuning } => {
                self.tune_scaling(service, tuning.as_deref()).map(Some)
            }
            Change::SetLimits {
                service,
                limits,
                requests,
            } => self.set_limits(service, *limits, *requests).map(Some),
            Change::UpgradeService {
                service,
                image,
                strategy,
            } => self.upgrade(service, image, strategy.as_ref()).map(Some),
            Change::RollbackService { service, to } => self.roll_back(service, *to).map(Some),
            Change::RestartInstances {
                service,
                instances,
                at,
            } => self.restart(service, instances, *at).map(|()| None),
            Change::SettleService {
                service,
                generation,
            } => self.settle(service, *generation).map(|()| None),
            Change::AdvanceRollout {
                service,
                generation,
                from,
                to,
            } => self
                .advance(service, *generation, *from, *to)
                .map(|()| None),
            Change::PromoteRollout {
                service,
                generation,
                full,
            } => self.promote(service, *generation, *full).map(|()| None),
            Change::PauseRollout {
                service,
                generation,
            } => self.pause(service, *generation).map(Some),
            Change::ResumeRollout {
                service,
                generation,
            } => self.resume(service, *generation).map(Some),
            Change::RestoreServices { services } => self.restore(services).map(Some),
            Change::PutSecret { secret, sealed } => {
                Ok(Some(services::put_secret(&mut self.next, secret, sealed)))
            }
            Change::DeleteSecret { secret } => {
                services::delete_secret(&mut self.next, secret).map(Some)
            }
            Change::CordonNode { node } => Ok(Some(nodes::cordon(&mut self.next, node))),
            Change::UncordonNode { node } => Ok(Some(nodes::uncordon(&mut self.next, node))),
            Change::DrainNode { node } => Ok(Some(nodes::drain(&mut self.next, node))),
            Change::PauseAgent { agent } => Ok(Some(nodes::pause(&mut self.next, agent))),
            Change::ResumeAgent { agent } => Ok(Some(nodes::resume(&mut self.next, agent))),
            Change::SetAutonomy { agent, autonomy } => Ok(nodes::set_autonomy(
                &mut self.next,
                agent,
                autonomy.as_deref(),
            )),
            Change::SetFreeze { .. } | Change::SetGlass { .. } | Change::SetPolicies { .. } => {
                law::set(&mut self.next.law, change)
            }
            Change::All { changes } => self.all(changes, depth),
        }
    }

    /// Parts in order; the inverse takes them back in reverse, if every part can be taken back.
    fn all(&mut self, changes: &[Change], depth: u32) -> Result<Option<Change>, Refused> {
        if depth >= DEPTH_LIMIT {
            return Err(Refused::TooDeep { limit: DEPTH_LIMIT });
        }
        let mut inverses = Some(Vec::with_capacity(changes.len()));
        for change in changes {
            match (self.step(change, depth + 1)?, &mut inverses) {
                (Some(inverse), Some(list)) => list.push(inverse),
                _ => inverses = None,
            }
        }
        Ok(inverses.map(|mut list| {
            list.reverse();
            Change::All { changes: list }
        }))
    }
}
