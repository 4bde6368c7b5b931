//! **A change of who calls it**: since a caller was changed it sends more than this one can bear: it tries again more
//! often, asks for each thing by itself, remembers nothing any more.
//!
//! Symptoms: broken promises. Tests: its own spec was not changed before the trouble; nobody calls it from outside,
//! and all who do are known; one of them, and only one, was changed in what can make it send more, and the trouble
//! came within minutes of that; requests are half as often again as before that change; and none of its callers is
//! asked for more itself, so that theirs are not behind it. Who of them sends the more is not measured: that only one
//! changed is what tells.
//! Remedy: that caller goes back to its last good generation.
//! Confidence: 0.75, more when that generation is known good.

use ostler_agents_kit::situation::ServiceFacts;
use ostler_core::{incident::Evidence, time::Time};

use super::{
    Diagnosis, Judged, Remedy,
    asked::{Asked, MORE},
    out,
    patient::{AT_ONCE, Patient, RecentChange, Trouble},
};

/// A caller that is asked for so many times as much passes on what others send.
const PASSES_ON: f64 = 1.2;
/// What can make a service send more.
const SENDS_MORE: &[&str] = &["image", "command", "args", "env", "configs"];

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    if patient.trouble() != Some(Trouble::Service) {
        return out("it does not serve badly");
    }
    if patient.recent_change().is_ok() {
        return out("its own spec was changed before the trouble");
    }
    if let Some(why) = cannot_tell(patient) {
        return out(why);
    }
    let callers = patient.situation.callers.values();
    let mut changed = callers.filter_map(|caller| suspect(patient, caller));
    let (Some((caller, change)), None) = (changed.next(), changed.next()) else {
        return out("not exactly one of its callers was changed just before the trouble");
    };
    let Some(asked) = asked(patient, patient.facts, change.at) else {
        return out("nothing is known of its requests before its caller was changed");
    };
    if asked.times() < MORE {
        return out("it is not asked for more than before its caller was changed");
    }
    if let Some(other) = passes_on(patient, change.at) {
        let other = other.key();
        let words = format!("`{other}`, which calls it, may be asked for more itself");
        return out(words);
    }
    Judged::Fits(diagnosis(patient, &caller, &change, asked))
}

/// Where requests may come from somebody that is not looked at.
fn cannot_tell(patient: &Patient<'_>) -> Option<&'static str> {
    let ports = &patient.facts.detail.value.spec.ports;
    if ports.iter().any(|port| port.publish.is_some()) {
        return Some("it is called from outside too");
    }
    let callers = patient.situation.web().callers_of(patient.facts.key());
    let all = callers.count() == patient.situation.callers.len();
    (!all).then_some("not all of its callers are known")
}

/// A caller that was changed just before the trouble, with a way back, in what can make it send more.
fn suspect<'a>(
    patient: &Patient<'a>,
    facts: &'a ServiceFacts,
) -> Option<(Patient<'a>, RecentChange<'a>)> {
    let caller = Patient { facts, ..*patient };
    let change = caller.change_before(patient.onset()).ok()?;
    let at_once = change.onset.since(change.at) <= AT_ONCE;
    (at_once && change.touches(SENDS_MORE)).then_some((caller, change))
}

fn asked(patient: &Patient<'_>, of: &ServiceFacts, changed: Time) -> Option<Asked> {
    Asked::of(of, changed, patient.situation.now)
}

/// A caller that is asked for more since then, or of which that is not known.
fn passes_on<'a>(patient: &Patient<'a>, changed: Time) -> Option<&'a ServiceFacts> {
    let same = |caller: &&ServiceFacts| {
        let asked = asked(patient, caller, changed);
        asked.is_some_and(|asked| asked.times() < PASSES_ON)
    };
    let mut callers = patient.situation.callers.values();
    callers.find(|caller| !same(caller))
}

fn diagnosis(
    patient: &Patient<'_>,
    caller: &Patient<'_>,
    change: &RecentChange<'_>,
    asked: Asked,
) -> Diagnosis {
    let (name, victim) = (caller.facts.key(), patient.facts.key());
    let explanation = format!(
        "`{victim}` gets {:.1} times the requests since generation {} of `{name}`, which calls it, changed {}; \
         `{victim}` was not changed, and none of its callers is asked for more itself",
        asked.times(),
        caller.facts.generation(),
        change.fields(),
    );
    let good = if change.back.last_good { 0.1 } else { 0.0 };
    Diagnosis {
        confidence: 0.75 + good,
        explanation,
        evidence: evidence(patient, caller, change),
        remedy: Remedy::RollBackCaller(name.clone(), change.back.generation),
    }
}

fn evidence(
    patient: &Patient<'_>,
    caller: &Patient<'_>,
    change: &RecentChange<'_>,
) -> Vec<Evidence> {
    let mut evidence = patient.symptoms();
    let needs = format!("`{}` needs `{}`", caller.facts.key(), patient.facts.key());
    evidence.push(patient.situation.graph.claim(needs));
    for facts in [patient.facts, caller.facts] {
        let asked = asked(patient, facts, change.at);
        let signals = facts.signals.as_ref();
        evidence.extend(signals.zip(asked).map(|(signals, asked)| {
            signals.claim(format!(
                "`{}`: {} the change",
                facts.key(),
                asked.in_words()
            ))
        }));
    }
    evidence.extend(caller.change_evidence(change));
    evidence
}
