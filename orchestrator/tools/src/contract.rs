//! What a tool is.

use std::borrow::Cow;

use ostler_core::{
    change::Change,
    id::{Namespace, ServiceKey},
};
use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{query::Query, record::RecordChange, schema, view::View};

/// One tool, described once. Each tool's file implements it; [`Tool`] is its erased form.
pub trait Describe {
    /// What it takes. Unknown fields are refused (`#[serde(deny_unknown_fields)]`).
    type Args: DeserializeOwned + JsonSchema;
    /// What it answers.
    type Answer: Serialize + JsonSchema;
    /// The name: MCP tool, Cedar action, audit entry.
    const NAME: &'static str;
    /// A few words for people.
    const TITLE: &'static str;
    /// What it does, for people and models; says units and limits.
    const DESCRIPTION: &'static str;
    /// What sort of thing it does.
    const CLASS: Class;
    /// Whether it may delete or interrupt (an MCP hint; the gate never reads it).
    const DESTRUCTIVE: bool = false;
    /// Whether doing it twice does no more (an MCP hint; the gate never reads it).
    const IDEMPOTENT: bool = true;
    /// JSON pointers of arguments that must never be recorded or shown.
    const SECRET_ARGS: &'static [&'static str] = &[];
    /// Whether arguments hold calls of other tools (`tool` beside `arguments`), whose secrets must
    /// never be recorded or shown either.
    const CARRIES_CALLS: bool = false;

    /// What this call would do. Pure.
    ///
    /// # Errors
    /// [`Refusal`] says what is wrong with the arguments and what would be accepted.
    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal>;
}

/// What sort of thing a tool does. Cedar action groups carry these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Looks.
    Read,
    /// Looks at what workloads wrote: logs, files.
    ReadData,
    /// Changes the intent.
    Change,
    /// Acts inside a running instance, or on the image store.
    Act,
    /// Writes incidents and proposals: an agent's paperwork.
    Record,
    /// Says yes or no to somebody's request.
    Approve,
    /// Rules over agents, tokens, policy.
    Admin,
}

impl Class {
    /// Every class, in order.
    pub const ALL: [Class; 7] = [
        Self::Read,
        Self::ReadData,
        Self::Change,
        Self::Act,
        Self::Record,
        Self::Approve,
        Self::Admin,
    ];

    /// Its Cedar action group.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::ReadData => "read_data",
            Self::Change => "change",
            Self::Act => "act",
            Self::Record => "record",
            Self::Approve => "approve",
            Self::Admin => "admin",
        }
    }
}

/// What a call would do.
#[derive(Debug, Clone)]
pub enum Decided {
    /// Nothing but answer, from the view.
    Answer {
        /// The answer.
        answer: Value,
        /// What it is about.
        about: About,
    },
    /// Ask the world; the answer comes from there.
    Query {
        /// What to ask.
        query: Query,
        /// What it is about.
        about: About,
    },
    /// Move the intent.
    Change(Change),
    /// Move incidents, proposals, approvals, tokens.
    Record {
        /// What to move.
        record: RecordChange,
        /// What it is about.
        about: About,
    },
}

/// What a call is about, for the policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The services it reads or touches; none means the fleet.
    pub services: Vec<ServiceKey>,
    /// The namespace, where it speaks of one without a service.
    pub namespace: Option<Namespace>,
}

impl About {
    /// About the whole fleet.
    #[must_use]
    pub fn fleet() -> Self {
        Self::default()
    }

    /// About one service.
    #[must_use]
    pub fn service(service: &ServiceKey) -> Self {
        Self {
            services: vec![service.clone()],
            namespace: None,
        }
    }
}

/// Arguments that were refused, in words that a person or a model can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct Refusal {
    /// What is wrong and what would be accepted.
    pub problem: Cow<'static, str>,
}

impl Refusal {
    /// A refusal in these words.
    pub fn new(problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            problem: problem.into(),
        }
    }
}

impl From<ostler_core::change::Refused> for Refusal {
    fn from(refused: ostler_core::change::Refused) -> Self {
        Self::new(refused.to_string())
    }
}

/// A tool in erased form: what the gate, the CLI and the generators walk.
#[derive(Clone, Copy)]
pub struct Tool {
    /// See [`Describe::NAME`].
    pub name: &'static str,
    /// See [`Describe::TITLE`].
    pub title: &'static str,
    /// See [`Describe::DESCRIPTION`].
    pub description: &'static str,
    /// See [`Describe::CLASS`].
    pub class: Class,
    /// See [`Describe::DESTRUCTIVE`].
    pub destructive: bool,
    /// See [`Describe::IDEMPOTENT`].
    pub idempotent: bool,
    /// See [`Describe::SECRET_ARGS`].
    pub secret_args: &'static [&'static str],
    /// See [`Describe::CARRIES_CALLS`].
    pub carries_calls: bool,
    /// JSON Schema of the arguments.
    pub input_schema: fn() -> Value,
    /// JSON Schema of the answer.
    pub output_schema: fn() -> Value,
    /// Parses the arguments and decides.
    pub decide: fn(&View<'_>, Value) -> Result<Decided, Refusal>,
}

impl Tool {
    /// Whether a proposal may call it: it changes the intent, so that it can be tried on a fork and
    /// taken back, and it takes no secret, because proposals are shown and kept.
    #[must_use]
    pub fn may_be_proposed(&self) -> bool {
        self.class == Class::Change && self.secret_args.is_empty()
    }
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tool")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The erased form of a described tool.
#[must_use]
pub const fn tool<D: Describe>() -> Tool {
    Tool {
        name: D::NAME,
        title: D::TITLE,
        description: D::DESCRIPTION,
        class: D::CLASS,
        destructive: D::DESTRUCTIVE,
        idempotent: D::IDEMPOTENT,
        secret_args: D::SECRET_ARGS,
        carries_calls: D::CARRIES_CALLS,
        input_schema: schema::of_arguments::<D::Args>,
        output_schema: schema::of_answer::<D::Answer>,
        decide: decide_erased::<D>,
    }
}

fn decide_erased<D: Describe>(view: &View<'_>, args: Value) -> Result<Decided, Refusal> {
    let args = serde_json::from_value(args).map_err(|error| {
        Refusal::new(format!(
            "the arguments of `{}` are not accepted: {error}",
            D::NAME
        ))
    })?;
    D::decide(view, args)
}
