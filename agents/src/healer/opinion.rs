//! A second opinion: what the root-cause engine ranks first, where the healer's rules are not sure.
//!
//! It explains and it doubts; it never proposes, never raises confidence, and it is heard only on
//! what can explain the patient's trouble: the service, its instances, their machines, its needs.

use std::collections::BTreeSet;

use ostler_agents_kit::{
    planner::ACT_FROM,
    reader::Reader,
    situation::{Cited, Situation},
    text,
};
use ostler_core::{
    id::ServiceKey,
    incident::{Cause, CauseKind, Evidence},
    time::Span,
};
use ostler_tools::answer::{Diagnosed, Suspect};
use serde_json::{Map, Value, json};

use super::rules::{Diagnosis, patient::Patient};

/// From here on a cause of the engine rests on more than a signal that moved.
const SPECIFIC: f64 = 0.6;
/// A rule as sure as this needs no second opinion.
pub const SURE: f64 = 0.8;
/// From here on the engine contradicts a rule; below, it only has another idea.
const STRONG: f64 = 0.9;
/// What contradiction takes from a rule's confidence.
const DOUBT: f64 = 0.05;
/// What the engine alone shows is never enough to act.
const CEILING: f64 = 0.55;
const _: () = assert!(CEILING < ACT_FROM);
/// Trouble younger than this may pass by itself: it is not named after the engine alone, no sooner
/// than trouble that nothing explains is told of.
const SETTLED: Span = Span::seconds(90);
/// Most lines of logs that are given along.
const LINES: usize = 100;
/// Most pieces of evidence that are passed on.
const EVIDENCE: usize = 12;
/// Runners-up that are told.
const RUNNERS_UP: usize = 3;

/// What the engine said of the patient, likeliest first.
#[derive(Debug, Clone)]
pub struct Opinion {
    suspects: Cited<Vec<Suspect>>,
}

/// Asks the engine; nothing when it cannot be asked, or suspects nobody that could explain it.
pub async fn ask(patient: &Patient<'_>, reader: &Reader<'_>) -> Option<Opinion> {
    let read = match reader.read("diagnose", question(patient)).await {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(%error, "no second opinion");
            return None;
        }
    };
    let told: Diagnosed = serde_json::from_value(read.reply.value)
        .inspect_err(|error| tracing::warn!(%error, "a diagnosis that cannot be read"))
        .ok()?;
    let ours = explaining(patient);
    let mut suspects = told.suspects;
    suspects.retain(|suspect| ours.contains(&suspect.object));
    (!suspects.is_empty()).then_some(Opinion {
        suspects: Cited {
            call: read.reply.call,
            value: suspects,
        },
    })
}

fn question(patient: &Patient<'_>) -> Map<String, Value> {
    let all = patient.situation.facts.values();
    let templates = all.flat_map(|facts| facts.templates());
    let lines = templates.take(LINES).map(|(instance, _, template)| {
        json!({ "instance": instance, "line": template.text.as_str(), "count": template.count })
    });
    Map::from_iter([
        ("service".to_owned(), json!(patient.facts.key())),
        ("since".to_owned(), json!(patient.onset())),
        ("logs".to_owned(), lines.collect()),
    ])
}

/// Ids of all objects that can be why the patient is unwell, as the engine writes them.
fn explaining(patient: &Patient<'_>) -> BTreeSet<String> {
    let mut ids: BTreeSet<String> = needs(patient.situation, patient.facts.key())
        .into_iter()
        .map(ToString::to_string)
        .collect();
    for one in patient.facts.instances() {
        ids.insert(format!("instance/{}", one.instance));
        ids.insert(format!("node/{}", one.seen.node));
    }
    ids
}

/// A service and all that it needs, directly or not.
fn needs<'a>(situation: &'a Situation, of: &'a ServiceKey) -> BTreeSet<&'a ServiceKey> {
    let web = situation.web();
    let (mut all, mut open) = (BTreeSet::from([of]), vec![of]);
    while let Some(here) = open.pop() {
        open.extend(web.needs_of(here).filter(|need| all.insert(need)));
    }
    all
}

impl Opinion {
    /// The first suspect, where it names a cause of the knowledge base and rests on enough.
    fn specific(&self) -> Option<&Suspect> {
        let first = self.suspects.value.first()?;
        (first.score >= SPECIFIC && first.says.is_some()).then_some(first)
    }

    /// Evidence and alternatives for a rule that fits without being sure. Agreement is told, a
    /// contradiction takes a little confidence; nothing adds any.
    pub fn weigh(&self, kind: CauseKind, best: &mut Diagnosis, alternatives: &mut Vec<String>) {
        let Some(first) = self.specific() else {
            return;
        };
        match kind_of(first) {
            Some(same) if same == kind => {
                best.evidence.push(self.claim(&format!(
                    "also ranked first by `diagnose`: {}",
                    words(first)
                )));
            }
            Some(_) => {
                if first.score >= STRONG {
                    best.confidence -= DOUBT;
                }
                alternatives.insert(0, format!("`diagnose` ranks first: {}", words(first)));
            }
            None => alternatives.insert(0, format!("`diagnose` adds: {}", words(first))),
        }
    }

    /// The engine's first suspect as a cause, where no rule fits.
    pub fn cause(&self, patient: &Patient<'_>) -> Option<Cause> {
        let first = self.specific()?;
        if patient.situation.now.since(patient.onset()) < SETTLED {
            return None;
        }
        let culprit = first.object.parse().ok();
        let of_need = culprit
            .as_ref()
            .is_some_and(|one| one != patient.facts.key());
        let kind = match kind_of(first) {
            None if of_need => CauseKind::FailingDependency,
            known => known.unwrap_or(CauseKind::Unknown),
        };
        let explanation = format!("`diagnose` ranks first: {}", words(first));
        let mut evidence = patient.symptoms();
        evidence.push(self.claim(&explanation));
        evidence.extend(first.untrusted_evidence.iter().map(|shown| {
            let shown = text::Untrusted::new(shown);
            self.suspects
                .untrusted_claim(format!("`diagnose` cites {shown}"))
        }));
        evidence.truncate(EVIDENCE);
        Some(Cause {
            kind,
            culprit: culprit.unwrap_or_else(|| patient.facts.key().clone()),
            confidence: first.score.min(CEILING),
            explanation,
            evidence,
        })
    }

    /// What helps against the first suspect in general, and who else is suspected, in words.
    pub fn advice(&self) -> String {
        let remedies = self.specific().map(|first| first.remedies.join(" "));
        let others = self.suspects.value.iter().skip(1).take(RUNNERS_UP);
        let others: Vec<String> = others.map(words).collect();
        let mut advice = remedies.unwrap_or_default();
        if !others.is_empty() {
            advice = format!("{advice} Less likely: {}", others.join("; "));
        }
        advice.trim().to_owned()
    }

    fn claim(&self, words: &str) -> Evidence {
        self.suspects.claim(words)
    }
}

/// The suspect in a line of our own words.
fn words(suspect: &Suspect) -> String {
    let says = suspect.says.as_deref().or(suspect.cause.as_deref());
    let says = says.unwrap_or("does not do as before");
    format!("`{}` {says} (score {:.2})", suspect.object, suspect.score)
}

/// The healer's kind for a cause of the knowledge base; nothing where none says the same.
fn kind_of(suspect: &Suspect) -> Option<CauseKind> {
    Some(match suspect.cause.as_deref()? {
        "out_of_memory" => CauseKind::OutOfMemory,
        "memory_growth" => CauseKind::MemoryLeak,
        "crash_after_change" => CauseKind::BadChange,
        "deadlock" => CauseKind::Deadlock,
        "volume_full" | "node_out_of_disk" => CauseKind::DiskFull,
        "overloaded" | "cpu_starved" => CauseKind::Saturated,
        "node_out_of_memory" | "node_out_of_processes" => CauseKind::NodePressure,
        "image_not_found"
        | "image_registry_unresolvable"
        | "image_pull_unauthorized"
        | "image_registry_unreachable"
        | "image_pull_failed"
        | "wrong_architecture" => CauseKind::BadImage,
        "secret_missing" | "config_map_missing" => CauseKind::MissingSecretOrConfig,
        "liveness_wrong_protocol"
        | "liveness_wrong_port"
        | "liveness_too_impatient"
        | "readiness_wrong_protocol"
        | "readiness_wrong_port"
        | "readiness_too_impatient" => CauseKind::BadProbe,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ostler_core::id::CallId;

    use super::*;
    use crate::healer::rules::Remedy;

    fn opinion(cause: &str, score: f64) -> Opinion {
        let suspect = Suspect {
            object: "shop/cart".to_owned(),
            cause: Some(cause.to_owned()),
            says: Some("is unwell".to_owned()),
            score,
            untrusted_evidence: Vec::new(),
            remedies: Vec::new(),
        };
        Opinion {
            suspects: Cited {
                call: CallId::new("call_1").unwrap(),
                value: vec![suspect],
            },
        }
    }

    /// Confidence, pieces of evidence and alternatives of a rule for a leak after an opinion.
    fn weighed(opinion: &Opinion) -> (f64, usize, usize) {
        let mut best = Diagnosis {
            confidence: 0.7,
            explanation: String::new(),
            evidence: Vec::new(),
            remedy: Remedy::Wait(String::new()),
        };
        let mut alternatives = Vec::new();
        opinion.weigh(CauseKind::MemoryLeak, &mut best, &mut alternatives);
        (best.confidence, best.evidence.len(), alternatives.len())
    }

    #[test]
    fn agreement_is_told_contradiction_doubts_and_nothing_raises() {
        assert_eq!(weighed(&opinion("memory_growth", 0.9)), (0.7, 1, 0));
        let (doubted, evidence, alternatives) = weighed(&opinion("overloaded", 0.9));
        assert!((doubted - 0.65).abs() < 1e-9);
        assert_eq!((evidence, alternatives), (0, 1));
        assert_eq!(weighed(&opinion("overloaded", 0.8)), (0.7, 0, 1));
        assert_eq!(weighed(&opinion("certificate_expired", 0.9)), (0.7, 0, 1));
        assert_eq!(weighed(&opinion("overloaded", 0.4)), (0.7, 0, 0));
    }
}
