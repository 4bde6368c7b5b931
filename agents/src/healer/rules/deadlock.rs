//! **A deadlock**: one instance lives, but does not answer and does not work.
//!
//! Symptoms: not ready for long although it was. Tests: it had been ready (or ran well before the
//! probe began to say no), its process did not end, it uses next to no CPU (or all that it may, far
//! more than its siblings: a livelock), and its siblings of the same generation are fine. Remedy: restart that one. Confidence: 0.85 with idle CPU measured, 0.6
//! without; out when all instances are affected, for then the cause is shared.

use ostler_agents_kit::{text::Untrusted, trend};
use ostler_core::{incident::Evidence, signal::SignalKind, time::Span};
use ostler_tools::answer::InstanceInfo;

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{Patient, coarse},
};

/// Not ready for at least this long.
const LONG: Span = Span::seconds(25);
/// It must have run this long before, so that it is no slow start.
const WAS_WELL: Span = Span::seconds(20);
/// Cores below which a process does nothing.
const IDLE: f64 = 0.01;
/// Share of its CPU limit from which it uses all that it may.
const FULL: f64 = 0.9;
/// This many times what its siblings use is far more.
const FAR_MORE: f64 = 3.0;

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let stuck = patient.not_ready();
    let Some((one, since, reason)) = stuck
        .iter()
        .max_by_key(|(_, since, _)| std::cmp::Reverse(*since))
        .copied()
    else {
        return out("no running instance is stuck");
    };
    let now = patient.situation.now;
    if now.since(since) < LONG {
        return out("it is not ready for too short a time to tell");
    }
    if one
        .seen
        .started_at
        .is_none_or(|started| since.since(started) < WAS_WELL)
    {
        return out("it was never ready since it started");
    }
    let running = patient
        .facts
        .instances()
        .filter(|other| other.seen.pid.is_some())
        .count();
    if running > 1 && stuck.len() == running {
        return out("all instances are affected, so the cause is shared");
    }
    if patient
        .recent_change()
        .is_ok_and(|change| since.since(change.at) < Span::minutes(2))
    {
        return out("it began with a change of its spec");
    }
    let cpu = cpu(patient, one);
    let spins = running > stuck.len() && cpu.is_some_and(|cores| is_spinning(patient, cores));
    if let Some(cores) = cpu.filter(|cores| *cores > IDLE && !spins) {
        return out(format!(
            "`{}` still works: it uses {cores:.2} cores",
            one.instance
        ));
    }
    let mut evidence = patient.symptoms();
    let claim = format!(
        "`{}` (attempt {}) runs, was ready before, and its probe says no for {}: {}",
        one.instance,
        one.seen.attempt,
        coarse(now.since(since)),
        Untrusted::new(reason)
    );
    evidence.push(patient.facts.detail.untrusted_claim(claim));
    evidence.extend(use_of_cpu(patient, one, cpu, spins));
    if running > 1 {
        evidence.push(patient.facts.detail.claim(format!(
            "{} other instances are ready",
            running - stuck.len()
        )));
    }
    let explanation = format!(
        "`{}` lives but neither answers nor works; nothing around it changed",
        one.instance
    );
    let confidence = if cpu.is_some() { 0.85 } else { 0.6 };
    Judged::Fits(Diagnosis {
        confidence,
        explanation,
        evidence,
        remedy: Remedy::Restart(one.instance.clone()),
    })
}

/// What it uses, in words.
fn use_of_cpu(
    patient: &Patient<'_>,
    one: &InstanceInfo,
    cores: Option<f64>,
    spins: bool,
) -> Option<Evidence> {
    let signals = patient.facts.instance_signals.get(&one.instance)?;
    let words = match spins {
        true => "all it may, many times what its siblings use: it turns in a circle",
        false => "it does nothing",
    };
    Some(signals.claim(format!("it uses {:.3} cores: {words}", cores?)))
}

/// Whether it uses all that it may, and far more than each of its siblings that answer.
fn is_spinning(patient: &Patient<'_>, cores: f64) -> bool {
    let Some(limit) = patient.facts.detail.value.spec.resources.limits.cpu else {
        return false;
    };
    let siblings = patient.facts.instances().filter(|other| other.ready);
    let most = siblings
        .filter_map(|other| self::cpu(patient, other))
        .max_by(f64::total_cmp);
    cores >= f64::from(u32::try_from(limit.0).unwrap_or(u32::MAX)) / 1_000.0 * FULL
        && most.is_some_and(|most| cores > most * FAR_MORE)
}

/// Cores it used over the last minute, where known.
fn cpu(patient: &Patient<'_>, one: &InstanceInfo) -> Option<f64> {
    let points = patient
        .facts
        .instance_points(&one.instance, SignalKind::CpuCores);
    trend::mean(trend::since(
        points,
        patient.situation.now - Span::minutes(1),
    ))
}
