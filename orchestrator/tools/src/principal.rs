//! Who calls.

use std::fmt;

use ostler_core::id::AgentName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An authenticated caller. Made by transports from proof (peer credentials, a token, a pipe that
/// the supervisor holds), never from anything the caller says.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Principal {
    /// A person or a program acting for one.
    User {
        /// Login name or token name.
        name: String,
        /// What they may be.
        roles: Vec<Role>,
    },
    /// A program that acts for a person, such as a language model on their desk: it looks and asks,
    /// never as more than the person, and never says yes.
    Assistant {
        /// The person's name.
        of: String,
        /// What it may be, of what the person may be.
        roles: Vec<Role>,
    },
    /// One of the supervised agents.
    Agent {
        /// Its registered name.
        name: AgentName,
    },
    /// The core's own rules.
    System,
    /// Nobody proved who they are. Denied whatever they ask.
    Anonymous,
}

impl Principal {
    /// This person's assistant with at most this role: only what the person may be, never an admin.
    /// Nothing where nothing is left, or where it is no person.
    #[must_use]
    pub fn assistant(&self, most: Role) -> Option<Self> {
        let Self::User { name, roles } = self else {
            return None;
        };
        let fits = |role: &&Role| **role <= most && **role < Role::Admin;
        let roles: Vec<Role> = roles.iter().filter(fits).copied().collect();
        (!roles.is_empty()).then(|| Self::Assistant {
            of: name.clone(),
            roles,
        })
    }
}

/// What a user may be. Roles do not include each other; policies say what each may do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes services, approves agents' proposals.
    Operator,
    /// Rules over agents, tokens, policy.
    Admin,
}

impl Role {
    /// Its name in policies and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User { name, .. } => write!(f, "user:{name}"),
            Self::Assistant { of, .. } => write!(f, "assistant:{of}"),
            Self::Agent { name } => write!(f, "agent:{name}"),
            Self::System => f.write_str("system"),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assistant_is_never_more_than_its_person() {
        let user = |roles: &[Role]| Principal::User {
            name: "ann".to_owned(),
            roles: roles.to_vec(),
        };
        let all = [Role::Viewer, Role::Operator, Role::Admin];
        for most in all {
            for person in [&all[..], &all[..1], &all[1..2], &all[2..], &[]] {
                match user(person).assistant(most) {
                    Some(Principal::Assistant { roles, .. }) => {
                        assert!(!roles.is_empty() && !roles.contains(&Role::Admin));
                        assert!(
                            roles
                                .iter()
                                .all(|role| person.contains(role) && *role <= most)
                        );
                    }
                    Some(other) => panic!("{other:?}"),
                    None => assert!(
                        person
                            .iter()
                            .all(|role| *role > most || *role == Role::Admin)
                    ),
                }
            }
        }
        assert_eq!(Principal::System.assistant(Role::Viewer), None);
        assert_eq!(Principal::Anonymous.assistant(Role::Viewer), None);
    }
}
