//! What the core's own rules ask for; judged like any other call.

use std::sync::Arc;

use ostler_core::plan::Request;
use ostler_tools::principal::Principal;
use serde_json::json;

use crate::{answer::Answer, door::Gate};

impl Gate {
    /// Makes a request of the core's rules, as `System`.
    pub async fn request(self: &Arc<Self>, request: &Request) -> Answer {
        let (tool, service, current, args) = match request {
            Request::Settle {
                service,
                generation,
            } => (
                "settle_service",
                service,
                generation,
                json!({ "service": service, "generation": generation }),
            ),
            Request::Revert { service, from, to } => (
                "rollback_service",
                service,
                from,
                json!({ "service": service, "generation": to }),
            ),
        };
        // Late rules are harmless: what they saw must still be so when it is committed.
        self.call_while(
            &Principal::System,
            tool,
            args,
            Some((service.clone(), *current)),
        )
        .await
    }
}
