//! `get_status`: the whole at a glance.

use ostler_core::{id::AgentName, law::Glass, observed::Phase};

use crate::{
    answer::{Counts, Emergency, FreezeShown, Status},
    contract::{About, Class, Decided, Describe, Refusal},
    record::ApprovalState,
    view::{AgentStatus, View},
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct GetStatus;

impl Describe for GetStatus {
    type Args = Nothing;
    type Answer = Status;
    const NAME: &'static str = "get_status";
    const TITLE: &'static str = "The whole at a glance";
    const DESCRIPTION: &'static str = "Tells how the fleet, the agents and the daemon stand: services by state, instances and \
        nodes, open incidents, approvals that wait for a person, the intent's revision, and what is \
        wrong with the daemon itself. Look here first.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let mut services = Counts::default();
        view.world
            .report
            .values()
            .for_each(|status| services.add(status.state));
        let world = &view.world.observed;
        let running = world
            .instances
            .values()
            .filter(|seen| seen.phase == Phase::Running);
        let acting = |name: &AgentName, status: &AgentStatus| {
            status.state == "running" && !view.intent.paused_agents.contains(name)
        };
        let open = view
            .records
            .incidents
            .values()
            .filter(|incident| incident.closed_at.is_none());
        let waiting = view
            .records
            .approvals
            .values()
            .filter(|approval| approval.state == ApprovalState::Waiting);
        let daemon = &view.world.daemon;
        let status = Status {
            version: daemon.version.clone(),
            now: view.now,
            started_at: daemon.started_at,
            backend: daemon.backend.clone(),
            http: daemon.http.clone(),
            revision: view.intent.revision,
            services,
            instances_running: count(running),
            instances: count(world.instances.keys()),
            nodes_ready: count(world.nodes.values().filter(|node| node.ready)),
            nodes: count(world.nodes.keys()),
            incidents_open: count(open),
            approvals_waiting: count(waiting),
            agents_running: count(
                view.world
                    .agents
                    .iter()
                    .filter(|(name, status)| acting(name, status)),
            ),
            agents: count(view.world.agents.keys()),
            emergencies: emergencies(view),
            freezes: freezes(view),
            problems: daemon.problems.clone(),
            you: view.caller.to_string(),
        };
        answer(&status, About::fleet())
    }
}

fn emergencies(view: &View<'_>) -> Vec<Emergency> {
    let law = &view.intent.law;
    let open = |person: &String| law.emergency_of(person, view.now).is_some();
    let shown = |(person, glass): (&String, &Glass)| Emergency {
        person: person.clone(),
        until: glass.until,
        reason: glass.reason.clone(),
    };
    (law.glass.iter())
        .filter(|(person, _)| open(person))
        .map(shown)
        .collect()
}

fn freezes(view: &View<'_>) -> Vec<FreezeShown> {
    let all = view.intent.law.freezes.iter();
    let ahead = all.filter(|(_, freeze)| view.now < freeze.until);
    ahead
        .map(|(name, freeze)| FreezeShown {
            name: name.clone(),
            freeze: freeze.clone(),
        })
        .collect()
}

fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).unwrap_or(u32::MAX)
}
