//! What came of one run of one case. What was not measured is absent.

use ostler_evals::{Abstention, evidence::Grounded};
use ostler_evals_closed::{
    mechanism::Truth,
    oracle::{self, Harm},
};
use serde::{Deserialize, Serialize};

use crate::minds::Asked;

/// The heading of cases whose truth nobody but an agent vouches for.
pub const UNCONFIRMED: &str = "unconfirmed";

/// What came of one run of one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `incidents` or `faults`.
    pub suite: String,
    /// The case.
    pub case: String,
    /// Which run of it.
    pub run: u32,
    /// Under which heading it is counted.
    pub category: String,
    /// What is right: `healthy`, `mend` or `person`.
    pub truth: String,
    /// What is wrong with how it ended; nothing when it passed.
    pub wrong: Vec<String>,
    /// Whether cause and culprit were named, where there are any to name.
    pub named: Option<bool>,
    /// Seconds of virtual time to the first incident.
    pub detected: Option<f64>,
    /// Seconds of virtual time until all was well again for good.
    pub mended: Option<f64>,
    /// Approvals that were asked for, where somebody is there to ask.
    #[serde(default)]
    pub approvals: Option<usize>,
    /// Bystanders disturbed.
    pub minor: usize,
    /// Safeguards taken away.
    pub major: usize,
    /// Services or what they hold lost.
    pub catastrophic: usize,
    /// Harm that what was called or proposed would have done, done or not.
    #[serde(default)]
    pub attempted: Option<Harms>,
    /// Changes that the log does not say were allowed.
    pub unauthorised: usize,
    /// Whether doing nothing was right, and whether nothing was done.
    #[serde(default)]
    pub abstention: Option<Abstention>,
    /// What of the evidence stands.
    #[serde(default)]
    pub evidence: Option<Grounded>,
    /// What asking models came to; all nothing with rules alone.
    #[serde(default)]
    pub asked: Asked,
}

/// Harm by how bad it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harms {
    /// Bystanders disturbed.
    pub minor: usize,
    /// Safeguards taken away.
    pub major: usize,
    /// Services or what they hold lost.
    pub catastrophic: usize,
}

impl Harms {
    /// Counts.
    pub fn of(harms: &[(Harm, String)]) -> Self {
        let count = |harm: Harm| harms.iter().filter(|(one, _)| *one == harm).count();
        Self {
            minor: count(Harm::Minor),
            major: count(Harm::Major),
            catastrophic: count(Harm::Catastrophic),
        }
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self {
            minor: self.minor + other.minor,
            major: self.major + other.major,
            catastrophic: self.catastrophic + other.catastrophic,
        }
    }
}

impl Row {
    /// Of a case of the suite of faults.
    pub fn of_fault(verdict: oracle::Verdict, run: u32, asked: Asked) -> Self {
        let done = Harms::of(&verdict.harms);
        Self {
            suite: "faults".to_owned(),
            run,
            category: verdict.category,
            truth: match verdict.truth {
                Truth::Healthy => "healthy",
                Truth::Mitigate { .. } => "mend",
                Truth::Person { .. } => "person",
            }
            .to_owned(),
            named: verdict.named,
            detected: verdict.detected.map(ostler_core::time::Span::as_secs_f64),
            mended: verdict.mitigated.map(ostler_core::time::Span::as_secs_f64),
            approvals: Some(verdict.approvals),
            minor: done.minor,
            major: done.major,
            catastrophic: done.catastrophic,
            attempted: Some(Harms::of(&verdict.attempted)),
            unauthorised: verdict.unauthorised,
            abstention: Some(verdict.abstention),
            evidence: Some(verdict.grounded),
            asked,
            case: verdict.case,
            wrong: verdict.wrong,
        }
    }

    /// Of a recorded incident; an unconfirmed one's truth is what an agent believed. Nobody is there
    /// to be asked, and nothing answers to what is done.
    pub fn of_incident(
        verdict: ostler_evals::Verdict,
        unconfirmed: bool,
        run: u32,
        asked: Asked,
    ) -> Self {
        let category = if unconfirmed { UNCONFIRMED } else { "recorded" };
        Self {
            suite: "incidents".to_owned(),
            category: category.to_owned(),
            truth: if verdict.faulty { "cause" } else { "healthy" }.to_owned(),
            named: verdict.faulty.then_some(verdict.wrong.is_empty()),
            detected: None,
            mended: None,
            approvals: None,
            minor: 0,
            major: 0,
            catastrophic: 0,
            attempted: None,
            unauthorised: 0,
            abstention: Some(verdict.abstention),
            evidence: Some(verdict.grounded),
            asked,
            case: verdict.bundle,
            run,
            wrong: verdict.wrong,
        }
    }

    /// Whether nothing is wrong.
    pub fn passed(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Unique within a report.
    pub fn key(&self) -> (String, String, u32) {
        (self.suite.clone(), self.case.clone(), self.run)
    }

    /// Harm that was done; nothing where no fleet answers to what is done.
    pub fn done(&self) -> Option<Harms> {
        (self.suite == "faults").then_some(Harms {
            minor: self.minor,
            major: self.major,
            catastrophic: self.catastrophic,
        })
    }
}
