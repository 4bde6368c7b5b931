//! The decision: one question, every touched service, the strictest answer.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy::{
    Authorizer, Context, Decision as Cedar, Effect, Entities, Entity, EntityId, EntityTypeName,
    EntityUid, PolicySet, PrincipalConstraint, Request as CedarRequest, RestrictedExpression,
    Schema,
};

use crate::{
    bundle::{Bundle, BundleError, Parsed},
    request::{Action, Decision, Facts, Reason, Request, Verdict, Who},
    schema::schema_text,
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
    entities: Entities,
    types: Types,
    authorizer: Authorizer,
    version: String,
    scopes: Vec<Scope>,
}

/// Of whom and what a permit speaks, worked out once.
#[derive(Debug)]
struct Scope {
    principal: PrincipalConstraint,
    actions: BTreeSet<String>,
}

/// Cedar's entity types, parsed once.
#[derive(Debug)]
pub(crate) struct Types {
    action: EntityTypeName,
    pub(crate) role: EntityTypeName,
    user: EntityTypeName,
    assistant: EntityTypeName,
    agent: EntityTypeName,
    system: EntityTypeName,
    fleet: EntityTypeName,
    namespace: EntityTypeName,
    service: EntityTypeName,
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
        let text = schema_text(actions)?;
        let (schema, _) = Schema::from_cedarschema_str(&text)
            .map_err(|error| BundleError::Schema(error.to_string()))?;
        let Parsed { set, reasons } = bundle.parse(&schema)?;
        let refuse = |error: &dyn std::fmt::Display| BundleError::Schema(error.to_string());
        let types = Types::new().map_err(|error| refuse(&error))?;
        let entities = schema.action_entities().map_err(|error| refuse(&error))?;
        let actions: BTreeMap<_, _> = actions
            .iter()
            .map(|action| {
                (
                    action.name.clone(),
                    (uid(&types.action, &action.name), action.clone()),
                )
            })
            .collect();
        let version = bundle.version(&text);
        let scopes = scopes(&set, &actions);
        Ok(Self {
            policies: set,
            reasons,
            actions,
            schema: text,
            entities,
            types,
            authorizer: Authorizer::new(),
            version,
            scopes,
        })
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
        let now = self.evaluate(request, &request.approvals);
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
                (*roles, self.evaluate(request, &with.collect()))
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

    fn evaluate(&self, request: &Request, approvals: &BTreeSet<String>) -> Said {
        match self.ask_all(request, approvals) {
            Ok(said) => said,
            Err(problem) => Said {
                allow: false,
                policies: BTreeSet::new(),
                errors: vec![problem],
            },
        }
    }

    fn ask_all(&self, request: &Request, approvals: &BTreeSet<String>) -> Result<Said, String> {
        let (action, _) = self.actions.get(&request.action).ok_or("no such action")?;
        let (principal, mut people) = self.types.who(&request.who);
        let resources = self.types.resources(request);
        people.extend(
            resources
                .iter()
                .flat_map(|resource| self.types.parents_of(resource)),
        );
        let entities = self
            .entities
            .clone()
            .add_entities(people, None)
            .map_err(|error| error.to_string())?;
        let mut whole = Said {
            allow: true,
            policies: BTreeSet::new(),
            errors: Vec::new(),
        };
        for resource in resources {
            let context = context(&request.facts, approvals, request.now)?;
            let question =
                CedarRequest::new(principal.clone(), action.clone(), resource, context, None)
                    .map_err(|error| error.to_string())?;
            let said = self.ask(&question, &entities);
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

    fn ask(&self, question: &CedarRequest, entities: &Entities) -> Said {
        let response = self
            .authorizer
            .is_authorized(question, &self.policies, entities);
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
                .map(ToString::to_string)
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

impl Types {
    fn new() -> Result<Self, Box<cedar_policy::ParseErrors>> {
        Ok(Self {
            action: "Action".parse().map_err(Box::new)?,
            role: "Role".parse().map_err(Box::new)?,
            user: "User".parse().map_err(Box::new)?,
            assistant: "Assistant".parse().map_err(Box::new)?,
            agent: "Agent".parse().map_err(Box::new)?,
            system: "System".parse().map_err(Box::new)?,
            fleet: "Fleet".parse().map_err(Box::new)?,
            namespace: "Namespace".parse().map_err(Box::new)?,
            service: "Service".parse().map_err(Box::new)?,
        })
    }

    pub(crate) fn roles(&self, who: &Who) -> Vec<EntityUid> {
        match who {
            Who::User { roles, .. } => roles.iter().map(|role| uid(&self.role, role)).collect(),
            // Roles of their own: nothing that is permitted to people is permitted to their assistants by that.
            Who::Assistant { roles, .. } => roles
                .iter()
                .map(|role| uid(&self.role, &format!("assistant {role}")))
                .collect(),
            Who::Agent(_) | Who::System => Vec::new(),
        }
    }

    pub(crate) fn who(&self, who: &Who) -> (EntityUid, Vec<Entity>) {
        let principal = match who {
            Who::User { name, .. } => uid(&self.user, name),
            Who::Assistant { of, .. } => uid(&self.assistant, of),
            Who::Agent(name) => uid(&self.agent, name.as_str()),
            Who::System => uid(&self.system, "core"),
        };
        let roles: HashSet<EntityUid> = self.roles(who).into_iter().collect();
        (
            principal.clone(),
            vec![Entity::new_no_attrs(principal, roles)],
        )
    }

    fn resources(&self, request: &Request) -> Vec<EntityUid> {
        let services: BTreeSet<_> = request.services.iter().collect();
        if !services.is_empty() {
            return services
                .into_iter()
                .map(|service| uid(&self.service, &service.to_string()))
                .collect();
        }
        match &request.namespace {
            Some(namespace) => vec![uid(&self.namespace, namespace.as_str())],
            None => vec![uid(&self.fleet, "fleet")],
        }
    }

    fn parents_of(&self, resource: &EntityUid) -> Option<Entity> {
        if resource.type_name() != &self.service {
            return None;
        }
        let id: &str = resource.id().as_ref();
        let namespace = id
            .split_once('/')
            .map(|(namespace, _)| uid(&self.namespace, namespace));
        Some(Entity::new_no_attrs(
            resource.clone(),
            namespace.into_iter().collect(),
        ))
    }
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

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn context(
    facts: &Facts,
    approvals: &BTreeSet<String>,
    now: ostler_core::time::Time,
) -> Result<Context, String> {
    let long = RestrictedExpression::new_long;
    let truth = RestrictedExpression::new_bool;
    let words = |set: &BTreeSet<String>| {
        RestrictedExpression::new_set(
            set.iter()
                .map(|word| RestrictedExpression::new_string(word.clone())),
        )
    };
    let hours = i64::try_from(now.0 / 3_600_000).unwrap_or(0);
    let pairs = [
        ("kinds", words(&facts.kinds)),
        ("services", long(facts.services)),
        ("replicas_from", long(facts.replicas_from)),
        ("replicas_to", long(facts.replicas_to)),
        ("replicas_delta", long(facts.replicas_delta)),
        ("fleet_share", long(facts.fleet_share)),
        ("blast_radius", long(facts.blast_radius)),
        ("stateful", truth(facts.stateful)),
        ("host_paths", truth(facts.host_paths)),
        ("destructive", truth(facts.destructive)),
        ("replaces_instances", truth(facts.replaces_instances)),
        ("memory_percent", long(facts.memory_percent)),
        ("undoes_own", truth(facts.undoes_own)),
        ("approvals", words(approvals)),
        ("hour_utc", long(hours % 24)),
        // 1970-01-01 was a Thursday; Monday is 1.
        ("weekday", long((hours / 24 + 3) % 7 + 1)),
    ];
    Context::from_pairs(pairs.map(|(name, value)| (name.to_owned(), value)))
        .map_err(|error| error.to_string())
}
