//! `list_secrets`: names of secrets.

use std::collections::BTreeMap;

use ostler_core::intent::SecretKey;

use crate::{
    answer::{SecretInfo, Secrets},
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::{Nothing, answer};

/// See the module.
pub struct ListSecrets;

impl Describe for ListSecrets {
    type Args = Nothing;
    type Answer = Secrets;
    const NAME: &'static str = "list_secrets";
    const TITLE: &'static str = "Names of secrets";
    const DESCRIPTION: &'static str = "Lists the names of secrets, which services mount them, and those that a service names but \
        nobody put. Values are never shown by any tool.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        let mut secrets: BTreeMap<SecretKey, SecretInfo> = BTreeMap::new();
        let fresh = |secret: &SecretKey, exists| SecretInfo {
            secret: secret.clone(),
            exists,
            used_by: Vec::new(),
        };
        for secret in view.intent.secrets.keys() {
            secrets.insert(secret.clone(), fresh(secret, true));
        }
        for (key, service) in &view.intent.services {
            for name in service.spec.secret_names() {
                let secret = SecretKey {
                    namespace: key.namespace.clone(),
                    name: name.clone(),
                };
                secrets
                    .entry(secret.clone())
                    .or_insert_with(|| fresh(&secret, false))
                    .used_by
                    .push(key.clone());
            }
        }
        answer(
            &Secrets {
                secrets: secrets.into_values().collect(),
            },
            About::fleet(),
        )
    }
}
