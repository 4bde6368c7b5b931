//! Permission as a value: a permit owns what was permitted, and is the only way into the ledger.

use std::{collections::BTreeSet, sync::Arc};

use ostler_core::id::ApprovalId;
use ostler_policies::{Decision, Verdict};

use crate::plan::Planned;

/// A permitted call. Only [`authorise`] makes one; the ledger takes it by value.
#[must_use = "a permit that nobody commits changes nothing"]
pub(crate) struct Permit {
    planned: Planned,
    decision: Decision,
    uses: Option<Use>,
}

/// The place in an approval that a permitted call uses up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) approval: ApprovalId,
    pub(crate) call: usize,
    /// The roles whose yes it carries.
    pub(crate) yes: BTreeSet<String>,
}

/// A call that was not permitted, with what it would take.
pub(crate) struct Unpermitted {
    pub(crate) planned: Planned,
    pub(crate) decision: Decision,
}

/// Decides a planned call, with the yes it was given if any.
pub(crate) fn authorise(
    planned: Planned,
    granted: Option<Use>,
) -> Result<Permit, Box<Unpermitted>> {
    let engine = Arc::clone(&planned.engine);
    let decision = engine.decide(&planned.request);
    if decision.verdict == Verdict::Allow {
        return Ok(Permit {
            planned,
            decision,
            uses: granted,
        });
    }
    let Some(granted) = granted.filter(|_| decision.verdict != Verdict::Deny) else {
        return Err(Box::new(Unpermitted { planned, decision }));
    };
    let mut request = planned.request.clone();
    request.approvals.extend(granted.yes.iter().cloned());
    let with_yes = engine.decide(&request);
    match with_yes.verdict {
        Verdict::Allow => Ok(Permit {
            planned,
            decision: with_yes,
            uses: Some(granted),
        }),
        _ => Err(Box::new(Unpermitted { planned, decision })),
    }
}

impl Permit {
    /// Takes the permit apart; it is used up.
    pub(crate) fn spend(self) -> (Planned, Decision, Option<Use>) {
        (self.planned, self.decision, self.uses)
    }
}
