//! A second mind beside an agent's own: it thinks about the same situations and does nothing. What it
//! made of them stands in the incidents, and is counted from there.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{id::AgentName, incident::Incident, time::Time};

/// Most tallies of one agent.
const TALLIES: usize = 10;

/// What a shadow made of a situation that its agent settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shadowed {
    /// What it plans with, in the order in which they are asked: `endpoint:model`, 8 at most.
    pub planner: Vec<String>,
    /// What its models are told: SHA-256 of the prompt in hex.
    pub prompt: String,
    /// How it compares with what its agent concluded.
    pub agreement: Agreement,
    /// Whether it asked for tools beyond its reach: it was misled, or is not fit for this.
    #[serde(default)]
    pub overreached: bool,
}

/// How a shadow's conclusion compares with its agent's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// The same cause and the same calls; or neither would act, for the same reason.
    Same,
    /// One would act and the other would not, or would call a person.
    OtherOutcome,
    /// Another kind of cause, or another service at fault.
    OtherCause,
    /// The same cause, other calls.
    OtherCalls,
    /// No model of the shadow gave an answer that could be used.
    Unheard,
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "the same",
            Self::OtherOutcome => "another outcome",
            Self::OtherCause => "another cause",
            Self::OtherCalls => "the same cause, other calls",
            Self::Unheard => "not heard",
        })
    }
}

/// What one shadow of an agent came to, over the incidents that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShadowTally {
    /// What it plans with.
    pub planner: Vec<String>,
    /// What its models are told: SHA-256 of the prompt in hex.
    pub prompt: String,
    /// Situations in which it concluded the same.
    pub same: u32,
    /// Situations in which one would have acted and the other not.
    pub other_outcome: u32,
    /// Situations in which it named another cause.
    pub other_cause: u32,
    /// Situations in which it named the same cause and would have called something else.
    pub other_calls: u32,
    /// Situations in which none of its models gave a usable answer.
    pub unheard: u32,
    /// Situations in which it asked for tools beyond its reach.
    #[serde(default)]
    pub overreached: u32,
    /// When it was last compared.
    pub last_at: Time,
}

impl ShadowTally {
    /// The shadows that an agent had last, ten at most, the one that was compared last first.
    pub fn of<'a>(
        agent: &AgentName,
        incidents: impl IntoIterator<Item = &'a Incident>,
    ) -> Vec<Self> {
        let me = format!("agent:{agent}");
        let mut tallies: BTreeMap<(&[String], &str), Self> = BTreeMap::new();
        let entries = incidents.into_iter().flat_map(|one| &one.timeline);
        for entry in entries.filter(|entry| entry.by == me) {
            let Some(shadowed) = &entry.shadow else {
                continue;
            };
            let tally = tallies.entry((&shadowed.planner, &shadowed.prompt));
            let tally = tally.or_insert_with(|| Self::new(shadowed));
            tally.count(shadowed, entry.at);
        }
        let mut tallies: Vec<Self> = tallies.into_values().collect();
        tallies.sort_by_key(|tally| std::cmp::Reverse(tally.last_at));
        tallies.truncate(TALLIES);
        tallies
    }

    /// Situations in which it was heard.
    #[must_use]
    pub const fn heard(&self) -> u32 {
        self.same
            .saturating_add(self.other_outcome)
            .saturating_add(self.other_cause)
            .saturating_add(self.other_calls)
    }

    /// In words, for people.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = format!(
            "{} of {} the same; {} another outcome, {} another cause, {} other calls; {} not heard",
            self.same,
            self.heard(),
            self.other_outcome,
            self.other_cause,
            self.other_calls,
            self.unheard
        );
        if self.overreached > 0 {
            words.push_str(&format!("; {} asked beyond its reach", self.overreached));
        }
        words
    }

    fn new(shadowed: &Shadowed) -> Self {
        Self {
            planner: shadowed.planner.clone(),
            prompt: shadowed.prompt.clone(),
            same: 0,
            other_outcome: 0,
            other_cause: 0,
            other_calls: 0,
            unheard: 0,
            overreached: 0,
            last_at: Time(0),
        }
    }

    fn count(&mut self, shadowed: &Shadowed, at: Time) {
        self.overreached = self
            .overreached
            .saturating_add(u32::from(shadowed.overreached));
        let counter = match shadowed.agreement {
            Agreement::Same => &mut self.same,
            Agreement::OtherOutcome => &mut self.other_outcome,
            Agreement::OtherCause => &mut self.other_cause,
            Agreement::OtherCalls => &mut self.other_calls,
            Agreement::Unheard => &mut self.unheard,
        };
        *counter = counter.saturating_add(1);
        self.last_at = self.last_at.max(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Entry, IncidentState};

    fn entry(at: u64, by: &str, model: &str, agreement: Agreement) -> Entry {
        Entry {
            at: Time(at),
            by: by.into(),
            what: String::new(),
            shadow: Some(Shadowed {
                planner: vec![model.into()],
                prompt: "00".into(),
                agreement,
                overreached: model == "b:y",
            }),
        }
    }

    fn incident(timeline: Vec<Entry>) -> Incident {
        Incident {
            id: "inc_1".parse().unwrap(),
            service: "cart".parse().unwrap(),
            state: IncidentState::Open,
            title: String::new(),
            opened_by: "agent:healer".into(),
            opened_at: Time(0),
            began_at: Time(0),
            closed_at: None,
            cause: None,
            proposals: Vec::new(),
            timeline,
            symptoms: std::collections::BTreeSet::new(),
            correction: None,
        }
    }

    #[test]
    fn each_shadow_is_counted_by_itself_and_nobody_elses_word_counts() {
        let incidents = [
            incident(vec![
                entry(1, "agent:healer", "a:x", Agreement::Same),
                entry(2, "agent:healer", "a:x", Agreement::OtherCause),
                entry(3, "user:root", "a:x", Agreement::Same),
            ]),
            incident(vec![
                entry(5, "agent:healer", "b:y", Agreement::Unheard),
                entry(4, "agent:healer", "a:x", Agreement::OtherCalls),
            ]),
        ];
        let tallies = ShadowTally::of(&AgentName::new("healer").unwrap(), &incidents);
        let words: Vec<(String, String)> = tallies
            .iter()
            .map(|tally| (tally.planner.join(" "), tally.in_words()))
            .collect();
        let said = |model: &str, words: &str| (model.to_owned(), words.to_owned());
        assert_eq!(
            words,
            [
                said(
                    "b:y",
                    "0 of 0 the same; 0 another outcome, 0 another cause, 0 other calls; 1 not heard; 1 asked beyond its reach"
                ),
                said(
                    "a:x",
                    "1 of 3 the same; 0 another outcome, 1 another cause, 1 other calls; 0 not heard"
                ),
            ]
        );
    }
}
