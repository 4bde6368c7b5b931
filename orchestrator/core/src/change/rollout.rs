//! Changes of a rollout under way. Going back is `RollbackService`, nothing of its own.

use super::{Change, Refused, apply::Draft};
use crate::{
    id::{Generation, ServiceKey},
    intent::Service,
    rollout::{Mark, Rollout},
};

impl Draft<'_> {
    /// The core's own move; late or repeated it does nothing, nor while somebody holds the rollout.
    pub(super) fn advance(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
        from: Mark,
        to: Mark,
    ) -> Result<(), Refused> {
        let now = self.now;
        let service = self.get(key)?;
        let due = service.generation == generation
            && !service.settled
            && service.mark() == from
            && service.paused().is_none();
        if due {
            service.move_to(to, now);
        }
        Ok(())
    }

    /// Somebody's move: to the next stage, or to the one that replaces all.
    pub(super) fn promote(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
        full: bool,
    ) -> Result<(), Refused> {
        let now = self.now;
        let service = self.rolling_out(key, generation)?;
        let Some(next) = service.stage_after(full) else {
            return Err(Refused::NothingToPromote {
                service: key.clone(),
                strategy: service.spec.update.strategy.name(),
            });
        };
        service.move_to(next.into(), now);
        Ok(())
    }

    pub(super) fn pause(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
    ) -> Result<Change, Refused> {
        let now = self.now;
        let service = self.rolling_out(key, generation)?;
        let inverse = as_it_is(key, service);
        let changed_at = service.changed_at;
        let rollout = service
            .rollout
            .get_or_insert_with(|| Rollout::rolling(changed_at));
        rollout.paused.get_or_insert(now);
        Ok(inverse)
    }

    pub(super) fn resume(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
    ) -> Result<Change, Refused> {
        let now = self.now;
        let service = self.rolling_out(key, generation)?;
        let inverse = as_it_is(key, service);
        if let Some(rollout) = &mut service.rollout
            && rollout.paused.take().is_some()
        {
            rollout.since = now;
        }
        Ok(inverse)
    }

    fn rolling_out(
        &mut self,
        key: &ServiceKey,
        generation: Generation,
    ) -> Result<&mut Service, Refused> {
        let service = self.get(key)?;
        if !service.rolls_out() {
            return Err(Refused::NoRollout {
                service: key.clone(),
            });
        }
        if service.generation != generation {
            return Err(Refused::AnotherRollout {
                service: key.clone(),
                generation,
                current: service.generation,
            });
        }
        Ok(service)
    }
}

/// The change that holds or lets go a rollout as it is held now.
fn as_it_is(key: &ServiceKey, service: &Service) -> Change {
    let (key, generation) = (key.clone(), service.generation);
    if service.paused().is_some() {
        Change::PauseRollout {
            service: key,
            generation,
        }
    } else {
        Change::ResumeRollout {
            service: key,
            generation,
        }
    }
}
