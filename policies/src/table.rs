//! Decision tables: cases in YAML, each a call with what policy must say of it.

use std::collections::BTreeSet;

use ostler_core::{id::ServiceKey, time::Time};
use serde::{Deserialize, Serialize};

use crate::{
    engine::Engine,
    request::{Facts, Request, Verdict, Who},
};

/// One row: a call and what must be decided of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in words.
    pub name: String,
    /// `user ROLE…`, `assistant ROLE…`, `agent NAME` or `system`.
    pub who: String,
    /// The tool.
    pub action: String,
    /// The service that it is about, `shop/cart` unless it matters.
    #[serde(default = "some_service")]
    pub service: String,
    /// What would change; what is left out is nothing.
    #[serde(default)]
    pub facts: Facts,
    /// Roles of which somebody said yes.
    #[serde(default)]
    pub approvals: BTreeSet<String>,
    /// When, in milliseconds since the epoch; a Wednesday afternoon unless it matters.
    #[serde(default = "some_day")]
    pub at: u64,
    /// `allow`, `deny`, or whose yes it needs: `admin`, `operator or admin`, `operator and admin`.
    pub expect: String,
    /// Every policy that must have spoken; not looked at when absent.
    pub by: Option<BTreeSet<String>>,
}

/// Why a table cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is not YAML, or not of the form.
    #[error("this is no decision table")]
    Form(#[source] Box<serde_saphyr::Error>),
    /// A case names something that cannot be.
    #[error("case `{case}`: `{value}` is no {what}")]
    Value {
        /// Which case.
        case: String,
        /// What is wrong.
        value: String,
        /// What it should be.
        what: &'static str,
    },
}

/// A row that is decided otherwise than it must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// The row's name.
    pub case: String,
    /// What it must be.
    pub expected: String,
    /// What it is.
    pub decided: String,
    /// The policies that spoke.
    pub by: BTreeSet<String>,
    /// Those that must have, where that is what is wrong.
    pub expected_by: Option<BTreeSet<String>>,
}

/// Reads a table.
///
/// # Errors
/// When it is not of the form.
pub fn read_table(text: &str) -> Result<Vec<Case>, TableError> {
    serde_saphyr::from_str(text).map_err(|error| TableError::Form(Box::new(error)))
}

impl Case {
    /// What is wrong with this row, if anything.
    ///
    /// # Errors
    /// When the row names a caller, tool or service that cannot be.
    pub fn miss(&self, engine: &Engine) -> Result<Option<Miss>, TableError> {
        if !engine.knows(&self.action) {
            return Err(self.wrong(&self.action, "tool"));
        }
        let decision = engine.decide(&self.request()?);
        let by = decision
            .policies
            .iter()
            .map(|reason| reason.id.clone())
            .collect();
        let decided = in_words(&decision.verdict);
        let expected_by = self.by.clone().filter(|expected| *expected != by);
        let miss = Miss {
            case: self.name.clone(),
            expected: self.expect.clone(),
            decided,
            by,
            expected_by,
        };
        let missed = miss.decided != miss.expected || miss.expected_by.is_some();
        Ok(missed.then_some(miss))
    }

    /// The question that this row asks.
    ///
    /// # Errors
    /// When it names a caller or service that cannot be.
    pub fn request(&self) -> Result<Request, TableError> {
        let service: ServiceKey = self
            .service
            .parse()
            .map_err(|_| self.wrong(&self.service, "service"))?;
        Ok(Request {
            who: self.who()?,
            action: self.action.clone(),
            services: vec![service],
            namespace: None,
            facts: self.facts.clone(),
            approvals: self.approvals.clone(),
            now: Time(self.at),
        })
    }

    fn who(&self) -> Result<Who, TableError> {
        let (kind, rest) = self.who.split_once(' ').unwrap_or((&self.who, ""));
        let roles = rest.split_whitespace().map(ToOwned::to_owned).collect();
        match kind {
            "agent" => {
                let name = rest
                    .parse()
                    .map_err(|_| self.wrong(rest, "name of an agent"))?;
                Ok(Who::Agent(name))
            }
            "system" => Ok(Who::System),
            "assistant" => Ok(Who::Assistant {
                of: "ann".to_owned(),
                roles,
            }),
            "user" => Ok(Who::User {
                name: "ann".to_owned(),
                roles,
            }),
            other => Err(self.wrong(
                other,
                "kind of caller (`user`, `assistant`, `agent`, `system`)",
            )),
        }
    }

    fn wrong(&self, value: &str, what: &'static str) -> TableError {
        TableError::Value {
            case: self.name.clone(),
            value: value.to_owned(),
            what,
        }
    }
}

/// A verdict as tables write it.
#[must_use]
pub fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Allow => "allow".to_owned(),
        Verdict::Deny => "deny".to_owned(),
        Verdict::NeedsApproval { roles, any } => roles.join(if *any { " or " } else { " and " }),
    }
}

fn some_service() -> String {
    "shop/cart".to_owned()
}

fn some_day() -> u64 {
    1_795_000_000_000
}
