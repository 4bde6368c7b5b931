//! Who takes a service's traffic: ready instances that this plan leaves alone. Nothing else, and
//! only when it differs from what is in force.

use super::{
    draft::Draft,
    group::{Group, Member},
};
use crate::{
    id::{InstanceId, ServiceKey},
    intent::Intent,
    observed::Observed,
    step::Step,
};

/// Points a service's traffic at its ready instances.
pub(super) fn decide(group: &Group, observed: &Observed, draft: &mut Draft) {
    let ready = group
        .members
        .iter()
        .filter(|member| member.serves() && !member.lost);
    let mut instances: Vec<&InstanceId> = ready.map(|member: &Member| member.id).collect();
    instances.sort_unstable();
    let now = observed
        .routes
        .get(group.key)
        .map_or(&[][..], Vec::as_slice);
    if !instances.iter().copied().eq(now) {
        let instances = instances.into_iter().cloned().collect();
        draft.route(Step::Route {
            service: group.key.clone(),
            instances,
        });
    }
}

/// Ends the traffic of services that no longer exist.
pub(super) fn unknown(intent: &Intent, observed: &Observed, draft: &mut Draft) {
    let gone = |(key, to): &(&ServiceKey, &Vec<InstanceId>)| {
        !to.is_empty() && !intent.services.contains_key(*key)
    };
    for (key, _) in observed.routes.iter().filter(gone) {
        draft.route(Step::Route {
            service: key.clone(),
            instances: Vec::new(),
        });
    }
}
