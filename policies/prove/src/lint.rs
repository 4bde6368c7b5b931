//! What in a bundle says nothing: policies that match no request, permits that other policies always
//! forbid, actions that nobody can be allowed.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Policy, PolicyId, RequestEnv};
use cedar_policy_symcc::CompiledPolicySet;
use serde::Serialize;

use crate::{
    laws::{Laws, as_permit, set},
    scope::admits,
    solver::{ProveError, Said, Solver, compiled},
    subject::Subject,
};

/// Something in a bundle that says nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Silent {
    /// The policy or action.
    pub name: String,
    /// What is wrong with it, or that it is not known whether something is.
    pub why: String,
}

/// Looks through a bundle.
///
/// # Errors
/// When the solver fails as a whole.
pub async fn silent(
    subject: &Subject,
    laws: &Laws,
    solver: &mut Solver,
) -> Result<Vec<Silent>, ProveError> {
    let mut look = Look {
        alike: subject.alike(laws),
        subject,
        laws,
        solver,
    };
    let mut found = Vec::new();
    for policy in subject.policies.policies() {
        if let Some(why) = look.policy(policy).await? {
            let name = format!("policy `{}`", policy.id());
            found.push(Silent { name, why });
        }
    }
    found.extend(look.actions().await?);
    found.sort();
    Ok(found)
}

struct Look<'a> {
    alike: Vec<Vec<RequestEnv>>,
    subject: &'a Subject,
    laws: &'a Laws,
    solver: &'a mut Solver,
}

impl Look<'_> {
    async fn policy(&mut self, policy: &Policy) -> Result<Option<String>, ProveError> {
        let whole = self.subject.policies.clone();
        let forbids: Vec<Policy> = (whole.policies())
            .filter(|other| other.effect() == Effect::Forbid)
            .cloned()
            .collect();
        if policy.effect() == Effect::Permit {
            return Ok(match self.some(policy, &forbids).await? {
                Found::Yes => None,
                Found::Unknown(why) => Some(format!("may never permit anything: {why}")),
                Found::No if self.some(policy, &[]).await? == Found::Yes => {
                    Some("permits only what other policies always forbid".to_owned())
                }
                Found::No => Some("matches no request that can be made".to_owned()),
            });
        }
        Ok(match self.some(&as_permit(policy)?, &[]).await? {
            Found::Yes => None,
            Found::Unknown(why) => Some(format!("may never speak: {why}")),
            Found::No => Some("matches no request that can be made".to_owned()),
        })
    }

    /// Whether a permit matches some request that none of the forbids does.
    async fn some(&mut self, permit: &Policy, forbids: &[Policy]) -> Result<Found, ProveError> {
        let mut unknown = None;
        for env in self.alike.iter().filter_map(|alike| alike.first()) {
            if !admits(permit, env, &self.subject.actions) {
                continue;
            }
            let others = self
                .subject
                .admitted(self.laws.given.iter().chain(forbids), env);
            let asked = set([permit].into_iter().chain(others))?;
            let asked = compiled(&asked, env, &self.subject.schema)?;
            match self
                .solver
                .both(&asked, &everything(self.subject, env)?)
                .await?
            {
                Said::Found(_) => return Ok(Found::Yes),
                Said::Unknown(why) => unknown = Some(why),
                Said::None => {}
            }
        }
        Ok(unknown.map_or(Found::No, Found::Unknown))
    }

    /// Actions that nobody can be allowed.
    async fn actions(&mut self) -> Result<Vec<Silent>, ProveError> {
        let mut all: BTreeMap<String, bool> = BTreeMap::new();
        for alike in &self.alike {
            let Some(env) = alike.first() else { continue };
            let speaking = self.subject.speaking(env)?;
            let given = self.subject.admitted(self.laws.given.iter(), env);
            let asked = set(speaking.policies().chain(given))?;
            let asked = compiled(&asked, env, &self.subject.schema)?;
            let said = self
                .solver
                .both(&asked, &everything(self.subject, env)?)
                .await?;
            let some = !matches!(said, Said::None);
            let names: BTreeSet<String> = alike.iter().map(action).collect();
            for name in names {
                *all.entry(name).or_default() |= some;
            }
        }
        let nobody = all.into_iter().filter(|(_, some)| !some);
        let silent = |(name, _)| Silent {
            name: format!("action `{name}`"),
            why: "can be allowed to nobody".to_owned(),
        };
        Ok(nobody.map(silent).collect())
    }
}

#[derive(PartialEq, Eq)]
enum Found {
    Yes,
    No,
    Unknown(String),
}

fn action(env: &RequestEnv) -> String {
    AsRef::<str>::as_ref(env.action().id()).to_owned()
}

/// A set that allows every request.
fn everything(subject: &Subject, env: &RequestEnv) -> Result<CompiledPolicySet, ProveError> {
    let all = Policy::parse(
        Some(PolicyId::new("everything")),
        "permit (principal, action, resource);",
    );
    let all = all.map_err(|error| ProveError::form(&error))?;
    compiled(&set([&all])?, env, &subject.schema)
}
