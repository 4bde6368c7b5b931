//! What the core's own rules ask for; judged like any other call.

use std::sync::Arc;

use ostler_core::{
    autonomy::{Autonomy, Record},
    id::AgentName,
    plan::Request,
};
use ostler_tools::principal::Principal;
use serde_json::json;

use crate::{answer::Answer, door::Gate, plan::Still};

impl Gate {
    /// Makes a request of the core's rules, as `System`.
    pub async fn request(self: &Arc<Self>, request: &Request) -> Answer {
        let (tool, service, generation, args) = match request {
            Request::Settle {
                service,
                generation,
            } => (
                "settle_service",
                service,
                generation,
                json!({ "service": service, "generation": generation }),
            ),
            Request::Scale {
                service,
                generation,
                to,
                ..
            } => (
                "scale_service",
                service,
                generation,
                json!({ "service": service, "replicas": to }),
            ),
            Request::Advance {
                service,
                generation,
                from,
                to,
                ..
            } => (
                "advance_rollout",
                service,
                generation,
                json!({ "service": service, "generation": generation, "from": from, "to": to }),
            ),
            Request::Revert {
                service, from, to, ..
            } => (
                "rollback_service",
                service,
                from,
                json!({ "service": service, "generation": to }),
            ),
        };
        let still = Still {
            service: service.clone(),
            generation: *generation,
            replicas: match request {
                Request::Scale { from, .. } => Some(*from),
                _ => None,
            },
        };
        self.call_while(&Principal::System, tool, args, Some(still))
            .await
    }

    /// Lets agents whose record speaks against them no longer act alone. Their standing says so already;
    /// this makes it last, and tells.
    pub async fn demote_fallen(self: &Arc<Self>) -> Vec<Answer> {
        let mut answers = Vec::new();
        for (agent, why) in self.fallen() {
            let args = json!({ "agent": agent, "reason": why });
            answers.push(self.call(&Principal::System, "demote_agent", args).await);
        }
        answers
    }

    fn fallen(&self) -> Vec<(AgentName, String)> {
        let (intent, records) = (self.intent(), self.records());
        let fall = |(agent, autonomy): (&AgentName, &Autonomy)| {
            let (proposals, incidents) = (records.proposals.values(), records.incidents.values());
            let record = Record::of(agent, autonomy.since, proposals, incidents);
            Some((agent.clone(), record.fall()?))
        };
        intent.promoted_agents.iter().filter_map(fall).collect()
    }
}
