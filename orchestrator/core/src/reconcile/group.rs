//! One service's instances at one moment, each with what the rules need to know about it.

use std::collections::{BTreeSet, HashMap};

use super::{
    Limits, PROVEN_AFTER,
    exit::{self, Verdict},
    is_lost, limits, resize,
    stance::Stance,
};
use crate::{
    backoff,
    id::{Generation, InstanceId, NodeName, ServiceKey},
    intent::{Intent, Service},
    observed::{Answer, InstanceSeen, Observed, Phase, ResizeTrouble},
    plan::Judged,
    spec::{Likeness, ServiceSpec},
    step::Reason,
    time::{Span, Time},
};

/// A service's instances as they were seen.
pub(super) type Members<'a> = Vec<(&'a InstanceId, &'a InstanceSeen)>;

/// Every instance under its service, and those that belong to none.
pub(super) struct Fleet<'a> {
    pub services: HashMap<&'a ServiceKey, Members<'a>>,
    pub orphans: Members<'a>,
}

/// Sorts instances by service. Ids begin with the service's name, so neighbours mostly belong
/// together and each stretch costs one lookup.
pub(super) fn by_service<'a>(intent: &'a Intent, observed: &'a Observed) -> Fleet<'a> {
    let mut fleet = Fleet {
        services: HashMap::new(),
        orphans: Vec::new(),
    };
    let mut stretch: Members<'a> = Vec::new();
    for (id, seen) in &observed.instances {
        if stretch
            .last()
            .is_some_and(|(_, last)| last.service != seen.service)
        {
            fleet.add(intent, std::mem::take(&mut stretch));
        }
        stretch.push((id, seen));
    }
    fleet.add(intent, stretch);
    fleet
}

impl<'a> Fleet<'a> {
    fn add(&mut self, intent: &'a Intent, stretch: Members<'a>) {
        let Some((_, first)) = stretch.first() else {
            return;
        };
        match intent.services.get_key_value(&first.service) {
            Some((key, _)) => self.services.entry(key).or_default().extend(stretch),
            None => self.orphans.extend(stretch),
        }
    }
}

/// What this plan does with an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Stop(Reason),
    Remove(Reason),
    Restart(Reason),
}

/// One instance and what the rules need to know about it.
pub(super) struct Member<'a> {
    pub id: &'a InstanceId,
    pub seen: &'a InstanceSeen,
    /// Its own generation's spec where remembered, else the current one.
    pub spec: &'a ServiceSpec,
    /// Made as the current generation would be made, or can become so where it is.
    pub current: bool,
    /// Has the current generation's resources, or needs none any more.
    pub sized: bool,
    /// What keeps it from getting them for now.
    pub size_trouble: Option<ResizeTrouble>,
    /// Gets them by this plan.
    pub resize: bool,
    /// On a node that is being emptied, and it is this service's turn.
    pub leaving: bool,
    /// Its node has been silent for too long.
    pub lost: bool,
    /// May take traffic.
    pub ready: bool,
    /// Ready long enough to rely on, or done with its work.
    pub good: bool,
    /// What the restart rules say.
    pub verdict: Verdict,
    /// Failures in a row.
    pub failures: u32,
    /// Above the wanted count.
    pub surplus: bool,
    /// Of the last good generation, which the rollout's stage may want to stay.
    pub stays: bool,
    /// Of a generation that was taken over from before it was settled.
    pub unproven: bool,
    /// Whether the rollout's stage lets it have traffic.
    pub may_serve: bool,
    pub fate: Fate,
}

impl Member<'_> {
    /// Made as the current generation would be made, its resources included.
    pub fn is_up_to_date(&self) -> bool {
        self.current && self.sized
    }

    /// Is to get the current generation's resources, by a resize or with its next start.
    pub fn takes_size(&self) -> bool {
        self.incoming() && !self.sized
    }

    /// Belongs to what should be there in the end.
    pub fn incoming(&self) -> bool {
        self.current && !self.leaving && !self.lost
    }

    /// To be replaced by one that is incoming.
    pub fn outgoing(&self) -> bool {
        !self.lost && (!self.current || self.leaving)
    }

    /// Holds a place: it exists and this plan does not take it away.
    pub fn holds_place(&self) -> bool {
        !self.lost && !matches!(self.fate, Fate::Remove(_))
    }

    /// Ended or never started.
    pub fn is_down(&self) -> bool {
        matches!(self.seen.phase, Phase::Ended | Phase::Failed { .. })
    }

    /// Can be asked to end.
    pub fn can_stop(&self) -> bool {
        matches!(self.seen.phase, Phase::Starting | Phase::Running)
    }

    /// Fails again and again.
    pub fn crash_loops(&self) -> bool {
        self.failures >= self.spec.restart.crash_loop_after
    }

    /// Takes traffic after this plan.
    pub fn serves(&self) -> bool {
        self.ready && self.may_serve && self.fate == Fate::Keep
    }

    /// Ends it or takes it away, whichever applies; nothing if it is ending or unreachable.
    pub fn part_with(&mut self, reason: Reason) {
        if self.is_down() {
            self.fate = Fate::Remove(reason);
        } else if self.can_stop() {
            self.fate = Fate::Stop(reason);
        } else {
            self.fate = Fate::Keep;
        }
    }

    /// When the current attempt began to run, as far as known.
    pub fn running_since(&self) -> Time {
        self.seen.started_at.unwrap_or(self.seen.since)
    }
}

/// One service's instances and bounds.
pub(super) struct Group<'a> {
    pub key: &'a ServiceKey,
    pub service: &'a Service,
    pub members: Vec<Member<'a>>,
    pub limits: Limits,
    pub now: Time,
    /// Needs that are not met: nothing is placed until they are.
    pub waits_for: Vec<ServiceKey>,
    /// Needs that were changed together with it and roll out first.
    pub in_turn_after: Vec<ServiceKey>,
    /// What its rollout's stage wants.
    pub stance: Stance,
    /// How its new version does, while that has a part in the traffic.
    pub judged: Option<Judged>,
    /// Placed by this plan.
    pub placed: u32,
    /// Would be placed if a node had room.
    pub no_room: u32,
}

impl<'a> Group<'a> {
    pub fn new(
        key: &'a ServiceKey,
        service: &'a Service,
        members: Members<'a>,
        leaving: Option<&BTreeSet<NodeName>>,
        now: Time,
    ) -> Self {
        let likeness: HashMap<Generation, Likeness> = service
            .history
            .iter()
            .chain(&service.stable)
            .map(|past| (past.generation, past.spec.likeness(&service.spec)))
            .chain([(service.generation, Likeness::Same)])
            .collect();
        let view = |(id, seen): (&'a InstanceId, &'a InstanceSeen)| {
            let mut member = look(service, id, seen, now);
            let likeness = likeness.get(&seen.generation).copied();
            resize::classify(&mut member, likeness, service.generation);
            member.leaving = leaving.is_some_and(|nodes| nodes.contains(&seen.node));
            member
        };
        Self {
            key,
            service,
            members: members.into_iter().map(view).collect(),
            limits: limits(service),
            now,
            waits_for: Vec::new(),
            in_turn_after: Vec::new(),
            stance: Stance {
                parts: service.parts(),
                replaces: true,
            },
            judged: None,
            placed: 0,
            no_room: 0,
        }
    }

    /// How many members are so, as the type that counts are compared in.
    pub fn count(&self, is: impl Fn(&Member) -> bool) -> u32 {
        u32::try_from(self.members.iter().filter(|member| is(member)).count()).unwrap_or(u32::MAX)
    }

    /// Whether something is being moved off a node.
    pub fn draining(&self) -> bool {
        self.members.iter().any(|member| member.leaving)
    }
}

fn look<'a>(
    service: &'a Service,
    id: &'a InstanceId,
    seen: &'a InstanceSeen,
    now: Time,
) -> Member<'a> {
    let spec = service.spec_of(seen.generation).unwrap_or(&service.spec);
    let ready = seen.is_ready(&spec.probes);
    let verdict = exit::judge(seen, &spec.restart, now);
    let held = held(seen.started_at.unwrap_or(seen.since), PROVEN_AFTER, now);
    Member {
        id,
        seen,
        spec,
        current: false,
        sized: false,
        size_trouble: None,
        resize: false,
        leaving: false,
        lost: is_lost(seen, now),
        ready,
        good: (ready && held) || verdict == Verdict::Finished,
        verdict,
        failures: backoff::failures(seen, &spec.restart, now),
        surplus: false,
        stays: false,
        unproven: false,
        may_serve: true,
        fate: Fate::Keep,
    }
}

/// Whether something that began then has lasted so long. A beginning that lies ahead means that
/// the clock jumped back; then it counts as long ago.
pub(super) fn held(since: Time, span: Span, now: Time) -> bool {
    since > now || now.since(since) >= span
}

/// Whether the liveness probe fails, and about the attempt that runs now.
pub(super) fn not_live(seen: &InstanceSeen) -> bool {
    let Answer::No { since, .. } = &seen.health.liveness else {
        return false;
    };
    seen.phase == Phase::Running && seen.started_at.is_none_or(|started| *since >= started)
}
