//! The bundle that something is to be proved of, with its schema.

use std::collections::BTreeMap;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Policy, PolicyId, PolicySet, Request,
    RequestEnv, Schema,
};
use ostler_policies::Engine;
use serde_json::Value;

use crate::{
    alike::{Signature, Texts},
    laws::{Laws, id_of, set},
    scope::admits,
    solver::ProveError,
};

/// The permit that stands for all that somebody could add.
const ANY_PERMIT: &str = "(a permit that somebody adds)";

/// A bundle under examination.
#[derive(Debug, Clone)]
pub struct Subject {
    pub(crate) policies: PolicySet,
    pub(crate) schema: Schema,
    pub(crate) actions: Entities,
    /// What is plain: nothing changes, nobody said yes.
    pub(crate) plain: Value,
}

impl Subject {
    /// The bundle of an engine.
    ///
    /// # Errors
    /// When the engine's schema cannot be read, which would be a mistake of ours.
    pub fn of(engine: &Engine) -> Result<Self, ProveError> {
        let (schema, _) = Schema::from_cedarschema_str(engine.schema())
            .map_err(|error| ProveError::form(&error))?;
        let actions = schema
            .action_entities()
            .map_err(|error| ProveError::form(&error))?;
        let plain = ostler_policies::plain_context()
            .and_then(|plain| plain.to_json_value().map_err(|error| error.to_string()))
            .map_err(|error| ProveError::form(&error))?;
        Ok(Self {
            policies: engine.policies().clone(),
            schema,
            actions,
            plain,
        })
    }

    /// The same without one policy, and that policy.
    ///
    /// # Errors
    /// When there is no such policy.
    pub fn without(&self, id: &str) -> Result<(Self, Policy), ProveError> {
        let mut less = self.clone();
        let gone = less.policies.remove_static(PolicyId::new(id));
        let gone = gone.map_err(|error| ProveError::form(&error))?;
        Ok((less, gone))
    }

    /// The same with everything permitted that its forbids leave: what any permit could add.
    pub(crate) fn with_all_permitted(&self) -> Result<Self, ProveError> {
        let all = Policy::parse(
            Some(PolicyId::new(ANY_PERMIT)),
            "permit (principal, action, resource);",
        );
        let all = all.map_err(|error| ProveError::form(&error))?;
        let forbids = self
            .policies
            .policies()
            .filter(|policy| policy.effect() == Effect::Forbid);
        Ok(Self {
            policies: set(forbids.chain([&all]))?,
            ..self.clone()
        })
    }

    /// The ids of its policies, in order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.policies.policies().map(id_of).collect();
        ids.sort();
        ids
    }

    /// Every kind of caller, action and kind of thing; together stand those that no text tells apart.
    pub(crate) fn alike(&self, laws: &Laws) -> Vec<Vec<RequestEnv>> {
        let texts = (self.policies.policies().cloned())
            .chain(laws.given.iter().cloned())
            .chain(laws.laws.iter().map(|law| law.matches.clone()));
        let texts = Texts::new(texts.collect());
        let mut alike: BTreeMap<Signature, Vec<RequestEnv>> = BTreeMap::new();
        for env in self.schema.request_envs() {
            let signature = texts.signature(&env, &self.actions);
            alike.entry(signature).or_default().push(env);
        }
        let mut alike: Vec<_> = alike.into_values().collect();
        alike.iter_mut().for_each(|envs| envs.sort());
        alike
    }

    /// The policies that can speak in an environment.
    pub(crate) fn speaking(&self, env: &RequestEnv) -> Result<PolicySet, ProveError> {
        set(self.admitted(self.policies.policies(), env))
    }

    /// Those of some policies that can speak in an environment.
    pub(crate) fn admitted<'a>(
        &self,
        policies: impl Iterator<Item = &'a Policy>,
        env: &RequestEnv,
    ) -> Vec<&'a Policy> {
        policies
            .filter(|policy| admits(policy, env, &self.actions))
            .collect()
    }
}

/// What Cedar itself says of one request, errors read as a denial.
pub(crate) struct Answer {
    pub(crate) allow: bool,
    pub(crate) spoke: Vec<String>,
    pub(crate) errors: Vec<String>,
}

/// Asks Cedar.
pub(crate) fn ask(policies: &PolicySet, request: &Request, entities: &Entities) -> Answer {
    let response = Authorizer::new().is_authorized(request, policies, entities);
    let said = response.diagnostics();
    let errors: Vec<String> = said.errors().map(ToString::to_string).collect();
    let mut spoke: Vec<String> = said.reason().map(ToString::to_string).collect();
    spoke.sort();
    Answer {
        allow: response.decision() == Decision::Allow && errors.is_empty(),
        spoke,
        errors,
    }
}

/// A context from its JSON form.
pub(crate) fn context(json: &Value) -> Result<Context, ProveError> {
    Context::from_json_value(json.clone(), None).map_err(|error| ProveError::form(&error))
}
