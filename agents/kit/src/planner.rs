//! Who thinks: from a situation to a verdict. Rules and language models stand behind the same trait.

use std::{collections::BTreeSet, fmt};

use async_trait::async_trait;
use ostler_core::{incident::Cause, proposal::ProposalBody};

use crate::{reader::Reader, situation::Situation, text};

/// Below this confidence, a cause is named but nothing is proposed.
pub const ACT_FROM: f64 = 0.6;

/// What a planner concluded.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Nothing is wrong that rules of the core do not settle.
    Healthy,
    /// Something is wrong, but there is no safe action, or evidence does not settle the cause.
    Unresolved {
        /// What was ruled out, or what a person should do.
        why: String,
        /// The cause, where one is believed in.
        cause: Option<Box<Cause>>,
        /// Whether a person should be called now rather than after more looks.
        person: bool,
    },
    /// What to do about it.
    Proposal(Box<ProposalBody>),
}

/// A verdict, and how it was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Thought {
    /// What was concluded.
    pub verdict: Verdict,
    /// Who concluded it.
    pub mind: Mind,
}

/// Who thought, for the incident's record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mind {
    /// `rules`, or endpoint and model such as `openai:gpt-5-mini`.
    pub planner: String,
    /// SHA-256 of the prompt's file, in hex, where a model was asked.
    pub prompt: Option<String>,
    /// How often a model answered in this turn, planners that were passed over included.
    pub rounds: u32,
    /// Tokens that went in, as models counted them.
    pub tokens_in: u64,
    /// Tokens that came out.
    pub tokens_out: u64,
    /// Planners that were asked before and gave no verdict, each with why.
    pub passed_over: Vec<String>,
    /// What was to be asked before the rules, where anything was.
    pub choice: Option<Choice>,
    /// Tools that a model asked for and may not use: it was misled, or is not fit for this.
    pub overreached: BTreeSet<String>,
}

/// What an operator chose for an agent to plan with, beside its rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Models in the order in which they are asked, as `endpoint:model`.
    pub models: Vec<String>,
    /// SHA-256 of what they are told, in hex.
    pub prompt: String,
}

impl Mind {
    /// Rules alone.
    #[must_use]
    pub fn rules() -> Self {
        Self {
            planner: RULES.to_owned(),
            ..Self::default()
        }
    }

    /// Whether nothing but rules was asked: then there is nothing to tell.
    #[must_use]
    pub fn is_rules_alone(&self) -> bool {
        self.planner == RULES && self.passed_over.is_empty()
    }
}

/// The name of the planner that needs no model.
pub const RULES: &str = "rules";

impl fmt::Display for Mind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "planned by {}", self.planner)?;
        if let Some(prompt) = &self.prompt {
            write!(f, " with prompt {}", text::cut(prompt, 12))?;
        }
        if self.rounds > 0 {
            write!(
                f,
                "; {} rounds, {} tokens in, {} out",
                self.rounds, self.tokens_in, self.tokens_out
            )?;
        }
        if !self.overreached.is_empty() {
            let names: Vec<&str> = self.overreached.iter().map(String::as_str).collect();
            let names = names.join(", ");
            write!(f, "; it asked for tools beyond its reach: {names}")?;
        }
        for why in &self.passed_over {
            write!(f, "; passed over {why}")?;
        }
        Ok(())
    }
}

impl Thought {
    /// What rules concluded.
    #[must_use]
    pub fn by_rules(verdict: Verdict) -> Self {
        Self {
            verdict,
            mind: Mind::rules(),
        }
    }
}

/// Why a planner gave no verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot plan: {0}")]
pub struct PlannerError(pub String);

/// Thinks about one situation. It may look further through the reader and does nothing else.
#[async_trait]
pub trait Planner: Send + Sync {
    /// Concludes.
    ///
    /// # Errors
    /// [`PlannerError`] when no verdict could be reached at all; the incident stays open.
    async fn think(
        &self,
        situation: &Situation,
        reader: &Reader<'_>,
    ) -> Result<Thought, PlannerError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_who_thought_and_who_did_not() {
        let mind = Mind {
            planner: "rules".into(),
            prompt: Some("0123456789abcdef".into()),
            rounds: 2,
            tokens_in: 900,
            tokens_out: 80,
            passed_over: vec!["openai:gpt (the connection broke)".into()],
            choice: None,
            overreached: BTreeSet::from(["approve".into()]),
        };
        assert_eq!(
            mind.to_string(),
            "planned by rules with prompt 0123456789a…; 2 rounds, 900 tokens in, 80 out; \
             it asked for tools beyond its reach: approve; passed over openai:gpt (the connection broke)"
        );
        assert!(Mind::rules().is_rules_alone() && !mind.is_rules_alone());
    }
}
