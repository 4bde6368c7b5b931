//! Names and ids. Parsed once at the edge; after that they are always well-formed.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A name or id that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a valid {what}: {accepted}")]
pub struct InvalidName {
    /// Which kind of name was being parsed.
    pub what: &'static str,
    /// What was given, cut to 80 characters.
    pub value: String,
    /// What would have been accepted.
    pub accepted: &'static str,
}

const LABEL: &str = "use 1 to 63 lower-case letters, digits and hyphens, starting with a letter, not ending with a hyphen";

fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.last().is_some_and(|last| *last != b'-')
        && bytes
            .iter()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
}

const NODE: &str = "use 1 to 253 lower-case letters, digits, hyphens and dots";

fn is_node(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

const TAIL: &str = "use letters, digits and hyphens after the prefix, 80 characters at most";

fn is_prefixed(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|tail| {
        !tail.is_empty()
            && text.len() <= 80
            && tail
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $accepted:expr, $pattern:literal, $test:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String", extend("pattern" = $pattern))]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses and checks; the error says what is accepted.
            ///
            /// # Errors
            /// [`InvalidName`] when the text is not of the accepted form.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
                let text = text.as_ref();
                let accept: fn(&str) -> bool = $test;
                if accept(text) {
                    return Ok(Self(text.into()));
                }
                Err(InvalidName { what: $what, value: text.chars().take(80).collect(), accepted: $accepted })
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a service within its namespace; a DNS label, so it resolves between instances.
    ServiceName, "service name", LABEL, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", is_label);
name!(
    /// A namespace: the unit that policies speak of.
    Namespace, "namespace", LABEL, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", is_label);
name!(
    /// The name of a secret within its namespace.
    SecretName, "secret name", LABEL, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", is_label);
name!(
    /// An agent's registered name.
    AgentName, "agent name", LABEL, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", is_label);
name!(
    /// What people call a freeze of changes.
    FreezeName, "freeze name", LABEL, "^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$", is_label);
name!(
    /// A machine that runs instances.
    NodeName, "node name", NODE, "^[a-z0-9.-]{1,253}$", is_node);
name!(
    /// One running container of a service: the service's name, a hyphen and eight characters.
    InstanceId, "instance id", "use lower-case letters, digits and hyphens, 80 at most",
    "^[a-z][a-z0-9-]{0,79}$", |text| text.len() <= 80
        && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'));
name!(
    /// An incident: `inc_…`.
    IncidentId, "incident id", TAIL, "^inc_[a-z0-9-]{1,76}$", |text| is_prefixed(text, "inc_"));
name!(
    /// A proposal: `prp_…`.
    ProposalId, "proposal id", TAIL, "^prp_[a-z0-9-]{1,76}$", |text| is_prefixed(text, "prp_"));
name!(
    /// An approval: `apr_…`.
    ApprovalId, "approval id", TAIL, "^apr_[a-z0-9-]{1,76}$", |text| is_prefixed(text, "apr_"));
name!(
    /// One recorded tool call, which evidence can cite: `call_…`.
    CallId, "call id", TAIL, "^call_[a-z0-9-]{1,75}$", |text| is_prefixed(text, "call_"));

impl Default for Namespace {
    fn default() -> Self {
        Self("default".into())
    }
}

/// A service's full name, written `namespace/name`; a bare `name` means namespace `default`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ServiceKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The name within it.
    pub name: ServiceName,
}

impl ServiceKey {
    /// Joins a namespace and a name.
    #[must_use]
    pub fn new(namespace: Namespace, name: ServiceName) -> Self {
        Self { namespace, name }
    }
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.namespace, self.name))
    }
}

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}/{}\"", self.namespace, self.name)
    }
}

impl FromStr for ServiceKey {
    type Err = InvalidName;
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Namespace::new(namespace)?, name),
            None => (Namespace::default(), text),
        };
        Ok(Self {
            namespace,
            name: ServiceName::new(name)?,
        })
    }
}

impl TryFrom<String> for ServiceKey {
    type Error = InvalidName;
    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ServiceKey> for String {
    fn from(key: ServiceKey) -> String {
        key.to_string()
    }
}

/// The revision of the whole intent: one more with every committed change.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Revision(pub u64);

/// The generation of one service's spec: one more with every change that must replace instances.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
