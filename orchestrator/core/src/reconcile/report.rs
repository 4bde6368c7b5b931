//! How a service stands: a state in one word, counts, and findings with their evidence.

use super::{
    NOT_READY_PATIENCE, RESIZE_AGAIN,
    draft::Draft,
    exit::{self, Verdict},
    group::{Fate, Group, Member},
    progress,
};
use crate::{
    observed::{Answer, Phase, ResizeTrouble},
    plan::{Finding, ServiceState, ServiceStatus},
    time::Time,
};

/// Most findings of one kind about single instances; more would only repeat themselves.
const FINDINGS_LIMIT: usize = 100;

/// Adds a service's status to the plan.
pub(super) fn write<'a>(group: &Group<'a>, draft: &mut Draft<'a>) {
    let mut findings = Vec::new();
    let mut wrong = group.no_room > 0;
    for member in group.members.iter().filter(|member| !member.surplus) {
        if let Some(finding) = about(member, group.now) {
            if let Finding::NotReady { since, .. } = &finding {
                draft.wake(*since + NOT_READY_PATIENCE);
            }
            wrong |= is_serious(&finding, group.now);
            if findings.len() < FINDINGS_LIMIT {
                findings.push(finding);
            }
        }
        if let Some(why) = member.size_trouble.filter(|_| member.current) {
            let finding = not_resized(member, why, group.now);
            wrong |= is_serious(&finding, group.now);
            if findings.len() < FINDINGS_LIMIT {
                findings.push(finding);
            }
        }
        wrong |= member.lost || is_failing(member);
    }
    if !group.waits_for.is_empty() || !group.in_turn_after.is_empty() {
        findings.push(Finding::WaitsFor {
            needs: [&group.waits_for[..], &group.in_turn_after].concat(),
        });
    }
    if let Some(deadline) = progress::deadline(group) {
        findings.push(Finding::Rollout {
            generation: group.service.generation,
            deadline,
        });
    }
    if group.no_room > 0 {
        findings.push(Finding::NoRoom {
            missing: group.no_room,
        });
    }
    let mut status = ServiceStatus {
        state: ServiceState::Idle,
        wanted: group.limits.wanted,
        running: group.count(|member| member.seen.phase == Phase::Running),
        ready: group.count(|member| member.ready),
        updated: group
            .count(|member| member.is_up_to_date() && member.seen.phase == Phase::Running),
        findings,
    };
    status.state = state(group, wrong);
    draft.report(group.key, status);
}

/// What there is to say about one instance.
fn about(member: &Member, now: Time) -> Option<Finding> {
    let instance = || member.id.clone();
    if member.lost {
        return None;
    }
    let retry_at = match member.verdict {
        Verdict::Wait(until) => until,
        Verdict::Alive => member.running_since(),
        Verdict::Again(_) | Verdict::Finished => now,
    };
    if let Some(problem) = exit::start_problem(member.seen) {
        return Some(Finding::CannotStart {
            instance: instance(),
            problem,
            retry_at,
        });
    }
    if member.crash_loops() && member.verdict != Verdict::Finished {
        let failures = member.failures;
        return Some(Finding::CrashLoop {
            instance: instance(),
            failures,
            retry_at,
        });
    }
    let since = not_ready_since(member)?;
    Some(Finding::NotReady {
        instance: instance(),
        since,
    })
}

/// Why it runs on with its earlier resources. Room is looked for in every plan.
fn not_resized(member: &Member, why: ResizeTrouble, now: Time) -> Finding {
    let tried = member.seen.resize.filter(|_| why != ResizeTrouble::NoRoom);
    Finding::NotResized {
        instance: member.id.clone(),
        why,
        retry_at: tried.map_or(now, |last| last.at + RESIZE_AGAIN),
    }
}

/// Since when a running instance has been answering no.
fn not_ready_since(member: &Member) -> Option<Time> {
    if member.seen.phase != Phase::Running || member.ready {
        return None;
    }
    let health = &member.seen.health;
    [&health.startup, &health.readiness, &health.liveness]
        .into_iter()
        .filter_map(|answer| match answer {
            Answer::No { since, .. } => Some(*since),
            _ => None,
        })
        .min()
}

fn is_serious(finding: &Finding, now: Time) -> bool {
    match finding {
        Finding::CrashLoop { .. } | Finding::CannotStart { .. } | Finding::NoRoom { .. } => true,
        // It is not what is wanted, and waiting alone makes no room.
        Finding::NotResized { why, .. } => *why == ResizeTrouble::NoRoom,
        Finding::NotReady { since, .. } => now.since(*since) >= NOT_READY_PATIENCE,
        Finding::WaitsFor { .. } | Finding::Rollout { .. } => false,
    }
}

/// It failed and is not back yet.
fn is_failing(member: &Member) -> bool {
    let failed = member.failures > 0 && !member.ready && member.verdict != Verdict::Finished;
    let gave_up = member.verdict == Verdict::Finished
        && member
            .seen
            .exits
            .last()
            .is_some_and(|exit| !exit.is_success());
    failed || gave_up || member.seen.phase == Phase::Unknown
}

fn state(group: &Group, wrong: bool) -> ServiceState {
    let wanted = group.limits.wanted;
    let others = group
        .members
        .iter()
        .any(|m| !m.lost && (m.surplus || m.outgoing()));
    if wanted == 0 {
        return if others {
            ServiceState::Progressing
        } else {
            ServiceState::Idle
        };
    }
    let done = |member: &Member| {
        member.verdict == Verdict::Finished
            && member
                .seen
                .exits
                .last()
                .is_some_and(crate::observed::Exit::is_success)
    };
    let serving = group.count(|member| member.serves() || done(member));
    if wrong {
        return if serving == 0 {
            ServiceState::Down
        } else {
            ServiceState::Degraded
        };
    }
    let current = group.count(|member| {
        let there = member.ready || done(member);
        member.incoming() && member.sized && there && member.fate == Fate::Keep
    });
    if current >= wanted && !others {
        ServiceState::Healthy
    } else {
        ServiceState::Progressing
    }
}
