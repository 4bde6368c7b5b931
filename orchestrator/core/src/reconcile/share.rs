//! Which part of its service's load each instance may bear: an even one, or its version's part of the traffic where that
//! is weighed and more, shared by those of it that bear any; cold ones count as half.

use std::collections::BTreeMap;

use super::{
    draft::Draft,
    group::{Group, Member, held},
};
use crate::{
    autoscale::size::{self, WARM_AFTER},
    id::Generation,
    observed::{Observed, Phase},
    traffic,
};

/// How the load of one service is shared.
pub(super) struct Shares {
    /// Of an instance of each version that bears a part of its own.
    of_version: BTreeMap<Generation, f64>,
    /// Of any other.
    even: f64,
}

impl Shares {
    pub fn of<'a>(group: &Group<'a>, observed: &Observed, draft: &mut Draft<'a>) -> Self {
        let mut worth: BTreeMap<Generation, (u32, u32)> = BTreeMap::new();
        for member in bearing(group) {
            let (warm, cold) = worth.entry(version(group, member)).or_default();
            let since = member.running_since();
            if held(since, WARM_AFTER, group.now) {
                *warm += 1;
            } else {
                *cold += 1;
                draft.wake(since + WARM_AFTER);
            }
        }
        let all = worth.values();
        let (warm, cold) = all.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
        Self {
            of_version: of_versions(&worth, &weights(group, observed)),
            even: 1.0 / size::worth(warm, cold),
        }
    }

    /// The part of all load that this instance may bear. Calls between services go round the proxy, to each instance
    /// as often: so an even part at least, and while versions are weighed the parts add up to more than all.
    pub fn share(&self, group: &Group, member: &Member) -> f64 {
        let own = self.of_version.get(&version(group, member));
        own.map_or(self.even, |own| own.max(self.even))
    }
}

/// Those that bear the load: they may take traffic, and do.
pub(super) fn bearing<'a, 'g>(group: &'g Group<'a>) -> impl Iterator<Item = &'g Member<'a>> {
    let bears = |member: &&Member| member.serves() && member.seen.phase == Phase::Running;
    group.members.iter().filter(bears)
}

fn version(group: &Group, member: &Member) -> Generation {
    traffic::version(group.service, member.seen.generation)
}

/// What the proxy draws versions by. Where there is none, connections go to instances evenly.
fn weights(group: &Group, observed: &Observed) -> BTreeMap<Generation, f64> {
    if !group.service.spec.is_proxied() {
        return BTreeMap::new();
    }
    let versions = traffic::of_service(group.key, group.service, observed);
    let weight = |version: traffic::Version| (version.generation, f64::from(version.weight));
    versions.into_iter().map(weight).collect()
}

/// A version of which none is left bears nothing, whatever its weight is until the next routes: the others do.
fn of_versions(
    worth: &BTreeMap<Generation, (u32, u32)>,
    weights: &BTreeMap<Generation, f64>,
) -> BTreeMap<Generation, f64> {
    let weighed = worth.iter().filter_map(|(version, (warm, cold))| {
        let weight = weights.get(version)?;
        Some((*version, *weight, size::worth(*warm, *cold)))
    });
    let weighed: Vec<_> = weighed.collect();
    let all: f64 = weighed.iter().map(|(_, weight, _)| weight).sum();
    let shares = weighed.into_iter().filter(|_| all > 0.0);
    let share = |(version, weight, worth): (Generation, f64, f64)| (version, weight / all / worth);
    shares.map(share).collect()
}
