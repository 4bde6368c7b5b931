//! Which policies can speak at all where a kind of caller asks for an action: a cheap look at scopes
//! that leaves the solver less to read. It keeps what it is not sure of.

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy, PrincipalConstraint, RequestEnv,
    ResourceConstraint,
};

/// Whether a policy's scope admits some request of this environment; `actions` knows their classes.
pub(crate) fn admits(policy: &Policy, env: &RequestEnv, actions: &Entities) -> bool {
    principal(&policy.principal_constraint(), env.principal())
        && action(&policy.action_constraint(), env.action(), actions)
        && resource(&policy.resource_constraint(), env.resource())
}

fn principal(scope: &PrincipalConstraint, kind: &EntityTypeName) -> bool {
    match scope {
        PrincipalConstraint::Any | PrincipalConstraint::In(_) => true,
        PrincipalConstraint::Eq(one) => one.type_name() == kind,
        PrincipalConstraint::Is(one) | PrincipalConstraint::IsIn(one, _) => one == kind,
    }
}

fn resource(scope: &ResourceConstraint, kind: &EntityTypeName) -> bool {
    match scope {
        ResourceConstraint::Any | ResourceConstraint::In(_) => true,
        ResourceConstraint::Eq(one) => one.type_name() == kind,
        ResourceConstraint::Is(one) | ResourceConstraint::IsIn(one, _) => one == kind,
    }
}

fn action(scope: &ActionConstraint, action: &EntityUid, actions: &Entities) -> bool {
    let within = |named: &EntityUid| named == action || actions.is_ancestor_of(named, action);
    match scope {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == action,
        ActionConstraint::In(many) => many.iter().any(within),
    }
}
