//! What a request for a yes rests on: how everything it touches stood when it was asked. Hashes
//! only; a secret enters as the hash of its encrypted value.

use std::collections::BTreeMap;

use ostler_core::{
    id::{AgentName, Generation, NodeName, ServiceKey},
    intent::SecretKey,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the touched things stood. Absent things are kept as absent: something made meanwhile counts
/// as a change too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Base {
    /// The version of the policies.
    pub policies: String,
    /// Services.
    #[serde(default)]
    pub services: BTreeMap<ServiceKey, Option<Stand>>,
    /// Secrets: the SHA-256 of the encrypted value, hexadecimal.
    #[serde(default)]
    pub secrets: BTreeMap<SecretKey, Option<String>>,
    /// Nodes: `takes instances`, `cordoned`, `draining`.
    #[serde(default)]
    pub nodes: BTreeMap<NodeName, String>,
    /// Agents: paused, acting with a person's yes, or alone on which certificate.
    #[serde(default, rename = "agent_stands")]
    pub agents: BTreeMap<AgentName, String>,
}

/// How a service stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stand {
    /// Its generation.
    pub generation: Generation,
    /// Wanted instances; not of a service whose load says how many that are.
    pub replicas: Option<u32>,
    /// Fewest instances.
    pub min: u32,
    /// Most instances.
    pub max: u32,
    /// SHA-256 of its labels, hexadecimal.
    pub labels: String,
    /// SHA-256 of its spec without the bounds, hexadecimal.
    pub spec: String,
}

impl Base {
    /// What stands otherwise in `now`, in words; none where all stands as it did.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.policies != now.policies {
            found.push("the policies".to_owned());
        }
        for (key, before) in &self.services {
            let after = now.services.get(key).and_then(Option::as_ref);
            found.extend(service(key, before.as_ref(), after));
        }
        let secrets = differing(&self.secrets, &now.secrets);
        found.extend(secrets.map(|key| format!("the value of secret `{key}`")));
        found.extend(differing(&self.nodes, &now.nodes).map(|name| format!("node `{name}`")));
        found.extend(differing(&self.agents, &now.agents).map(|name| format!("agent `{name}`")));
        found
    }

    /// Takes in how something stood that is not known here yet; what is known stays.
    pub fn absorb(&mut self, other: Self) {
        if self.policies.is_empty() {
            self.policies = other.policies;
        }
        keep(&mut self.services, other.services);
        keep(&mut self.secrets, other.secrets);
        keep(&mut self.nodes, other.nodes);
        keep(&mut self.agents, other.agents);
    }
}

fn keep<K: Ord, V>(known: &mut BTreeMap<K, V>, more: BTreeMap<K, V>) {
    for (key, value) in more {
        known.entry(key).or_insert(value);
    }
}

fn differing<'m, K: Ord, V: PartialEq>(
    before: &'m BTreeMap<K, V>,
    after: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = &'m K> {
    before
        .iter()
        .filter(|(key, value)| after.get(*key) != Some(*value))
        .map(|(key, _)| key)
}

fn service(key: &ServiceKey, before: Option<&Stand>, after: Option<&Stand>) -> Option<String> {
    let (Some(before), Some(after)) = (before, after) else {
        return match (before, after) {
            (None, Some(_)) => Some(format!("service `{key}`, which exists now")),
            (Some(_), None) => Some(format!("service `{key}`, which is gone")),
            _ => None,
        };
    };
    let parts = [
        ("spec", before.spec != after.spec),
        ("labels", before.labels != after.labels),
        ("bounds", (before.min, before.max) != (after.min, after.max)),
        ("replicas", before.replicas != after.replicas),
        ("generation", before.generation != after.generation),
    ];
    let differ: Vec<&str> = parts
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect();
    (!differ.is_empty()).then(|| format!("the {} of service `{key}`", differ.join(", ")))
}
