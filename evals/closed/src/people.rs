//! What people do in a case: its own deeds, a fix that is tried, and a yes to whatever is asked.

use ostler_core::{id::ServiceKey, time::Span};
use ostler_gate::{Gate, answer::Outcome};
use ostler_tools::{
    principal::{Principal, Role},
    record::ApprovalState,
};
use serde_json::{Value, json};

use crate::{
    CaseError,
    mechanism::{Call, Doing, merge},
    play::Run,
};

/// Somebody says yes after so long.
pub(crate) const THINKING: Span = Span::seconds(5);

pub(crate) fn admin(name: &str) -> Principal {
    Principal::User {
        name: name.to_owned(),
        roles: vec![Role::Admin],
    }
}

impl Run<'_> {
    /// Applies manifests as the case's own doing.
    pub(crate) async fn apply(&mut self, manifests: Value) -> Result<(), CaseError> {
        let arguments = json!({ "manifests": manifests });
        let (_, revision) = self
            .call(&admin("ann"), "apply_services", arguments)
            .await?;
        self.own.extend(revision);
        Ok(())
    }

    pub(crate) async fn call(
        &self,
        who: &Principal,
        tool: &str,
        arguments: Value,
    ) -> Result<(Value, Option<u64>), CaseError> {
        let answer = Gate::call(&self.stage.gate, who, tool, arguments).await;
        match answer.outcome {
            Outcome::Done { value, revision } => Ok((value, revision.map(|made| made.0))),
            other => Err(self.wrong(format!("`{tool}`: {other:?}"))),
        }
    }

    /// Somebody says yes to whatever is asked.
    pub(crate) async fn say_yes(&mut self) {
        let now = self.stage.clock.time();
        let records = self.stage.gate.records();
        for (id, approval) in &records.approvals {
            let asked = *self.asked.entry(id.clone()).or_insert(now);
            if approval.state == ApprovalState::Waiting && now.since(asked) >= THINKING {
                let arguments = json!({ "id": id, "reason": "the case says yes to everything" });
                Gate::call(&self.stage.gate, &admin("zoe"), "approve", arguments).await;
            }
        }
    }

    pub(crate) async fn do_deeds(&mut self, since: Span) -> Result<(), CaseError> {
        let case = self.case;
        for deed in case.deeds.values() {
            if deed.at.0 / 1_000 != since.0 / 1_000 {
                continue;
            }
            match &deed.what {
                Doing::Patch { service, patch } => self.change(service, patch).await?,
                Doing::Call(call) => {
                    let revision = self.make(&admin("ann"), call).await?;
                    self.own.extend(revision);
                }
            }
        }
        Ok(())
    }

    /// Changes a service's spec as the case's own doing.
    pub(crate) async fn change(
        &mut self,
        service: &ServiceKey,
        patch: &Value,
    ) -> Result<(), CaseError> {
        let manifest = self.manifest(service, patch)?;
        self.apply(json!([manifest])).await
    }

    /// A service's manifest of now with a merge patch over its spec.
    pub(crate) fn manifest(&self, key: &ServiceKey, patch: &Value) -> Result<Value, CaseError> {
        let intent = self.stage.gate.intent();
        let service = intent.services.get(key);
        let service = service.ok_or_else(|| self.wrong(format!("there is no service `{key}`")))?;
        let mut spec = serde_json::to_value(&*service.spec).map_err(|error| self.wrong(error))?;
        merge(&mut spec, patch);
        Ok(json!({
            "apiVersion": "ostler.dev/v1", "kind": "Service",
            "metadata": { "name": key.name, "namespace": key.namespace }, "spec": spec,
        }))
    }

    pub(crate) async fn fix(&mut self, calls: &[Call]) {
        for call in calls {
            if let Err(refused) = self.make(&admin("bob"), call).await {
                self.refused.push(refused.problem);
            }
        }
    }

    /// Makes a call, with the oldest instance's name where the case asks for it.
    pub(crate) async fn make(
        &self,
        who: &Principal,
        call: &Call,
    ) -> Result<Option<u64>, CaseError> {
        let text = call.arguments.to_string();
        let text = match text.split_once("$first:") {
            Some((_, rest)) => {
                let name = rest.split('"').next().unwrap_or_default();
                let service = name.parse().map_err(|error| self.wrong(error))?;
                let first = self.stage.oldest(&service);
                let first = first.map_or_else(String::new, |id| id.to_string());
                text.replace(&format!("$first:{name}"), &first)
            }
            None => text,
        };
        let arguments = serde_json::from_str(&text).map_err(|error| self.wrong(error))?;
        let (_, revision) = self.call(who, &call.tool, arguments).await?;
        Ok(revision)
    }
}
