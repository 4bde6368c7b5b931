//! Invariants as data, and what the gate never asks.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};
use ostler_policies::{Action, Bundle, BundleError, Engine, Source};
use serde_json::Value;

use crate::solver::ProveError;

/// Whether what a law matches is never allowed, or always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `forbid`: none of it may ever be allowed.
    Never,
    /// A `permit`: all of it must always be allowed.
    Always,
}

/// One invariant.
#[derive(Debug, Clone)]
pub struct Law {
    /// Its `@id`.
    pub id: String,
    /// Its `@words`: what must be true.
    pub words: String,
    /// Its `@means`: why it matters, where it is said.
    pub means: Option<String>,
    /// Never or always.
    pub kind: Kind,
    /// `@hard`: no permit that anybody adds can break it, because forbids hold it.
    pub hard: bool,
    /// What it is about, as a permit.
    pub(crate) matches: Policy,
}

/// The invariants of a bundle, and what the gate never asks.
#[derive(Debug, Clone)]
pub struct Laws {
    /// In order of id.
    pub laws: Vec<Law>,
    /// Forbids of what the gate never asks.
    pub(crate) given: Vec<Policy>,
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../invariants/", $name)))),*]
    };
}

impl Laws {
    /// The texts that ship with Ostler.
    #[must_use]
    pub fn embedded() -> Bundle {
        let files = embedded!(
            "agents.cedar",
            "assistants.cedar",
            "changes.cedar",
            "given.cedar",
            "people.cedar",
        );
        let source = |(name, text): (&str, &str)| Source {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        Bundle::new(files.map(source).into())
    }

    /// Reads invariants, for the requests that a gate with this engine makes.
    ///
    /// # Errors
    /// Any mistake in any file.
    pub fn read(texts: &Bundle, actions: &[Action], engine: &Engine) -> Result<Self, ProveError> {
        let set = texts.policies(actions)?;
        let mut read = Self {
            laws: Vec::new(),
            given: named_are_no_guests(engine)?.into_iter().collect(),
        };
        for policy in set.policies() {
            if policy.annotation("given").is_some() {
                read.given.push(given(policy)?);
            } else {
                read.laws.push(law(policy)?);
            }
        }
        read.laws.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(read)
    }
}

fn law(policy: &Policy) -> Result<Law, ProveError> {
    let said = |key: &str| policy.annotation(key).map(|text| text.trim().to_owned());
    Ok(Law {
        id: id_of(policy),
        words: said("words").unwrap_or_default(),
        means: said("means"),
        kind: match policy.effect() {
            Effect::Forbid => Kind::Never,
            Effect::Permit => Kind::Always,
        },
        hard: policy.annotation("hard").is_some(),
        matches: as_permit(policy)?,
    })
}

/// What is given is written as what is never asked.
fn given(policy: &Policy) -> Result<Policy, ProveError> {
    match policy.effect() {
        Effect::Forbid => Ok(policy.clone()),
        Effect::Permit => Err(BundleError::Annotation {
            policy: format!("`{}`", policy.id()),
            file: "the invariants".to_owned(),
            problem: "has `@given` and permits; write what is never asked, as a forbid",
        }
        .into()),
    }
}

/// The engine lets agents that some policy names stand in no role.
fn named_are_no_guests(engine: &Engine) -> Result<Option<Policy>, ProveError> {
    let named = engine.named_agents();
    if named.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = named
        .iter()
        .map(|name| format!("Agent::{name:?}"))
        .collect();
    let text = format!(
        "forbid (principal is Agent, action, resource) when {{ [{}].contains(principal) && principal in Role::\"guest\" }};",
        names.join(", ")
    );
    let id = Some(PolicyId::new("given-named-agents"));
    let policy = Policy::parse(id, text).map_err(|error| ProveError::form(&error))?;
    Ok(Some(policy))
}

/// The same policy as a permit: what it matches.
pub(crate) fn as_permit(policy: &Policy) -> Result<Policy, ProveError> {
    let mut json = policy.to_json().map_err(|error| ProveError::form(&error))?;
    if let Some(fields) = json.as_object_mut() {
        fields.insert("effect".to_owned(), Value::from("permit"));
    }
    let id = Some(policy.id().clone());
    Policy::from_json(id, json).map_err(|error| ProveError::form(&error))
}

pub(crate) fn id_of(policy: &Policy) -> String {
    AsRef::<str>::as_ref(policy.id()).to_owned()
}

/// A set of these.
pub(crate) fn set<'a>(
    policies: impl IntoIterator<Item = &'a Policy>,
) -> Result<PolicySet, ProveError> {
    PolicySet::from_policies(policies.into_iter().cloned())
        .map_err(|error| ProveError::form(&error))
}
