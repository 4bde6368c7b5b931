//! How the things that a call touches stand: what an approval is bound to beside the call itself.

use std::collections::BTreeSet;

use ostler_core::{
    facts::ChangeFacts,
    id::ServiceKey,
    intent::{Intent, SecretKey, Service},
};
use ostler_tools::base::{Base, Stand};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::digest::{canonical, hex};

/// How these services stand, with the secrets they mount.
pub(crate) fn of_services(policies: &str, intent: &Intent, services: &[ServiceKey]) -> Base {
    let mut secrets = BTreeSet::new();
    for key in services {
        secrets.extend(mounted(key, intent));
    }
    Base {
        policies: policies.to_owned(),
        services: services
            .iter()
            .map(|key| (key.clone(), intent.services.get(key).map(stand)))
            .collect(),
        secrets: secrets
            .into_iter()
            .map(|key| (key.clone(), sealed(intent, &key)))
            .collect(),
        ..Base::default()
    }
}

/// How everything stands that a change touches, and what its services will mount afterwards.
pub(crate) fn of_change(
    policies: &str,
    before: &Intent,
    after: &Intent,
    facts: &ChangeFacts,
) -> Base {
    let services: Vec<ServiceKey> = facts.services.iter().cloned().collect();
    let mut base = of_services(policies, before, &services);
    let later = services.iter().flat_map(|key| mounted(key, after));
    for key in later.chain(facts.secrets.iter().cloned()) {
        base.secrets.insert(key.clone(), sealed(before, &key));
    }
    for name in &facts.nodes {
        base.nodes.insert(name.clone(), node(before, name));
    }
    for name in &facts.agents {
        base.agents.insert(name.clone(), before.agent_stands(name));
    }
    base
}

/// The same things as they stand now.
pub(crate) fn again(base: &Base, policies: &str, intent: &Intent) -> Base {
    Base {
        policies: policies.to_owned(),
        services: base
            .services
            .keys()
            .map(|key| (key.clone(), intent.services.get(key).map(stand)))
            .collect(),
        secrets: base
            .secrets
            .keys()
            .map(|key| (key.clone(), sealed(intent, key)))
            .collect(),
        nodes: base
            .nodes
            .keys()
            .map(|name| (name.clone(), node(intent, name)))
            .collect(),
        agents: base
            .agents
            .keys()
            .map(|name| (name.clone(), intent.agent_stands(name)))
            .collect(),
    }
}

fn stand(service: &Service) -> Stand {
    let mut spec = serde_json::to_value(&*service.spec).unwrap_or_default();
    if let Value::Object(fields) = &mut spec {
        fields.remove("replicas");
        if let Some(tuning) = &service.tuning {
            let tuning = serde_json::to_value(tuning).unwrap_or_default();
            fields.insert("tuning".to_owned(), tuning);
        }
        if service.rollout.is_some() {
            let stage = serde_json::to_value(service.stage()).unwrap_or_default();
            fields.insert("rollout".to_owned(), stage);
            fields.insert("paused".to_owned(), service.paused().is_some().into());
        }
    }
    Stand {
        generation: service.generation,
        replicas: service.spec.scaling.is_none().then_some(service.replicas),
        min: service.spec.replicas.min,
        max: service.spec.replicas.max,
        labels: hash(&service.labels),
        spec: hash(&spec),
    }
}

fn hash<T: serde::Serialize>(value: &T) -> String {
    let bytes = canonical(value).or_else(|_| serde_json::to_vec(value));
    hex(&Sha256::digest(bytes.unwrap_or_default()))
}

fn mounted(key: &ServiceKey, intent: &Intent) -> Vec<SecretKey> {
    let service = intent.services.get(key);
    let names = service
        .into_iter()
        .flat_map(|service| &service.spec.secrets);
    names
        .map(|mount| SecretKey {
            namespace: key.namespace.clone(),
            name: mount.secret.clone(),
        })
        .collect()
}

fn sealed(intent: &Intent, key: &SecretKey) -> Option<String> {
    let sealed = intent.secrets.get(key)?;
    Some(hex(&Sha256::digest(&sealed.0)))
}

fn node(intent: &Intent, name: &ostler_core::id::NodeName) -> String {
    let word = if intent.draining.contains(name) {
        "draining"
    } else if intent.cordoned.contains(name) {
        "cordoned"
    } else {
        "takes instances"
    };
    word.to_owned()
}
