//! A request that breaks a law, as plain as it can be made, in words.

use std::collections::BTreeSet;

use cedar_policy::{Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicySet, Request};
use cedar_policy_symcc::Env;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    laws::Kind,
    plain::plainer,
    solver::ProveError,
    subject::{Subject, ask, context},
};

/// A request in parts that can be made plainer one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The caller's kind, such as `Agent`.
    pub caller: String,
    /// The caller's name.
    pub name: String,
    /// The caller's roles.
    pub roles: BTreeSet<String>,
    /// The tool.
    pub action: String,
    /// The kind of thing it is about, such as `Service`.
    pub about: String,
    /// Its name.
    pub of: String,
    /// What it stands in, such as a namespace.
    pub within: BTreeSet<(String, String)>,
    /// The facts, all of them.
    pub context: Value,
    /// The policies that spoke.
    pub spoke: Vec<String>,
    /// The facts that matter: those that differ from nothing being known.
    pub matters: Vec<String>,
}

/// What an example must do to be one.
pub(crate) struct Breaks<'a> {
    pub(crate) subject: &'a Subject,
    /// The law as a permit, with what is given as forbids.
    pub(crate) law: &'a PolicySet,
    pub(crate) kind: Kind,
}

impl Breaks<'_> {
    /// The policies that spoke, if Cedar itself says that this request breaks the law.
    pub(crate) fn by(&self, example: &Example) -> Result<Option<Vec<String>>, ProveError> {
        let (request, entities) = example.request(self.subject)?;
        let law = ask(self.law, &request, &entities);
        let bundle = ask(&self.subject.policies, &request, &entities);
        let broken = law.allow && bundle.allow == (self.kind == Kind::Never);
        let mut spoke = bundle.spoke;
        spoke.extend(bundle.errors);
        Ok(broken.then_some(spoke))
    }
}

impl Example {
    /// Reads what the solver found; nothing if Cedar does not agree that it breaks the law.
    pub(crate) fn of(found: &Env, breaks: &Breaks<'_>) -> Result<Option<Self>, ProveError> {
        let raw = Self::read(found)?;
        let Some(_) = breaks.by(&raw)? else {
            return Ok(None);
        };
        let mut example = plainer(raw, breaks)?;
        example.spoke = breaks.by(&example)?.unwrap_or_default();
        example.matters = differences("", &breaks.subject.plain, &example.context);
        Ok(Some(example))
    }

    fn read(found: &Env) -> Result<Self, ProveError> {
        let missing = || ProveError::Form("the solver's request is incomplete".to_owned());
        let request = &found.request;
        let principal = request.principal().ok_or_else(missing)?;
        let resource = request.resource().ok_or_else(missing)?;
        let context = request.context().ok_or_else(missing)?;
        let context = context.to_json_value();
        Ok(Self {
            caller: principal.type_name().to_string(),
            name: name(principal),
            roles: above(&found.entities, principal)
                .into_iter()
                .map(|(_, role)| role)
                .collect(),
            action: name(request.action().ok_or_else(missing)?),
            about: resource.type_name().to_string(),
            of: name(resource),
            within: above(&found.entities, resource),
            context: context.map_err(|error| ProveError::form(&error))?,
            spoke: Vec::new(),
            matters: Vec::new(),
        })
    }

    fn request(&self, subject: &Subject) -> Result<(Request, Entities), ProveError> {
        let principal = uid(&self.caller, &self.name)?;
        let resource = uid(&self.about, &self.of)?;
        let roles = self.roles.iter().map(|role| uid("Role", role));
        let within = self.within.iter().map(|(kind, name)| uid(kind, name));
        let people = [
            Entity::new_no_attrs(principal.clone(), roles.collect::<Result<_, _>>()?),
            Entity::new_no_attrs(resource.clone(), within.collect::<Result<_, _>>()?),
        ];
        let entities = subject.actions.clone().add_entities(people, None);
        let entities = entities.map_err(|error| ProveError::form(&error))?;
        let action = uid("Action", &self.action)?;
        let request = Request::new(principal, action, resource, context(&self.context)?, None);
        Ok((request.map_err(|error| ProveError::form(&error))?, entities))
    }

    /// Who asks for what.
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = format!("{} `{}`", self.caller.to_lowercase(), self.name);
        if !self.roles.is_empty() {
            let roles: Vec<String> = self.roles.iter().map(|role| format!("`{role}`")).collect();
            words.push_str(&format!(" as {}", roles.join(" and ")));
        }
        words.push_str(&format!(" calls `{}`", self.action));
        match self.about.as_str() {
            "Fleet" => words.push_str(" on the fleet"),
            kind => words.push_str(&format!(" on {} `{}`", kind.to_lowercase(), self.of)),
        }
        match self.matters.as_slice() {
            [] => words.push_str(", nothing changes, and nobody said yes"),
            facts => words.push_str(&format!(", where {}", facts.join(", "))),
        }
        words
    }
}

fn uid(kind: &str, name: &str) -> Result<EntityUid, ProveError> {
    let kind: EntityTypeName = kind.parse().map_err(|error| ProveError::form(&error))?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(name)))
}

fn name(uid: &EntityUid) -> String {
    AsRef::<str>::as_ref(uid.id()).to_owned()
}

fn above(entities: &Entities, uid: &EntityUid) -> BTreeSet<(String, String)> {
    let above = entities.ancestors(uid).into_iter().flatten();
    above
        .map(|one| (one.type_name().to_string(), name(one)))
        .collect()
}

/// What differs from a plain context, as `name = value`.
fn differences(path: &str, plain: &Value, context: &Value) -> Vec<String> {
    let nothing = Map::new();
    match context {
        Value::Object(fields) => {
            let plain = plain.as_object().unwrap_or(&nothing);
            let of_one = |(key, value): (&String, &Value)| {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                differences(&path, plain.get(key).unwrap_or(&Value::Null), value)
            };
            fields.iter().flat_map(of_one).collect()
        }
        same if same == plain => Vec::new(),
        Value::Array(words) if path == "approvals" => {
            let roles: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            vec![format!(
                "somebody as {} said yes",
                roles.join(" and somebody as ")
            )]
        }
        other => vec![format!("{path} = {other}")],
    }
}
