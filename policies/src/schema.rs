//! The Cedar schema, generated from the list of actions: a tool that exists is an action that policies can name.

use std::sync::{Arc, Mutex, PoisonError};

use cedar_policy::{Entities, Schema};

use crate::{bundle::BundleError, request::Action};

/// The classes of actions; each is a Cedar action group, named `CLASS tools` so that no tool can take its name.
pub const GROUPS: [&str; 7] = [
    "read",
    "read_data",
    "change",
    "act",
    "record",
    "approve",
    "admin",
];

const TYPES: &str = r#"// Who asks.
entity Role;
entity User in [Role];
entity Assistant in [Role];
entity Agent in [Role];
entity System;

// About what.
entity Fleet;
entity Namespace;
entity Service in [Namespace];

// What is known of an agent that calls: its standing, its certificate (shares in thousandths, the less
// favourable bound of their 95 % interval) and its record since it was promoted.
type AgentFacts = {
    paused: Bool,
    autonomous: Bool,
    certificate: {
        cases: Long,
        passed: Long,
        mended: Long,
        false_alarms: Long,
        minor: Long,
        major: Long,
        catastrophic: Long,
        unauthorised: Long,
        age_days: Long,
    },
    record: {
        verified: Long,
        undone: Long,
        overruled: Long,
    },
};

// What is known of the change that a call would make, and of the moment.
type Facts = {
    kinds: Set<String>,
    services: Long,
    replicas_from: Long,
    replicas_to: Long,
    replicas_delta: Long,
    fleet_share: Long,
    blast_radius: Long,
    stateful: Bool,
    host_paths: Bool,
    destructive: Bool,
    replaces_instances: Bool,
    memory_percent: Long,
    undoes_own: Bool,
    frozen: Bool,
    changes_last_hour: Long,
    second_admin: Bool,
    emergency: Bool,
    agent: AgentFacts,
    approvals: Set<String>,
    hour_utc: Long,
    weekday: Long,
};

"#;

/// The schema as Cedar text.
///
/// # Errors
/// When an action's name is taken by a class or by another action, or its class does not exist.
pub fn schema_text(actions: &[Action]) -> Result<String, BundleError> {
    let mut text = String::from(TYPES);
    for group in GROUPS {
        text.push_str(&format!("action \"{group} tools\";\n"));
    }
    let mut seen = std::collections::BTreeSet::new();
    for Action { name, group } in actions {
        check(name, group, seen.insert(name.as_str()))?;
        text.push_str(&format!(
            "action \"{name}\" in [\"{group} tools\"] appliesTo {{\n    principal: [User, Assistant, Agent, System],\n    \
             resource: [Service, Namespace, Fleet],\n    context: Facts,\n}};\n"
        ));
    }
    Ok(text)
}

/// A schema that was read.
#[derive(Debug)]
pub(crate) struct Known {
    /// As text.
    pub(crate) text: String,
    /// As the validator wants it.
    pub(crate) schema: Schema,
    /// The actions with their groups.
    pub(crate) actions: Entities,
}

/// The schema of these actions. A process has one catalogue, and reading its schema takes longer than reading a
/// whole bundle: the last one is kept.
pub(crate) fn known(actions: &[Action]) -> Result<Arc<Known>, BundleError> {
    static LAST: Mutex<Option<Arc<Known>>> = Mutex::new(None);
    let text = schema_text(actions)?;
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = last.as_ref().filter(|known| known.text == text) {
        return Ok(Arc::clone(known));
    }
    let refuse = |error: &dyn std::fmt::Display| BundleError::Schema(error.to_string());
    let (schema, _) = Schema::from_cedarschema_str(&text).map_err(|error| refuse(&error))?;
    let actions = schema.action_entities().map_err(|error| refuse(&error))?;
    let known = Arc::new(Known {
        text,
        schema,
        actions,
    });
    *last = Some(Arc::clone(&known));
    Ok(known)
}

fn check(name: &str, group: &str, new: bool) -> Result<(), BundleError> {
    let problem = if !new {
        "is listed twice"
    } else if !GROUPS.contains(&group) {
        "has a class that does not exist"
    } else if name.is_empty()
        || !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    {
        "is not written in lower-case letters, digits and underscores"
    } else {
        return Ok(());
    };
    Err(BundleError::Action {
        name: name.to_owned(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_not_be_written_are_refused() {
        for (name, group) in [
            ("x y", "read"),
            ("x", "nonsense"),
            ("x\"y", "read"),
            ("", "read"),
        ] {
            assert!(
                schema_text(&[Action::new(name, group)]).is_err(),
                "{name} {group}"
            );
        }
        assert!(schema_text(&[Action::new("x", "read"), Action::new("x", "change")]).is_err());
        assert!(
            schema_text(&[Action::new("x", "read")])
                .unwrap()
                .contains("action \"x\" in [\"read tools\"]")
        );
    }
}
