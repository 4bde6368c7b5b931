//! The decision: one question, every touched service, the strictest answer.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{
    Authorizer, Decision as Cedar, Effect, Entities, EntityUid, PolicySet, PrincipalConstraint,
    Request as CedarRequest,
};

use crate::{
    bundle::{Bundle, BundleError, Parsed, Source},
    entities::{Types, context, uid},
    request::{Action, Decision, Reason, Request, Verdict, Who},
};

/// The sets of roles that can be asked for a yes, smallest first.
const CANDIDATES: [&[&str]; 3] = [&["operator"], &["admin"], &["operator", "admin"]];

/// A loaded, checked bundle.
#[derive(Debug)]
pub struct Engine {
    pub(crate) policies: PolicySet,
    pub(crate) reasons: BTreeMap<String, Reason>,
    pub(crate) actions: BTreeMap<String, (EntityUid, Action)>,
    schema: String,
    /// Each action with the classes it is in: a question needs no other.
    entities: BTreeMap<String, Entities>,
    types: Types,
    authorizer: Authorizer,
    version: String,
    files: Vec<Source>,
    scopes: Vec<Scope>,
    speaking: BTreeMap<String, PolicySet>,
}

/// Of whom and what a permit speaks, worked out once.
#[derive(Debug)]
struct Scope {
    principal: PrincipalConstraint,
    actions: BTreeSet<String>,
}

/// Who and what a request is about, in Cedar's terms.
struct Scene {
    principal: EntityUid,
    action: EntityUid,
    resources: Vec<EntityUid>,
    entities: Entities,
}

/// What one evaluation said.
struct Said {
    allow: bool,
    policies: BTreeSet<String>,
    errors: Vec<String>,
}

impl Engine {
    /// Loads a bundle against the schema of these actions.
    ///
    /// # Errors
    /// Any mistake in any file: nothing is half-loaded.
    pub fn load(bundle: &Bundle, actions: &[Action]) -> Result<Self, BundleError> {
        let known = crate::schema::known(actions)?;
        let Parsed { set, reasons } = bundle.parse(&known.schema)?;
        let refuse = |error: &dyn std::fmt::Display| BundleError::Schema(error.to_string());
        let types = Types::new(&set).map_err(|error| refuse(&error))?;
        let actions: BTreeMap<_, _> = actions
            .iter()
            .map(|action| {
                (
                    action.name.clone(),
                    (uid(&types.action, &action.name), action.clone()),
                )
            })
            .collect();
        let mut entities = BTreeMap::new();
        for (name, (uid, _)) in &actions {
            let own = Entities::from_entities(known.actions.get(uid).cloned(), None);
            entities.insert(name.clone(), own.map_err(|error| refuse(&error))?);
        }
        let version = bundle.version(&known.text);
        let scopes = scopes(&set, &actions);
        let speaking = speaking(&set, &actions)?;
        Ok(Self {
            policies: set,
            reasons,
            actions,
            schema: known.text.clone(),
            entities,
            types,
            authorizer: Authorizer::new(),
            version,
            files: bundle.files().to_vec(),
            scopes,
            speaking,
        })
    }

    /// The files it was loaded from, as they were written.
    #[must_use]
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// A hash of the schema and the bundle: changes whenever a decision could.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The schema as Cedar text.
    #[must_use]
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The policies, each under its `@id`.
    #[must_use]
    pub fn policies(&self) -> &PolicySet {
        &self.policies
    }

    /// The agents that some policy names: these are no guests.
    #[must_use]
    pub fn named_agents(&self) -> BTreeSet<String> {
        self.types.named_agents()
    }

    /// Whether an action is known.
    #[must_use]
    pub fn knows(&self, action: &str) -> bool {
        self.actions.contains_key(action)
    }

    /// Whether some permit speaks of this caller and action, whatever its conditions.
    #[must_use]
    pub fn could(&self, who: &Who, action: &str) -> bool {
        let (principal, _) = self.types.who(who);
        let roles = self.types.roles(who);
        self.actions.contains_key(action)
            && self.scopes.iter().any(|scope| {
                scope.actions.contains(action)
                    && crate::explain::stands_in(&scope.principal, &principal, &roles)
            })
    }

    /// Decides. Never fails: what cannot be evaluated is denied.
    #[must_use]
    pub fn decide(&self, request: &Request) -> Decision {
        let scene = self.scene(request);
        let now = self.evaluate(&scene, request, &request.approvals);
        if now.allow {
            return Decision {
                verdict: Verdict::Allow,
                policies: self.named(&now),
            };
        }
        let helped: Vec<(&[&str], Said)> = CANDIDATES
            .iter()
            .map(|roles| {
                let with = request
                    .approvals
                    .iter()
                    .cloned()
                    .chain(roles.iter().map(|role| (*role).to_owned()));
                (*roles, self.evaluate(&scene, request, &with.collect()))
            })
            .filter(|(_, said)| said.allow)
            .collect();
        let Some((smallest, said)) = helped.first() else {
            return Decision {
                verdict: Verdict::Deny,
                policies: self.named(&now),
            };
        };
        let any = smallest.len() == 1;
        let roles = helped
            .iter()
            .take_while(|(roles, _)| !any || roles.len() == 1)
            .flat_map(|(roles, _)| *roles);
        let verdict = Verdict::NeedsApproval {
            roles: roles.map(|role| (*role).to_owned()).collect(),
            any,
        };
        let policies = if now.policies.is_empty() {
            self.named(said)
        } else {
            self.named(&now)
        };
        Decision { verdict, policies }
    }

    fn evaluate(
        &self,
        scene: &Result<Scene, String>,
        request: &Request,
        approvals: &BTreeSet<String>,
    ) -> Said {
        let said = match scene {
            Ok(scene) => self.ask_all(scene, request, approvals),
            Err(problem) => Err(problem.clone()),
        };
        said.unwrap_or_else(|problem| Said {
            allow: false,
            policies: BTreeSet::new(),
            errors: vec![problem],
        })
    }

    /// Who and what a request is about, worked out once for all the yeses it is tried with.
    fn scene(&self, request: &Request) -> Result<Scene, String> {
        let (action, _) = self.actions.get(&request.action).ok_or("no such action")?;
        let (principal, mut people) = self.types.who(&request.who);
        let resources = self.types.resources(request);
        people.extend(
            resources
                .iter()
                .flat_map(|resource| self.types.parents_of(resource)),
        );
        let action_alone = self.entities.get(&request.action).ok_or("no such action")?;
        let entities = action_alone
            .clone()
            .add_entities(people, None)
            .map_err(|error| error.to_string())?;
        Ok(Scene {
            principal,
            action: action.clone(),
            resources,
            entities,
        })
    }

    fn ask_all(
        &self,
        scene: &Scene,
        request: &Request,
        approvals: &BTreeSet<String>,
    ) -> Result<Said, String> {
        let mut whole = Said {
            allow: true,
            policies: BTreeSet::new(),
            errors: Vec::new(),
        };
        let action_name = request.action.as_str();
        for resource in &scene.resources {
            let context = context(&request.facts, approvals, request.now)?;
            let (principal, action) = (scene.principal.clone(), scene.action.clone());
            let question = CedarRequest::new(principal, action, resource.clone(), context, None)
                .map_err(|error| error.to_string())?;
            let policies = self.speaking.get(action_name).ok_or("no such action")?;
            let said = self.ask(&question, policies, &scene.entities);
            match (whole.allow, said.allow) {
                (true, false) => whole = said,
                (allow, same) if allow == same => {
                    whole.policies.extend(said.policies);
                    whole.errors.extend(said.errors);
                }
                _ => {}
            }
        }
        Ok(whole)
    }

    fn ask(&self, question: &CedarRequest, policies: &PolicySet, entities: &Entities) -> Said {
        let response = self.authorizer.is_authorized(question, policies, entities);
        let errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .collect();
        Said {
            // Cedar skips a policy that errors; a skipped forbid would open the door.
            allow: response.decision() == Cedar::Allow && errors.is_empty(),
            policies: response
                .diagnostics()
                .reason()
                // As it is written: what is displayed is escaped.
                .map(|id| AsRef::<str>::as_ref(id).to_owned())
                .collect(),
            errors,
        }
    }

    fn named(&self, said: &Said) -> Vec<Reason> {
        if !said.errors.is_empty() {
            let words = format!(
                "policies could not be evaluated, so it is denied: {}",
                said.errors.join("; ")
            );
            return vec![Reason {
                id: "evaluation-error".to_owned(),
                words,
            }];
        }
        said.policies
            .iter()
            .filter_map(|id| self.reasons.get(id).cloned())
            .collect()
    }

    /// Permits in whose scope a caller stands, whatever their conditions: what would be allowed.
    #[must_use]
    pub fn permits_of(&self, who: &Who) -> Vec<Reason> {
        let (principal, _) = self.types.who(who);
        let roles = self.types.roles(who);
        self.policies
            .policies()
            .filter(|policy| policy.effect() == Effect::Permit)
            .filter(|policy| crate::explain::speaks_of(policy, &principal, &roles))
            .filter_map(|policy| self.reasons.get(AsRef::<str>::as_ref(policy.id())).cloned())
            .collect()
    }
}

/// For each action the policies whose scope names it: the others can neither speak nor err, and
/// need not be looked at for every call.
fn speaking(
    set: &PolicySet,
    actions: &BTreeMap<String, (EntityUid, Action)>,
) -> Result<BTreeMap<String, PolicySet>, BundleError> {
    let of_one = |(name, (uid, action)): (&String, &(EntityUid, Action))| {
        let named = set
            .policies()
            .filter(|policy| crate::explain::names_action(policy, uid, &action.group));
        let named = PolicySet::from_policies(named.cloned());
        let named = named.map_err(|error| BundleError::Schema(error.to_string()))?;
        Ok((name.clone(), named))
    };
    actions.iter().map(of_one).collect()
}

/// The scope of every permit.
fn scopes(set: &PolicySet, actions: &BTreeMap<String, (EntityUid, Action)>) -> Vec<Scope> {
    let scope = |policy: &cedar_policy::Policy| Scope {
        principal: policy.principal_constraint(),
        actions: actions
            .values()
            .filter(|(uid, action)| crate::explain::names_action(policy, uid, &action.group))
            .map(|(_, action)| action.name.clone())
            .collect(),
    };
    set.policies()
        .filter(|policy| policy.effect() == Effect::Permit)
        .map(scope)
        .collect()
}
