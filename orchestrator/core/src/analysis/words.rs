//! Verdicts as people read them. Pure.

use super::{Judgement, Measure, Verdict};

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::NotEnough => "not enough traffic to say",
        }
    }
}

impl Measure {
    /// In words.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Restarts => "restarts",
            Self::OutOfMemory => "memory",
            Self::Cpu => "CPU",
            Self::NewErrors => "new errors",
        }
    }
}

impl Judgement {
    /// What decided it, with numbers; of a pass, what had to pass.
    #[must_use]
    pub fn in_words(&self) -> String {
        let decides = |finding: &&super::Weighed| {
            let counts = self.verdict == Verdict::Fail || finding.measure.must_pass();
            counts && finding.verdict == self.verdict
        };
        let deciding = self.findings.iter().filter(decides);
        let words: Vec<String> = deciding
            .map(|finding| format!("{}: {}", finding.measure.in_words(), finding.words))
            .collect();
        if words.is_empty() {
            return self.verdict.in_words().to_owned();
        }
        format!("{}: {}", self.verdict.in_words(), words.join("; "))
    }
}

/// A share in percent, with the digits that it needs.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 || percent == 0.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.2} %")
    }
}

/// The chance that evidence of this size (as a logarithm) comes up where there is nothing.
pub(super) fn chance(log: f64) -> String {
    let chance = (-log).exp();
    if chance >= 0.995 {
        "100 %".to_owned()
    } else if chance < 0.000_01 {
        "below 0.001 %".to_owned()
    } else {
        percent(chance)
    }
}
