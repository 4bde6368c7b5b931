//! `diagnose`: what is probably wrong, and what speaks for it.

use std::sync::OnceLock;

use ostler_core::{id::ServiceKey, time::Time};
use ostler_diagnosis::{
    diagnose::diagnose,
    finding::{Finding, Verdict},
    knowledge::Knowledge,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::{Diagnosed, Suspect},
    contract::{About, Class, Decided, Refusal},
    picture::{Known, Said, picture},
    view::View,
};

use super::lookup::{self, answer};
use crate::contract::Describe;

/// Most suspects that are told.
const SUSPECTS: usize = 5;
/// Most pieces of evidence told of each.
const EVIDENCE: usize = 6;
/// Most different lines that are taken.
const LINES: usize = 200;

/// See the module.
pub struct Diagnose;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service that shows the symptom, if it is about one.
    pub service: Option<ServiceKey>,
    /// When the trouble began, if that is known: what signals did before is taken for normal.
    pub since: Option<Time>,
    /// Lines of logs that the caller read and wants weighed too, 200 at most. Lines of instances
    /// that are gone count for nothing.
    #[serde(default)]
    pub logs: Vec<Said>,
}

impl Describe for Diagnose {
    type Args = Args;
    type Answer = Diagnosed;
    const NAME: &'static str = "diagnose";
    const TITLE: &'static str = "Say what is probably wrong";
    const DESCRIPTION: &'static str = "Looks at states, needs, events, changes and an hour of signals of the whole fleet and ranks \
        what is probably at fault, with a score from 0 to 1, the evidence and remedies in general terms; \
        says `healthy` when nothing is wrong and `unknown` when the evidence does not settle it. It reads \
        no logs itself; lines that `read_logs` showed can be given to it. It changes nothing.";
    const CLASS: Class = Class::Read;
    // A workload may have written a secret.
    const SECRET_ARGS: &'static [&'static str] = &["/logs"];

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if let Some(key) = &args.service {
            lookup::service(view, key)?;
        }
        if args.logs.len() > LINES {
            return Err(Refusal::new(format!(
                "`logs` holds {} lines; give {LINES} at most, equal ones as one with their `count`",
                args.logs.len()
            )));
        }
        let known = Known {
            symptom: args.service.as_ref(),
            since: args.since,
            logs: &args.logs,
        };
        let knowledge = knowledge()?;
        let found = diagnose(&picture(view, known), knowledge);
        let suspects = found.findings.into_iter().take(SUSPECTS);
        let diagnosed = Diagnosed {
            verdict: match found.verdict {
                Verdict::Healthy => "healthy",
                Verdict::Found => "found",
                Verdict::Unknown => "unknown",
            }
            .to_owned(),
            suspects: suspects
                .map(|finding| suspect(knowledge, finding))
                .collect(),
        };
        let about = args
            .service
            .as_ref()
            .map_or_else(About::fleet, About::service);
        answer(&diagnosed, about)
    }
}

/// Read once: it is the same for every call.
fn knowledge() -> Result<&'static Knowledge, Refusal> {
    static KNOWLEDGE: OnceLock<Result<Knowledge, String>> = OnceLock::new();
    let read = KNOWLEDGE.get_or_init(|| Knowledge::built_in().map_err(|error| error.to_string()));
    read.as_ref()
        .map_err(|error| Refusal::new(format!("the knowledge base cannot be read: {error}")))
}

fn suspect(knowledge: &Knowledge, finding: Finding) -> Suspect {
    let known = finding.cause.as_deref().and_then(|id| knowledge.cause(id));
    let shows = finding.evidence.into_iter().take(EVIDENCE);
    Suspect {
        object: finding.object,
        says: known.map(|cause| cause.says.clone()),
        remedies: known
            .map(|cause| cause.remedies.clone())
            .unwrap_or_default(),
        cause: finding.cause,
        score: finding.score,
        untrusted_evidence: shows.map(|one| one.shows).collect(),
    }
}
