//! **A bad change**: a change of image, command, config or limits made it worse.
//!
//! Symptoms: crash loop, start failures, instances that never get ready, broken promises.
//! Tests: the current generation is younger than the trouble by at most half an hour, what it
//! changed can explain this sort of trouble, only instances of the new generation suffer, and the
//! generation before was good. Out when the trouble is older, or the last change was a repair, when
//! the backend says that something else is missing, or when others that have nothing to do with it
//! fell ill at the same moment.
//! Remedy: go back to the last good generation.
//! Confidence: 0.6, more when the earlier generation is known good, the trouble came at once, came
//! again and again, or old instances beside it still serve.

use std::collections::BTreeSet;

use ostler_agents_kit::template::speaks_of_failure;
use ostler_core::{
    incident::Evidence,
    observed::ProblemKind,
    signal::SignalKind,
    time::{Span, Time},
    units::Bytes,
};

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{AT_ONCE, Patient, RecentChange, Trouble},
};

/// Where a limit stands in a list of changed fields.
const MEMORY_LIMIT: &str = "spec.resources.limits.memory";
/// Services that fell ill within this of each other fell ill together.
const SAME_MOMENT: Span = Span::seconds(15);

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let Some(trouble) = patient.trouble() else {
        return out("nothing that a change could explain goes wrong");
    };
    let change = match patient.recent_change() {
        Ok(change) => change,
        Err(why) => return out(why),
    };
    let start = patient.start_problems().next().map(|(_, problem)| problem);
    let explains = start.map_or_else(|| explains(trouble), explains_start);
    if !change.touches(explains) {
        return out(format!(
            "the last change touched only {}, which does not explain this",
            change.fields()
        ));
    }
    if let Some(others) = fell_ill_together(patient) {
        return out(format!(
            "{others} fell ill at the same moment, which a change of this one does not explain"
        ));
    }
    if failed_before(patient, &change) {
        return out("it failed in the same way before the change");
    }
    if trouble == Trouble::Service && !got_worse(patient, &change) {
        return out("it was no better before the change");
    }
    let (confidence, evidence) = weigh(patient, &change);
    let generation = patient.facts.generation();
    let explanation = format!(
        "`{}` went wrong after generation {generation} changed {}; generation {} before it was {}",
        patient.facts.key(),
        change.fields(),
        change.back.generation,
        if change.back.last_good {
            "good"
        } else {
            "not known to be bad"
        },
    );
    let remedy = match too_far_back(patient, &change) {
        Some(limit) => Remedy::RaiseMemory(limit),
        None => Remedy::RollBack(change.back.generation),
    };
    Judged::Fits(Diagnosis {
        confidence: confidence.min(0.95),
        explanation,
        evidence,
        remedy,
    })
}

/// How sure, and what shows it.
fn weigh(patient: &Patient<'_>, change: &RecentChange<'_>) -> (f64, Vec<Evidence>) {
    let mut evidence = patient.symptoms();
    evidence.extend(patient.change_evidence(change));
    let mut confidence: f64 = 0.6;
    if change.back.last_good {
        confidence += 0.15;
        let claim = format!(
            "generation {} before it had finished its rollout",
            change.back.generation
        );
        evidence.push(patient.facts.detail.claim(claim));
    }
    if patient.onset().since(change.at) <= AT_ONCE {
        confidence += 0.1;
    }
    let failures = patient.failures();
    if failures.len() >= 2 && patient.earlier_failures() == 0 {
        confidence += 0.05;
        let last = failures.last().map_or_else(String::new, |(_, exit)| {
            format!(", the last by {}", exit.in_words())
        });
        let claim = format!(
            "only instances of the new generation fail: {} ends{last}",
            failures.len()
        );
        evidence.push(patient.facts.detail.claim(claim));
    }
    let generation = patient.facts.generation();
    if let Some(old) = patient
        .facts
        .instances()
        .find(|one| one.ready && one.seen.generation < generation)
    {
        confidence += 0.05;
        let claim = format!(
            "`{}` of generation {} still serves beside it",
            old.instance, old.seen.generation
        );
        evidence.push(patient.facts.detail.claim(claim));
    }
    evidence.extend(log_evidence(patient));
    (confidence, evidence)
}

/// Where the way back would more than double the memory limit, which is not an agent's to give: twice
/// what it is now. (Nothing else may have changed, or the way back is the only way.)
fn too_far_back(patient: &Patient<'_>, change: &RecentChange<'_>) -> Option<Bytes> {
    let now = patient.facts.detail.value.spec.resources.limits.memory?;
    if !change.touches_only(&["resources"]) {
        return None;
    }
    let lines = change.back.rollback.iter();
    let was = lines
        .filter(|line| line.path == MEMORY_LIMIT)
        .find_map(|line| line.to.as_deref()?.trim_matches('"').parse::<Bytes>().ok())?;
    let twice = Bytes(now.0.saturating_mul(2));
    (was > twice).then_some(twice)
}

/// Fields of a spec that can explain a sort of trouble.
const fn explains(trouble: Trouble) -> &'static [&'static str] {
    match trouble {
        Trouble::Memory => &["image", "command", "args", "resources.limits.memory"],
        Trouble::Exits | Trouble::Start => &[
            "image",
            "command",
            "args",
            "env",
            "workingDir",
            "user",
            "resources",
            "volumes",
            "configs",
            "secrets",
            "ports",
        ],
        Trouble::Probes => &[
            "image",
            "command",
            "args",
            "env",
            "workingDir",
            "user",
            "resources",
            "volumes",
            "configs",
            "secrets",
            "ports",
            "probes",
        ],
        Trouble::NoRoom => &["resources.requests"],
        Trouble::Service => &[
            "image",
            "command",
            "args",
            "env",
            "resources",
            "volumes",
            "configs",
            "secrets",
        ],
    }
}

/// Fields that can explain why a start failed, where the backend says what failed.
const fn explains_start(problem: ProblemKind) -> &'static [&'static str] {
    match problem {
        ProblemKind::ImageNotFound | ProblemKind::ImageCorrupt | ProblemKind::ImageRefused => {
            &["image"]
        }
        ProblemKind::RegistryUnavailable => &[],
        ProblemKind::SecretMissing => &["secrets"],
        ProblemKind::CommandNotFound => &["image", "command", "args", "workingDir"],
        ProblemKind::VolumeMissing => &["volumes"],
        ProblemKind::DiskFull => &["volumes", "image"],
        ProblemKind::PortTaken | ProblemKind::Network => &["ports"],
        ProblemKind::Backend => &[
            "image",
            "command",
            "workingDir",
            "user",
            "resources",
            "volumes",
            "configs",
            "secrets",
            "security",
        ],
    }
}

/// Two or more services that neither need this one nor are needed by it, and whose own trouble began
/// with its trouble: what they share is outside of all of them.
fn fell_ill_together(patient: &Patient<'_>) -> Option<String> {
    let (own, onset) = (patient.facts.key(), patient.onset());
    let web = patient.situation.web();
    let mut kin = BTreeSet::from([own]);
    loop {
        let edges = patient.situation.graph.value.needs.iter();
        let more: Vec<_> = edges
            .filter(|edge| kin.contains(&edge.needs))
            .map(|edge| &edge.service)
            .filter(|service| !kin.contains(service))
            .collect();
        if more.is_empty() {
            break;
        }
        kin.extend(more);
    }
    kin.extend(web.needs_of(own));
    let symptoms = patient.situation.symptoms.iter();
    let together = |since: Time| since.since(onset).max(onset.since(since)) <= SAME_MOMENT;
    let others: BTreeSet<_> = symptoms
        .filter(|symptom| !kin.contains(&symptom.service) && together(symptom.since))
        .map(|symptom| symptom.service.to_string())
        .collect();
    let names: Vec<String> = others.into_iter().map(|name| format!("`{name}`")).collect();
    (names.len() >= 2).then(|| names.join(", "))
}

/// Failures of earlier instances, or recorded before the change.
fn failed_before(patient: &Patient<'_>, change: &RecentChange<'_>) -> bool {
    use ostler_core::event::Happening;
    let from = change.at - super::patient::CHANGE_WINDOW;
    let failed = |what: &Happening| match what {
        Happening::Exited { exit, .. } => exit.is_failure(),
        Happening::StartFailed { .. } => true,
        _ => false,
    };
    let earlier = patient.facts.detail.value.events.iter();
    earlier
        .filter(|event| event.at >= from && event.at < change.at && failed(&event.what))
        .count()
        >= 2
}

/// Whether errors or latency rose with the change.
fn got_worse(patient: &Patient<'_>, change: &RecentChange<'_>) -> bool {
    use ostler_agents_kit::trend::{before, mean, since};
    [SignalKind::ErrorRatio, SignalKind::LatencyP99]
        .into_iter()
        .any(|kind| {
            let points = patient.facts.points(kind);
            match (
                mean(before(points, change.at)),
                mean(since(points, patient.onset())),
            ) {
                (Some(earlier), Some(now)) => now > earlier * 2.0 && now > earlier + 0.005,
                // Nothing is known of before: the change is only as suspect as its time makes it.
                (None, Some(_)) => patient.onset().since(change.at) <= AT_ONCE,
                _ => false,
            }
        })
}

/// What the failing instances' logs say, folded: supporting evidence, quoted as untrusted.
fn log_evidence(patient: &Patient<'_>) -> Vec<Evidence> {
    let failing = patient
        .facts
        .templates()
        .filter(|(_, _, template)| speaks_of_failure(&template.text));
    failing
        .take(2)
        .map(|(id, log, template)| {
            log.untrusted_claim(format!(
                "`{id}` logs {} ({} times)",
                template.text, template.count
            ))
        })
        .collect()
}
