//! What happens to an instance whose process ended or never started. Core rules alone, no agent.

use super::{
    UNKNOWN_PATIENCE,
    draft::Draft,
    group::{Fate, Group, not_live},
};
use crate::{
    backoff,
    observed::{Exit, InstanceSeen, Phase, ProblemKind},
    spec::{Restart, RestartPolicy},
    step::Reason,
    time::Time,
};

/// What the rules say about an instance that does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It runs, starts or stops: nothing to judge.
    Alive,
    /// It ended and the policy does not start it again: its work is done.
    Finished,
    /// Start it again now.
    Again(Reason),
    /// Start it again then.
    Wait(Time),
}

/// Judges one instance by its restart rules.
#[must_use]
pub fn judge(seen: &InstanceSeen, restart: &Restart, now: Time) -> Verdict {
    let (failed_at, reason) = match &seen.phase {
        Phase::Failed { .. } => (seen.since, Reason::StartFailed),
        Phase::Ended => match seen.exits.last() {
            Some(exit) if exit.asked && !exit.liveness => return Verdict::Again(Reason::Asked),
            Some(exit) if !starts_again(restart.policy, exit) => return Verdict::Finished,
            Some(exit) if exit.is_success() => (exit.at, Reason::Exited),
            Some(exit) if exit.liveness => (exit.at, Reason::NotLive),
            Some(exit) => (exit.at, Reason::Exited),
            None if restart.policy == RestartPolicy::Never => return Verdict::Finished,
            None => (seen.since, Reason::Exited),
        },
        _ => return Verdict::Alive,
    };
    let due = backoff::due(
        restart,
        backoff::failures(seen, restart, now),
        failed_at,
        now,
    );
    if due <= now {
        Verdict::Again(reason)
    } else {
        Verdict::Wait(due)
    }
}

fn starts_again(policy: RestartPolicy, exit: &Exit) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnFailure => !exit.is_success(),
        RestartPolicy::Never => false,
    }
}

/// Why an instance could not be started, if that is what it stands at.
#[must_use]
pub fn start_problem(seen: &InstanceSeen) -> Option<ProblemKind> {
    match &seen.phase {
        Phase::Failed { problem } => Some(problem.kind),
        _ => None,
    }
}

/// Starts again what may be started again, and ends what does not live.
pub(super) fn restart_ended(group: &mut Group, draft: &mut Draft) {
    for member in &mut group.members {
        match member.verdict {
            _ if member.lost => {}
            Verdict::Again(reason) => member.fate = Fate::Restart(reason),
            Verdict::Wait(until) => draft.wake(until),
            Verdict::Finished => {}
            Verdict::Alive if not_live(member.seen) => member.fate = Fate::Stop(Reason::NotLive),
            Verdict::Alive => {}
        }
        if member.seen.phase == Phase::Unknown {
            draft.wake(member.seen.since + UNKNOWN_PATIENCE);
        }
    }
}
