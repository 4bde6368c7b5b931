//! The whole wanted state. Only a [`crate::change::Change`], committed by the gate, moves it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    autonomy::Autonomy,
    autoscale::Tuning,
    id::{
        AgentName, Generation, InstanceId, Namespace, NodeName, Revision, SecretName, ServiceKey,
    },
    law::Law,
    rollout::Rollout,
    spec::{Protocol, ServiceSpec},
    time::Time,
};

/// The whole wanted state, with its revision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    /// One more with every committed change.
    pub revision: Revision,
    /// What should run.
    pub services: BTreeMap<ServiceKey, Service>,
    /// Nodes that take no new instances.
    pub cordoned: BTreeSet<NodeName>,
    /// Nodes that should be empty.
    pub draining: BTreeSet<NodeName>,
    /// Encrypted secrets.
    pub secrets: BTreeMap<SecretKey, Sealed>,
    /// Agents that must not act.
    pub paused_agents: BTreeSet<AgentName>,
    /// Agents that a person promoted: they may act alone where policy says so.
    #[serde(default)]
    pub promoted_agents: BTreeMap<AgentName, Autonomy>,
    /// What people rule at the moment.
    #[serde(default)]
    pub law: Law,
}

/// A secret's full name, written `namespace/name`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SecretKey {
    /// The namespace.
    pub namespace: Namespace,
    /// The name within it.
    pub name: SecretName,
}

impl std::fmt::Display for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}/{}", self.namespace, self.name))
    }
}

impl From<SecretKey> for String {
    fn from(key: SecretKey) -> String {
        key.to_string()
    }
}

impl TryFrom<String> for SecretKey {
    type Error = crate::id::InvalidName;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let (namespace, name) = text.split_once('/').unwrap_or(("default", &text));
        Ok(Self {
            namespace: Namespace::new(namespace)?,
            name: SecretName::new(name)?,
        })
    }
}

/// Encrypted bytes (XChaCha20-Poly1305, bound to the secret's name); base64 text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Sealed(pub String);

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealed(…)")
    }
}

/// One service as wanted now, with enough of its past to go back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// What it should be.
    pub spec: Arc<ServiceSpec>,
    /// Words for selection. Data.
    pub labels: BTreeMap<String, String>,
    /// One more with every change of how instances are made, their resources included.
    pub generation: Generation,
    /// Wanted instances, inside `spec.replicas`.
    pub replicas: u32,
    /// When this generation was asked for.
    pub changed_at: Time,
    /// The last generation whose rollout finished, if it is not the current one.
    pub stable: Option<Past>,
    /// Whether the current generation's rollout finished.
    pub settled: bool,
    /// How far the current generation's rollout got, where that cannot be seen in what runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Box<Rollout>>,
    /// Generations before, newest first, ten at most.
    pub history: Vec<Past>,
    /// Instances that someone asked to restart: each must have been started after the given time.
    pub restart_after: BTreeMap<InstanceId, Time>,
    /// What was tuned of its scaling, for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Box<Tuning>>,
}

/// A generation that was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Its number.
    pub generation: Generation,
    /// What it was.
    pub spec: Arc<ServiceSpec>,
    /// When it was asked for.
    pub changed_at: Time,
}

/// How many generations before the current one are kept.
pub const HISTORY_LIMIT: usize = 10;

impl Intent {
    /// A service's spec as a given generation had it, while that is remembered.
    #[must_use]
    pub fn spec_of(
        &self,
        service: &ServiceKey,
        generation: Generation,
    ) -> Option<&Arc<ServiceSpec>> {
        self.services.get(service)?.spec_of(generation)
    }

    /// How an agent stands, in words that differ where that differs.
    #[must_use]
    pub fn agent_stands(&self, name: &AgentName) -> String {
        let paused = self.paused_agents.contains(name);
        match (paused, self.promoted_agents.get(name)) {
            (true, _) => "paused".to_owned(),
            (false, None) => "acts with a person's yes".to_owned(),
            (false, Some(autonomy)) => format!(
                "acts alone as {} since {}, in {} namespaces",
                autonomy.certificate.make.digest(),
                autonomy.since.0,
                autonomy.namespaces.len()
            ),
        }
    }

    /// Every published host port with its protocol and its service, in the services' order.
    pub fn published_ports(&self) -> impl Iterator<Item = (u16, Protocol, &ServiceKey)> {
        self.services.iter().flat_map(|(key, service)| {
            service
                .spec
                .ports
                .iter()
                .filter_map(move |port| Some((port.publish?, port.protocol, key)))
        })
    }

    /// Up to ten names of services, for error messages; says so when there are none.
    #[must_use]
    pub fn known_services(&self) -> String {
        let names: Vec<String> = self
            .services
            .keys()
            .take(10)
            .map(ToString::to_string)
            .collect();
        if names.is_empty() {
            "(none)".to_owned()
        } else {
            names.join(", ")
        }
    }
}

impl Service {
    /// The current generation as something that was.
    #[must_use]
    pub fn as_past(&self) -> Past {
        Past {
            generation: self.generation,
            spec: Arc::clone(&self.spec),
            changed_at: self.changed_at,
        }
    }

    /// The spec of a generation: the current one, or one that history remembers.
    #[must_use]
    pub fn spec_of(&self, generation: Generation) -> Option<&Arc<ServiceSpec>> {
        if generation == self.generation {
            return Some(&self.spec);
        }
        self.past(generation).map(|past| &past.spec)
    }

    /// An earlier generation, while it is remembered.
    #[must_use]
    pub fn past(&self, generation: Generation) -> Option<&Past> {
        self.history
            .iter()
            .chain(&self.stable)
            .find(|past| past.generation == generation)
    }
}
