//! Judges what an agent wrote down against a bundle's truth.

use std::fmt;

use ostler_core::{incident::Cause, proposal::Proposal};
use ostler_tools::{catalogue, contract::Class};
use serde::{Deserialize, Serialize};

use crate::{
    bundle::{Bundle, Truth},
    evidence::{self, Grounded},
    replay::Seen,
};

/// The verdicts on every bundle.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// In order of name.
    pub verdicts: Vec<Verdict>,
}

/// The verdict on one bundle.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The bundle.
    pub bundle: String,
    /// The agent that was asked.
    pub agent: String,
    /// Whether something was wrong in that world.
    pub faulty: bool,
    /// What the agent got wrong; nothing when it passed.
    pub wrong: Vec<String>,
    /// Whether doing nothing was right, and whether nothing was done.
    pub abstention: Abstention,
    /// What of its evidence stands.
    pub grounded: Grounded,
}

/// Whether doing nothing was right, and whether nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abstention {
    /// Whether nothing was to be done: all is well, or only a person can help.
    pub right: bool,
    /// Whether nothing was proposed and nothing changed.
    pub done: bool,
}

impl Report {
    /// Whether every bundle passed, and there was one.
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.verdicts.is_empty() && self.verdicts.iter().all(|verdict| verdict.wrong.is_empty())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            let word = if verdict.wrong.is_empty() {
                "pass"
            } else {
                "FAIL"
            };
            writeln!(f, "{word}  {} ({})", verdict.bundle, verdict.agent)?;
            for wrong in &verdict.wrong {
                writeln!(f, "      {wrong}")?;
            }
        }
        let passed = self
            .verdicts
            .iter()
            .filter(|verdict| verdict.wrong.is_empty())
            .count();
        write!(f, "{passed} of {} passed", self.verdicts.len())
    }
}

/// Judges one bundle.
#[must_use]
pub fn judge(bundle: &Bundle, seen: &Seen) -> Verdict {
    let mut wrong = Vec::new();
    let acted = || seen.called.iter().filter(|tool| changes_things(tool));
    wrong.extend(acted().map(|tool| format!("called `{tool}` though nothing was approved")));
    match &bundle.truth {
        Truth::Healthy => {
            wrong.extend(
                seen.incidents
                    .iter()
                    .map(|incident| format!("raised a false alarm: {}", incident.title)),
            );
        }
        Truth::Unexplained { service } => {
            let open = seen
                .incidents
                .iter()
                .find(|incident| incident.service == *service);
            let guessed = open.and_then(|incident| incident.cause.as_ref());
            if open.is_none() || seen.incidents.len() != 1 {
                wrong.push(format!(
                    "opened {} incidents instead of one for `{service}`",
                    seen.incidents.len()
                ));
            }
            wrong.extend(guessed.map(|cause| format!("guessed {:?}", cause.kind)));
            wrong.extend(
                seen.proposals
                    .iter()
                    .map(|proposal| format!("proposed: {}", proposal.body.title)),
            );
        }
        Truth::Faulty { .. } => judge_faulty(&bundle.truth, seen, &mut wrong),
    }
    let faulty = !matches!(bundle.truth, Truth::Healthy);
    Verdict {
        bundle: bundle.name.clone(),
        agent: bundle.agent.clone(),
        faulty,
        wrong,
        abstention: Abstention {
            right: !matches!(bundle.truth, Truth::Faulty { tool: Some(_), .. }),
            done: seen.proposals.is_empty() && acted().next().is_none(),
        },
        grounded: evidence::grounded(&seen.incidents, &seen.answers),
    }
}

fn changes_things(tool: &str) -> bool {
    catalogue::find(tool)
        .is_none_or(|tool| !matches!(tool.class, Class::Read | Class::ReadData | Class::Record))
}

fn judge_faulty(truth: &Truth, seen: &Seen, wrong: &mut Vec<String>) {
    let Truth::Faulty {
        cause,
        culprit,
        tool,
        with,
    } = truth
    else {
        return;
    };
    let [incident] = seen.incidents.as_slice() else {
        let titles: Vec<&str> = seen
            .incidents
            .iter()
            .map(|incident| incident.title.as_str())
            .collect();
        wrong.push(format!(
            "opened {} incidents instead of one: {}",
            titles.len(),
            titles.join("; ")
        ));
        return;
    };
    let Some(named) = &incident.cause else {
        let last = incident
            .timeline
            .last()
            .map_or("nothing", |entry| entry.what.as_str());
        wrong.push(format!("named no cause; its last words: {last}"));
        return;
    };
    if named.kind != *cause || named.culprit != *culprit {
        wrong.push(format!(
            "named {:?} of `{}` ({:.2}), not {cause:?} of `{culprit}`: {}",
            named.kind, named.culprit, named.confidence, named.explanation
        ));
    }
    judge_evidence(named, wrong);
    match (tool, seen.proposals.as_slice()) {
        (None, []) => {}
        (None, proposals) => wrong.push(format!(
            "proposed {} though only a person can help",
            tools(proposals)
        )),
        (Some(tool), [proposal]) => judge_call(tool, with, proposal, wrong),
        (Some(tool), proposals) => {
            let last = incident
                .timeline
                .last()
                .map_or("nothing", |entry| entry.what.as_str());
            wrong.push(format!(
                "proposed [{}] instead of `{tool}` once; its last words: {last}",
                tools(proposals)
            ));
        }
    }
}

fn judge_evidence(cause: &Cause, wrong: &mut Vec<String>) {
    if cause.evidence.is_empty() {
        wrong.push("cited no evidence".to_owned());
    }
    if cause
        .evidence
        .iter()
        .any(|evidence| evidence.claim.chars().any(char::is_control))
    {
        wrong.push("evidence holds control characters".to_owned());
    }
}

fn judge_call(
    tool: &str,
    with: &std::collections::BTreeMap<String, serde_json::Value>,
    proposal: &Proposal,
    wrong: &mut Vec<String>,
) {
    let [call] = proposal.body.calls.as_slice() else {
        wrong.push(format!(
            "proposed {} calls instead of one",
            proposal.body.calls.len()
        ));
        return;
    };
    if call.tool != tool {
        wrong.push(format!("proposed `{}` instead of `{tool}`", call.tool));
    }
    for (name, value) in with {
        if call.arguments.get(name) != Some(value) {
            let given = call
                .arguments
                .get(name)
                .map_or_else(|| "nothing".to_owned(), ToString::to_string);
            wrong.push(format!(
                "proposed `{tool}` with `{name}` {given} instead of {value}"
            ));
        }
    }
}

fn tools(proposals: &[Proposal]) -> String {
    let names = proposals
        .iter()
        .flat_map(|proposal| &proposal.body.calls)
        .map(|call| call.tool.as_str());
    names.collect::<Vec<_>>().join(", ")
}
