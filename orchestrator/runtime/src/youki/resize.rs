//! Other resources for an instance: into its control groups, then on disk. A daemon that dies in
//! between leaves groups that are ahead of the record; it is asked again and nothing is lost.

use std::sync::{Arc, atomic::Ordering};

use ostler_core::observed::{Problem, ProblemKind};

use super::{
    Inner, blocking,
    cgroups::Unfit,
    instance::{Instance, Size},
    now,
    problem::{disk, failed, problem},
};
use crate::backend::{BackendError, Order, ResizeError, ResizeOrder};

/// Resizes what runs. Waits for whoever starts or stops it.
pub(super) async fn resize(inner: &Arc<Inner>, order: &ResizeOrder) -> Result<(), ResizeError> {
    let instance = inner.known(&order.instance)?;
    let _turn = instance.turn.lock().await;
    if instance.state().running.is_none() {
        return Err(BackendError::NotRunning(order.instance.clone()).into());
    }
    let has = instance.size();
    let newer = order.generation > has.generation;
    if !order.changes(has.generation, &has.resources) {
        return Ok(());
    }
    let size = Size {
        generation: order.generation,
        resources: order.resources,
        resized_at: if newer { Some(now()) } else { has.resized_at },
    };
    let (shared, found, wanted) = (inner.clone(), instance.clone(), order.clone());
    let done = blocking(move || {
        let id = wanted.instance.as_str();
        let set = shared.tree.resize(id, &wanted.resources);
        set.map_err(|unfit| refused(&wanted, unfit))?;
        let recorded = found.resized(size);
        recorded.map_err(|error| failed("record the new resources")(error).into())
    });
    done.await.map_err(failed("resize the instance"))?
}

fn refused(order: &ResizeOrder, unfit: Unfit) -> ResizeError {
    match unfit {
        Unfit::MemoryInUse { used, limit } => ResizeError::MemoryInUse {
            instance: order.instance.clone(),
            used,
            limit,
        },
        Unfit::Refused(error) => ResizeError::Backend(BackendError::Failed {
            operation: "resize the instance",
            detail: error.to_string(),
        }),
    }
}

/// The next attempt of an instance takes over the resources of its order's generation.
pub(super) async fn with_attempt(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    order: &Order,
) -> Result<(), Problem> {
    if instance.size().generation >= order.generation {
        return Ok(());
    }
    let size = Size {
        generation: order.generation,
        resources: order.spec.resources,
        resized_at: Some(now()),
    };
    let (shared, found) = (inner.clone(), instance.clone());
    let done = blocking(move || {
        // Groups that a boot took away are made from the record, a moment later.
        if !found.stale.load(Ordering::Relaxed) {
            let set = shared
                .tree
                .resize(found.record.instance.as_str(), &size.resources);
            set.map_err(|unfit| problem(ProblemKind::Backend, unfit.to_string()))?;
        }
        found
            .resized(size)
            .map_err(disk("record the new resources"))
    });
    done.await.map_err(disk("resize the instance"))?
}
