//! Calls through the one door, as the person who is signed in.

use std::sync::Arc;

use ostler_gate::{
    answer::{Answer, Outcome},
    mcp::Door,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    problem::Problem,
    ui::frame::{Frame, May},
    visit::{Visit, roles},
};

impl Visit {
    /// Makes a call and reads its answer.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        tool: &'static str,
        args: Value,
    ) -> Result<T, Problem> {
        let door: Arc<dyn Door> = Arc::clone(&self.console.gate) as _;
        read(door.call(self.principal(), tool, without_nulls(args)).await)
    }

    /// As [`Visit::ask`], where a page can do without: nothing where the person may not see it.
    pub(crate) async fn ask_if_may<T: DeserializeOwned>(
        &self,
        tool: &'static str,
        args: Value,
    ) -> Result<Option<T>, Problem> {
        if !self.may().tool(tool) {
            return Ok(None);
        }
        match self.ask(tool, args).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Problem::Denied { .. }) => Ok(None),
            Err(problem) => Err(problem),
        }
    }

    /// What the gate says that this person could be permitted.
    pub(crate) fn may(&self) -> May {
        let tools = self.console.gate.tools_for(self.principal());
        May {
            tools: tools.into_iter().map(|tool| tool.name).collect(),
            roles: roles(self.principal()).to_vec(),
        }
    }

    /// What every page is put into.
    pub(crate) fn frame(&self, title: &str, path: &str) -> Frame {
        Frame {
            title: title.to_owned(),
            path: path.to_owned(),
            you: self.principal().to_string(),
            may: self.may(),
            form_token: self.session.form_token.clone(),
            told: self.told.clone(),
            now: self.console.gate.now(),
        }
    }
}

/// Absent arguments are left out rather than sent as null.
fn without_nulls(args: Value) -> Value {
    match args {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, Problem> {
    let call = answer.call;
    match answer.outcome {
        Outcome::Done { value, .. } => T::deserialize(&value).map_err(|error| Problem::Failed {
            words: format!("the answer could not be read: {error}"),
            call: Some(call),
        }),
        Outcome::Held { approval, words } => Err(Problem::Held {
            approval,
            words,
            call,
        }),
        Outcome::Denied { words, .. } => Err(Problem::Denied { words, call }),
        Outcome::Refused { words } => Err(Problem::Refused {
            words,
            call: Some(call),
        }),
        Outcome::Failed { words } => Err(Problem::Failed {
            words,
            call: Some(call),
        }),
    }
}
