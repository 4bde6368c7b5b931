//! Decisions in words, and what is suspicious about a bundle that loads.

use cedar_policy::{ActionConstraint, Effect, EntityUid, Policy, PrincipalConstraint};

use crate::{
    engine::Engine,
    request::{Decision, Request, Verdict},
};

impl Engine {
    /// A decision in one paragraph: what was decided, which policies spoke, what would be allowed.
    #[must_use]
    pub fn explain(&self, request: &Request, decision: &Decision) -> String {
        let action = &request.action;
        let spoke = decision
            .policies
            .iter()
            .map(|reason| format!("{} ({})", reason.words, reason.id));
        let spoke = spoke.collect::<Vec<_>>().join("; ");
        match &decision.verdict {
            Verdict::Allow => format!("`{action}` is allowed: {spoke}"),
            Verdict::NeedsApproval { roles, any } => {
                let joined = roles.join(if *any { " or " } else { " and, besides, " });
                format!("`{action}` needs the yes of somebody with the role {joined}: {spoke}")
            }
            Verdict::Deny => self.explain_denial(request, &spoke),
        }
    }

    fn explain_denial(&self, request: &Request, spoke: &str) -> String {
        let action = &request.action;
        let because = if spoke.is_empty() {
            "no policy permits it"
        } else {
            spoke
        };
        let permits = self.permits_of(&request.who);
        if permits.is_empty() {
            return format!(
                "`{action}` is denied: {because}. No policy permits this caller anything"
            );
        }
        let allowed = permits
            .iter()
            .map(|reason| format!("{} ({})", reason.words, reason.id))
            .collect::<Vec<_>>();
        format!(
            "`{action}` is denied: {because}. What this caller may do: {}",
            allowed.join("; ")
        )
    }

    /// Suspicious things: actions that no policy permits to anybody.
    #[must_use]
    pub fn lint(&self) -> Vec<String> {
        let permits: Vec<_> = self
            .policies
            .policies()
            .filter(|policy| policy.effect() == Effect::Permit)
            .collect();
        let orphan = |(uid, group): (&EntityUid, &str)| {
            !permits
                .iter()
                .any(|policy| names_action(policy, uid, group))
        };
        self.actions
            .values()
            .filter(|(uid, action)| orphan((uid, &action.group)))
            .map(|(_, action)| format!("no policy permits `{}` to anybody", action.name))
            .collect()
    }
}

/// Whether a policy's scope names an action, by itself or by its class.
pub(crate) fn names_action(policy: &Policy, action: &EntityUid, group: &str) -> bool {
    let covers = |named: &EntityUid| {
        named == action || AsRef::<str>::as_ref(named.id()).strip_suffix(" tools") == Some(group)
    };
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(named) => covers(&named),
        ActionConstraint::In(named) => named.iter().any(covers),
    }
}

/// Whether a caller stands in the scope of a policy's principal.
pub(crate) fn speaks_of(policy: &Policy, principal: &EntityUid, roles: &[EntityUid]) -> bool {
    stands_in(&policy.principal_constraint(), principal, roles)
}

/// Whether a caller stands in a scope.
pub(crate) fn stands_in(
    scope: &PrincipalConstraint,
    principal: &EntityUid,
    roles: &[EntityUid],
) -> bool {
    let within = |named: &EntityUid| named == principal || roles.contains(named);
    match scope {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(named) => named == principal,
        PrincipalConstraint::In(named) => within(named),
        PrincipalConstraint::Is(kind) => principal.type_name() == kind,
        PrincipalConstraint::IsIn(kind, named) => principal.type_name() == kind && within(named),
    }
}
