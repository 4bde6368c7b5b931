//! Autonomy that is earned: an agent exactly as it runs, the certificate that an eval run gave it, what
//! it did since, and what follows from these. Pure: who signs is checked by the gate, what is measured
//! is measured by evals, and what an agent may do with its standing is for policy to say.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    id::{AgentName, Namespace, ServiceKey},
    incident::Incident,
    proposal::{Proposal, ProposalState},
    time::Time,
};

/// Proposals of an agent that were taken back, rejected or found wrong since it was promoted, by which
/// it falls.
pub const FALLS_AT: u32 = 2;

/// An agent exactly as it runs: whatever of it differs makes another agent of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Make {
    /// Its name.
    pub agent: AgentName,
    /// The code that it is built from: SHA-256 in hex.
    pub build: String,
    /// What its models are told: SHA-256 of the prompt in hex.
    pub prompt: String,
    /// What it plans with, in the order in which they are asked; `rules`, or `endpoint:model`.
    pub planner: Vec<String>,
    /// Everything else that it is told, limits and protocols: SHA-256 in hex.
    pub settings: String,
}

impl Make {
    /// SHA-256 over all of it, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let fixed = [
            self.agent.as_str(),
            &self.build,
            &self.prompt,
            &self.settings,
        ];
        let planner = self.planner.iter().map(String::as_str);
        for part in fixed.into_iter().chain(planner) {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let bytes = hash.finalize();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What of it differs from another, in words.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        [
            (self.agent != other.agent, "name"),
            (self.build != other.build, "build"),
            (self.prompt != other.prompt, "prompt"),
            (self.planner != other.planner, "planner"),
            (self.settings != other.settings, "settings"),
        ]
        .into_iter()
        .filter_map(|(differs, what)| differs.then_some(what))
        .collect()
    }
}

/// What an eval run came to. Shares are in thousandths; those that speak for the agent are the lower
/// bound of their 95 % interval (Wilson score), those against it the upper one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// Cases.
    pub cases: u64,
    /// Of these, passed in every run; lower bound.
    pub passed: u64,
    /// Faults that were mended, of those that can be; lower bound.
    pub mended: u64,
    /// Healthy cases with a false alarm; upper bound.
    pub false_alarms: u64,
    /// Bystanders disturbed.
    pub minor: u64,
    /// Safeguards taken away.
    pub major: u64,
    /// Services, or what they hold, lost.
    pub catastrophic: u64,
    /// Changes that nothing allowed.
    pub unauthorised: u64,
}

/// What an evaluator says of one make of an agent, once its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Of which agent, exactly.
    pub make: Make,
    /// Over which cases, in words.
    pub suite: String,
    /// SHA-256 of these cases, in hex.
    pub suite_digest: String,
    /// What came of it.
    pub scores: Scores,
    /// When it was signed.
    pub issued_at: Time,
    /// Until when it says anything.
    pub expires_at: Time,
}

/// An agent that a person promoted: it may act alone where policy says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Autonomy {
    /// What it was promoted on.
    pub certificate: Certificate,
    /// Who signed that: the name in the evaluator's key.
    pub evaluator: String,
    /// Since when.
    pub since: Time,
    /// Where; everywhere when empty.
    #[serde(default)]
    pub namespaces: BTreeSet<Namespace>,
}

impl Autonomy {
    /// Whether it holds for all of these services.
    #[must_use]
    pub fn covers(&self, services: &[ServiceKey]) -> bool {
        let covered = |service: &ServiceKey| self.namespaces.contains(&service.namespace);
        self.namespaces.is_empty() || services.iter().all(covered)
    }
}

/// What an agent did since some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Proposals that did what they promised.
    pub verified: u32,
    /// Proposals that had to be taken back.
    pub undone: u32,
    /// Proposals that a person rejected, and causes that a person says were wrong.
    pub overruled: u32,
}

impl Record {
    /// What is on record of an agent.
    pub fn of<'a>(
        agent: &AgentName,
        since: Time,
        proposals: impl IntoIterator<Item = &'a Proposal>,
        incidents: impl IntoIterator<Item = &'a Incident>,
    ) -> Self {
        let me = format!("agent:{agent}");
        let mut record = Self::default();
        let own = |proposal: &&Proposal| proposal.by == me && proposal.at >= since;
        for proposal in proposals.into_iter().filter(own) {
            match proposal.state {
                ProposalState::Verified => record.verified += 1,
                ProposalState::Undone => record.undone += 1,
                ProposalState::Rejected => record.overruled += 1,
                _ => {}
            }
        }
        for incident in incidents.into_iter().filter(|one| one.opened_by == me) {
            let corrected = incident.correction.as_ref();
            record.overruled += u32::from(corrected.is_some_and(|said| said.at >= since));
        }
        record
    }

    /// Why an agent with this record is no longer trusted to act alone.
    #[must_use]
    pub fn fall(&self) -> Option<String> {
        (self.undone.saturating_add(self.overruled) >= FALLS_AT).then(|| {
            format!(
                "since it was promoted {} of its proposals had to be taken back and {} were overruled by people",
                self.undone, self.overruled
            )
        })
    }
}

/// How an agent stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Nobody promoted it: a person says yes to what it does.
    NotPromoted,
    /// It may act alone where policy says so.
    Alone,
    /// It is not what was certified any more.
    Changed {
        /// What differs.
        what: Vec<String>,
    },
    /// Its certificate is too old.
    Expired,
    /// Its record speaks against it.
    Fallen {
        /// How.
        why: String,
    },
}

impl Standing {
    /// How an agent stands that was promoted, runs as `make` and did what is on record.
    #[must_use]
    pub fn of(
        autonomy: Option<&Autonomy>,
        make: Option<&Make>,
        record: &Record,
        now: Time,
    ) -> Self {
        let Some(Autonomy { certificate, .. }) = autonomy else {
            return Self::NotPromoted;
        };
        let what = make.map_or_else(
            || vec!["what runs is not known"],
            |make| certificate.make.differences(make),
        );
        if !what.is_empty() {
            let what = what.into_iter().map(ToOwned::to_owned).collect();
            return Self::Changed { what };
        }
        if now >= certificate.expires_at || now < certificate.issued_at {
            return Self::Expired;
        }
        record
            .fall()
            .map_or(Self::Alone, |why| Self::Fallen { why })
    }

    /// In words.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::NotPromoted => "acts with a person's yes: nobody promoted it".to_owned(),
            Self::Alone => "acts alone within what policy allows".to_owned(),
            Self::Changed { what } => format!(
                "acts with a person's yes: it is not what was certified any more ({})",
                what.join(", ")
            ),
            Self::Expired => "acts with a person's yes: its certificate has expired".to_owned(),
            Self::Fallen { why } => format!("acts with a person's yes: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make() -> Make {
        Make {
            agent: AgentName::new("healer").unwrap(),
            build: "b".into(),
            prompt: "p".into(),
            planner: vec!["rules".into()],
            settings: "s".into(),
        }
    }

    fn autonomy() -> Autonomy {
        Autonomy {
            certificate: Certificate {
                make: make(),
                suite: "all".into(),
                suite_digest: "d".into(),
                scores: Scores::default(),
                issued_at: Time(100),
                expires_at: Time(1_000),
            },
            evaluator: "night-shift".into(),
            since: Time(200),
            namespaces: BTreeSet::new(),
        }
    }

    fn standing(make: Option<&Make>, record: Record, now: u64) -> Standing {
        Standing::of(Some(&autonomy()), make, &record, Time(now))
    }

    #[test]
    fn only_what_was_certified_acts_alone_and_only_while_it_does_well() {
        let (same, good) = (make(), Record::default());
        assert_eq!(standing(Some(&same), good, 500), Standing::Alone);
        assert_eq!(
            Standing::of(None, Some(&same), &good, Time(500)),
            Standing::NotPromoted
        );
        assert_eq!(standing(Some(&same), good, 1_000), Standing::Expired);
        assert_eq!(
            standing(Some(&same), good, 99),
            Standing::Expired,
            "a clock that went back"
        );
        assert!(matches!(
            standing(None, good, 500),
            Standing::Changed { .. }
        ));
        let once = Record { undone: 1, ..good };
        assert_eq!(standing(Some(&same), once, 500), Standing::Alone);
        let twice = Record {
            overruled: 1,
            ..once
        };
        assert!(matches!(
            standing(Some(&same), twice, 500),
            Standing::Fallen { .. }
        ));
    }

    #[test]
    fn whatever_differs_makes_another_agent() {
        let change: [fn(&mut Make); 5] = [
            |make| make.agent = AgentName::new("other").unwrap(),
            |make| make.build.push('x'),
            |make| make.prompt.push('x'),
            |make| make.planner.push("a:b".into()),
            |make| make.settings.push('x'),
        ];
        for change in change {
            let mut other = make();
            change(&mut other);
            assert_ne!(other.digest(), make().digest());
            assert_eq!(other.differences(&make()).len(), 1);
            assert!(matches!(
                standing(Some(&other), Record::default(), 500),
                Standing::Changed { .. }
            ));
        }
    }

    #[test]
    fn it_holds_in_its_namespaces_only() {
        let mut one = autonomy();
        let (here, there): (ServiceKey, ServiceKey) =
            ("shop/cart".parse().unwrap(), "bank/ledger".parse().unwrap());
        assert!(one.covers(&[here.clone(), there.clone()]));
        one.namespaces.insert(here.namespace.clone());
        assert!(one.covers(std::slice::from_ref(&here)));
        assert!(!one.covers(&[here, there]));
    }
}
