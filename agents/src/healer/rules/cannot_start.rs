//! **A start that only a person can make work**: the machine refuses it, and no change explains it.
//!
//! Symptoms: instances cannot be started. Tests: the backend says that a port is taken, that the
//! network or the backend itself failed, or that the image lacks its command. Remedy: a person, at
//! once, for no restart helps. Confidence: 0.5, as a change that explains it goes before.

use ostler_core::observed::ProblemKind;

use super::{Diagnosis, Judged, Remedy, out, patient::Patient};
use crate::healer::notice::words;

pub(super) fn judge(patient: &Patient<'_>) -> Judged {
    let ours = |kind: &ProblemKind| {
        use ProblemKind::{Backend, CommandNotFound, Network, PortTaken};
        matches!(kind, PortTaken | Network | Backend | CommandNotFound)
    };
    let Some((instance, kind)) = patient.start_problems().find(|(_, kind)| ours(kind)) else {
        return out("its machine does not refuse to start it");
    };
    let mut evidence = patient.symptoms();
    let detail = patient.start_detail(instance);
    let claim = format!("`{instance}` cannot be started: {}{detail}", words(kind));
    evidence.push(patient.facts.detail.untrusted_claim(claim));
    let advice = "look at the machine; the core goes on trying with growing delays".to_owned();
    Judged::Fits(Diagnosis {
        confidence: 0.5,
        explanation: format!("{}; no recent change explains it", words(kind)),
        evidence,
        remedy: Remedy::Person(advice),
    })
}
