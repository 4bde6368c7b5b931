//! Whether the load wants another number of instances: asked for as a change of the intent, which
//! the gate judges and the log keeps. What this plan does is not touched by it.

use super::{draft::Draft, group::Group};
use crate::{
    autoscale::{Recommendation, Sight, Standing, recommend, size::Need},
    observed::Observed,
    plan::Request,
};

/// Asks for the number that the load wants, if it is another one.
pub(super) fn follow(group: &Group, observed: &Observed, need: Option<Need>, draft: &mut Draft) {
    let service = group.service;
    let Some(scaling) = &service.spec.scaling else {
        return;
    };
    let sight = Sight {
        scaling,
        tuning: service.tuning.as_deref(),
        bounds: service.spec.replicas,
        cpu_request: service.spec.resources.requests.cpu,
        replicas: service.replicas,
        ready: group.count(|member| member.ready),
        standing: standing(group),
        load: observed.load.get(group.key),
        now: group.now,
    };
    let recommendation = Recommendation {
        cpu: need,
        ..recommend(&sight)
    };
    if let Some(at) = recommendation.again_at {
        draft.wake(at);
    }
    if recommendation.replicas != service.replicas {
        draft.request(Request::Scale {
            service: group.key.clone(),
            generation: service.generation,
            from: service.replicas,
            to: recommendation.replicas,
        });
    }
    draft.scaling(group.key, recommendation);
}

fn standing(group: &Group) -> Standing {
    if group.no_room > 0 {
        Standing::NoRoom
    } else if !group.service.settled || group.draining() {
        Standing::Moving
    } else {
        Standing::Steady
    }
}
