//! `list_events`: what happened.

use ostler_core::{
    event::{Event, Happening},
    id::{InstanceId, ServiceKey},
    time::Span,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Events,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, answer},
};

/// See the module.
pub struct ListEvents;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only events about this service.
    pub service: Option<ServiceKey>,
    /// Only events about this instance.
    pub instance: Option<InstanceId>,
    /// Only events with a number above this.
    pub after: Option<u64>,
    /// Only events of the last so long, such as `10m`.
    pub since: Option<Span>,
    /// Only these kinds; all when absent.
    pub kinds: Option<Vec<EventKind>>,
    /// At most so many, 1 to 500; 100 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListEvents {
    type Args = Args;
    type Answer = Events;
    const NAME: &'static str = "list_events";
    const TITLE: &'static str = "What happened";
    const DESCRIPTION: &'static str = "Lists what happened to services and instances: placed, started, exited (with exit code or \
        signal), start failed, restarting, probes that changed their answer, state changes, changes \
        of the intent with who asked, agents. Oldest first; the newest `limit` of those that match. \
        Events are numbered: give `after` the `last_seq` of an earlier answer to read only what is \
        new. Kept in memory only, since the daemon started.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 100, 500)?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let all = &view.world.events;
        let mut matching = all.iter().rev().filter(|event| wanted(view, &args, event));
        let mut events: Vec<Event> = matching.by_ref().take(limit).cloned().collect();
        events.reverse();
        let first_seq = all.front().map_or(0, |event| event.seq);
        let forgotten = args
            .after
            .is_some_and(|after| after.saturating_add(1) < first_seq);
        let found = Events {
            untrusted: build::untrusted_events(&events),
            last_seq: all.back().map_or(0, |event| event.seq),
            truncated: matching.next().is_some() || forgotten,
            events,
        };
        let about = args
            .service
            .as_ref()
            .map_or_else(About::fleet, About::service);
        answer(&found, about)
    }
}

/// Kinds of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A new instance was placed.
    Placed,
    /// An instance's process began to run.
    Started,
    /// An instance's process ended.
    Exited,
    /// An instance could not be started.
    StartFailed,
    /// An instance is started again.
    Restarting,
    /// An instance got other resources while it runs.
    Resized,
    /// An instance could not get other resources, and keeps those that it has.
    NotResized,
    /// An instance was asked to end.
    Stopping,
    /// An instance was taken away.
    Removed,
    /// What an earlier daemon left of an instance could not be taken over as it was.
    NotAdopted,
    /// A probe changed its answer.
    Probed,
    /// A service's state changed.
    StateChanged,
    /// The intent changed.
    Changed,
    /// The rules asked for a version to be left for the last good one.
    SentBack,
    /// A version that had all the traffic is kept, and its traffic could not say whether it does harm.
    Unjudged,
    /// A plan broke an invariant and was not executed.
    PlanRefused,
    /// The daemon read its configuration anew, or refused to.
    Configured,
    /// An agent's process started, stopped, was paused or failed.
    Agent,
}

const fn kind_of(what: &Happening) -> EventKind {
    match what {
        Happening::Placed { .. } => EventKind::Placed,
        Happening::Started { .. } => EventKind::Started,
        Happening::Exited { .. } => EventKind::Exited,
        Happening::StartFailed { .. } => EventKind::StartFailed,
        Happening::Restarting { .. } => EventKind::Restarting,
        Happening::Resized { .. } => EventKind::Resized,
        Happening::NotResized { .. } => EventKind::NotResized,
        Happening::Stopping { .. } => EventKind::Stopping,
        Happening::Removed => EventKind::Removed,
        Happening::NotAdopted { .. } => EventKind::NotAdopted,
        Happening::Probed { .. } => EventKind::Probed,
        Happening::StateChanged { .. } => EventKind::StateChanged,
        Happening::Changed { .. } => EventKind::Changed,
        Happening::SentBack { .. } => EventKind::SentBack,
        Happening::Unjudged { .. } => EventKind::Unjudged,
        Happening::PlanRefused { .. } => EventKind::PlanRefused,
        Happening::Configured { .. } => EventKind::Configured,
        Happening::Agent { .. } => EventKind::Agent,
    }
}

fn wanted(view: &View<'_>, args: &Args, event: &Event) -> bool {
    args.service
        .as_ref()
        .is_none_or(|key| event.service.as_ref() == Some(key))
        && args
            .instance
            .as_ref()
            .is_none_or(|id| event.instance.as_ref() == Some(id))
        && args.after.is_none_or(|after| event.seq > after)
        && args
            .since
            .is_none_or(|since| view.now.since(event.at) <= since)
        && args
            .kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&kind_of(&event.what)))
}
