//! **A memory leak**: memory grows without bound, whatever the load.
//!
//! Symptoms: memory rises steadily towards the limit; later, ends by out of memory at long, even
//! intervals. Tests: a straight line fits the share since the process started, still rises in the
//! last third, and reaches the limit within a quarter of an hour. Remedy: restart the instance
//! that is nearest, one at a time, before the kernel does it. A leak that already ended in out of
//! memory after long runs is named; the core restarts it, a person must fix it.
//! Confidence: 0.6 plus a third of how well the line fits.

use ostler_core::time::Span;

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{Patient, coarse},
};
use crate::healer::growth;

/// Runs that end in out of memory after at least this long speak of a leak, not of a small limit.
const LONG_RUN: Span = Span::minutes(5);

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    use ostler_core::signal::SignalKind::MemoryShare;
    let grows = patient.facts.instances().filter_map(|one| {
        let share = patient.facts.instance_points(&one.instance, MemoryShare);
        let growth = growth::towards_limit(share, one.seen.started_at)?;
        Some((growth.reaches_limit_in, one, growth))
    });
    let out_of_memory: Vec<_> = patient
        .failures()
        .into_iter()
        .filter(|(_, exit)| exit.out_of_memory)
        .collect();
    let long = out_of_memory
        .iter()
        .filter(|(_, exit)| exit.ran >= LONG_RUN)
        .count();
    if !out_of_memory.is_empty() && long < out_of_memory.len() {
        return out("it runs out of memory soon after each start, not by slow growth");
    }
    let nearest = grows.min_by_key(|(left, one, _)| (*left, one.instance.clone()));
    let Some((left, one, growth)) = nearest else {
        return out("memory does not grow steadily towards the limit");
    };
    let mut evidence = patient.symptoms();
    let percent_a_minute = growth.line.per_second * 6_000.0;
    if let Some(signals) = patient.facts.instance_signals.get(&one.instance) {
        let claim = format!(
            "memory of `{}` rose {percent_a_minute:.1} % of its limit a minute over {} (a straight line explains {:.0} %), is at {:.0} % and reaches the limit in {}",
            one.instance,
            coarse(growth.line.span),
            growth.line.fit * 100.0,
            growth.line.last * 100.0,
            coarse(left),
        );
        evidence.push(signals.claim(claim));
    }
    if long > 0 {
        let claim =
            format!("it ran out of memory {long} times after running for {LONG_RUN} or longer");
        evidence.push(patient.facts.detail.claim(claim));
    }
    let explanation = format!(
        "memory of `{}` grows steadily and would reach its limit in {}; a restart in time avoids an unasked end",
        one.instance,
        coarse(left)
    );
    let confidence = 0.6 + 0.33 * growth.line.fit;
    Judged::Fits(Diagnosis {
        confidence,
        explanation,
        evidence,
        remedy: Remedy::Restart(one.instance.clone()),
    })
}
