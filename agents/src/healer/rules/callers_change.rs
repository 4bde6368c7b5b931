//! **A change of who calls it**: since a caller was changed it sends more than this one can bear: it tries again more
//! often, asks for each thing by itself, remembers nothing any more.
//!
//! Symptoms: broken promises. Tests: its own spec was not changed before the trouble; requests came half as often
//! again as before; one of those who call it, and only one, was changed at most half an hour before, in what can make
//! it send more; and that one was not asked for more itself, so that its own callers are not behind it.
//! Remedy: the caller goes back to its last good generation.
//! Confidence: 0.65, more when that generation is known good or the trouble came at once.

use ostler_agents_kit::{situation::ServiceFacts, trend};
use ostler_core::{
    incident::Evidence,
    signal::SignalKind,
    time::{Span, Time},
};

use super::{
    Diagnosis, Judged, Remedy, out,
    patient::{Patient, RecentChange, Trouble},
};

/// Over how long requests are counted.
const RECENT: Span = Span::minutes(1);
/// So many times as many requests are more.
pub(super) const MORE: f64 = 1.5;
/// A caller that is asked for so much more passes on what others send.
const PASSES_ON: f64 = 1.2;
/// Trouble this soon after a change speaks against the change.
const AT_ONCE: Span = Span::minutes(5);
/// What can make a service send more.
const SENDS_MORE: &[&str] = &["image", "command", "args", "env", "configs"];

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    if patient.trouble() != Some(Trouble::Service) {
        return out("it does not serve badly");
    }
    if patient.recent_change().is_ok() {
        return out("its own spec was changed before the trouble");
    }
    let onset = patient.onset();
    let Some(growth) = growth(patient.facts, onset, patient.situation.now) else {
        return out("nothing is known of its requests before the trouble");
    };
    if growth.times() < MORE {
        return out("it is not asked for more than before");
    }
    let mut changed = patient.situation.callers.values().filter_map(|caller| {
        let change = suspect(patient, caller, onset)?;
        Some((caller, change))
    });
    let (Some((caller, change)), None) = (changed.next(), changed.next()) else {
        return out("not exactly one of its callers was changed before the trouble");
    };
    let Some(own) = self::growth(caller, onset, patient.situation.now) else {
        let name = caller.key();
        return out(format!(
            "how much `{name}` itself is asked for is not known"
        ));
    };
    if own.times() >= PASSES_ON {
        let name = caller.key();
        return out(format!(
            "`{name}`, which calls it, is itself asked for more"
        ));
    }
    Judged::Fits(diagnosis(patient, caller, &change, &growth, &own))
}

/// The change of a caller that came before the trouble, with a way back, and can make it send more.
fn suspect<'a>(
    patient: &Patient<'a>,
    caller: &'a ServiceFacts,
    onset: Time,
) -> Option<RecentChange<'a>> {
    let caller = Patient {
        facts: caller,
        ..*patient
    };
    let change = caller.change_before(onset).ok()?;
    change.touches(SENDS_MORE).then_some(change)
}

/// Requests a second, before the trouble and now.
struct Growth {
    before: f64,
    now: f64,
}

impl Growth {
    fn times(&self) -> f64 {
        self.now / self.before.max(0.1)
    }

    fn in_words(&self) -> String {
        let (before, now) = (self.before, self.now);
        format!("{now:.0} requests a second, {before:.0} before the trouble")
    }
}

fn growth(facts: &ServiceFacts, onset: Time, now: Time) -> Option<Growth> {
    let rate = facts.points(SignalKind::RequestRate);
    Some(Growth {
        before: trend::mean(trend::before(rate, onset))?,
        now: trend::mean(trend::since(rate, onset.max(now - RECENT)))?,
    })
}

fn diagnosis(
    patient: &Patient<'_>,
    caller: &ServiceFacts,
    change: &RecentChange<'_>,
    growth: &Growth,
    own: &Growth,
) -> Diagnosis {
    let (name, victim) = (caller.key(), patient.facts.key());
    let explanation = format!(
        "`{name}` sends `{victim}` {:.1} times the requests since generation {} of it changed {}; it is not asked \
         for more itself, and `{victim}` was not changed",
        growth.times(),
        caller.generation(),
        change.fields(),
    );
    let mut confidence: f64 = 0.65;
    if change.back.last_good {
        confidence += 0.1;
    }
    if change.onset.since(change.at) <= AT_ONCE {
        confidence += 0.1;
    }
    Diagnosis {
        confidence,
        explanation,
        evidence: evidence(patient, caller, change, growth, own),
        remedy: Remedy::RollBackCaller(name.clone(), change.back.generation),
    }
}

fn evidence(
    patient: &Patient<'_>,
    caller: &ServiceFacts,
    change: &RecentChange<'_>,
    growth: &Growth,
    own: &Growth,
) -> Vec<Evidence> {
    let (name, victim) = (caller.key(), patient.facts.key());
    let mut evidence = patient.symptoms();
    let needs = format!("`{name}` needs `{victim}`");
    evidence.push(patient.situation.graph.claim(needs));
    for (facts, growth) in [(patient.facts, growth), (caller, own)] {
        let words = format!("`{}`: {}", facts.key(), growth.in_words());
        evidence.extend(facts.signals.as_ref().map(|signals| signals.claim(words)));
    }
    let as_patient = Patient {
        facts: caller,
        ..*patient
    };
    evidence.extend(as_patient.change_evidence(change));
    evidence
}
