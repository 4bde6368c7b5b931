//! **Out of memory**: it needs more memory than its limit.
//!
//! Symptoms: ends by out of memory, again and again. Tests: at least two such ends, most ends are
//! of this sort, and memory does not merely creep up over long runs. Remedy: half as much again,
//! never more than twice the smallest limit of its remembered generations; beyond that a person.
//! Confidence: 0.8, 0.85 when every end is of this sort; 0.65 where a recent change touched memory.

use ostler_core::{incident::Evidence, units::Bytes};

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};

const MEMORY_FIELD: &str = "spec.resources.limits.memory";

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let failures = patient.failures();
    let killed = failures
        .iter()
        .filter(|(_, exit)| exit.out_of_memory)
        .count();
    if killed < 2 || killed * 2 <= failures.len() {
        return out(if killed == 0 {
            "no instance ran out of memory"
        } else {
            "running out of memory is not the rule"
        });
    }
    let mut evidence: Vec<Evidence> = patient.symptoms();
    let limit = patient.facts.detail.value.spec.resources.limits.memory;
    let limit_words = limit.map_or_else(
        || "no limit of its own".to_owned(),
        |limit| format!("a limit of {limit}"),
    );
    let claim = format!("the kernel killed it {killed} times for its memory, under {limit_words}");
    evidence.push(patient.facts.detail.claim(claim));
    let change = patient.recent_change().ok();
    let suspect = change.is_some_and(|change| {
        change.touches(&["image", "command", "args", "resources.limits.memory"])
    });
    let confidence = match (suspect, killed == failures.len()) {
        (true, _) => 0.65,
        (false, true) => 0.85,
        (false, false) => 0.8,
    };
    if let (Some(change), false) = (change, suspect) {
        let claim = format!(
            "the last change touched only {}, which does not bear on memory",
            change.fields()
        );
        evidence.push(patient.facts.detail.claim(claim));
    }
    let (explanation, remedy) = match limit {
        None => {
            let advice =
                "the machine itself is short of memory; give the service a limit or move it";
            (
                "the kernel kills it though it has no limit of its own".to_owned(),
                Remedy::Person(advice.to_owned()),
            )
        }
        Some(limit) => remedy(patient, limit),
    };
    Judged::Fits(Diagnosis {
        confidence,
        explanation,
        evidence,
        remedy,
    })
}

fn remedy(patient: &Patient<'_>, limit: Bytes) -> (String, Remedy) {
    let cap = smallest_limit(patient, limit).0.saturating_mul(2);
    let wanted = round_up(limit.0.saturating_add(limit.0 / 2)).min(cap);
    if wanted <= limit.0 {
        let explanation = format!("{limit} of memory is not enough, though it was doubled already");
        let advice = format!(
            "find out why `{}` needs more than {limit}; the limit was raised enough",
            patient.facts.key()
        );
        return (explanation, Remedy::Person(advice));
    }
    (
        format!("it needs more memory than its limit of {limit}"),
        Remedy::RaiseMemory(Bytes(wanted)),
    )
}

/// The smallest memory limit among the remembered generations, the current one included.
fn smallest_limit(patient: &Patient<'_>, current: Bytes) -> Bytes {
    let generations = patient
        .facts
        .detail
        .value
        .generations
        .iter()
        .filter(|generation| !generation.current);
    let earlier = generations.flat_map(|generation| &generation.rollback);
    let before = earlier
        .filter(|line| line.path == MEMORY_FIELD)
        .filter_map(|line| line.to.as_deref());
    before
        .filter_map(|text| text.trim_matches('"').parse::<Bytes>().ok())
        .fold(current, Ord::min)
}

/// Up to a whole mebibyte.
const fn round_up(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20).saturating_mul(1 << 20)
}
