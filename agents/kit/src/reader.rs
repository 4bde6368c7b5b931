//! What a planner may look at while it thinks: read tools only, a bounded number of calls.
//!
//! Which tools look is said by the daemon's list, by class; what is not listed as looking is refused
//! here already, and would meet the gate as any other call.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    client::{CallError, Caller, Reply, ToolInfo},
    planner::PlannerError,
    situation::Cited,
};

/// Classes of tools that only look.
const LOOKING: [&str; 2] = ["read", "read_data"];
/// The class of tools whose answers hold what workloads wrote.
const UNTRUSTED: &str = "read_data";
/// The class of tools that change the intent: what a proposal may consist of.
const CHANGING: &str = "change";

/// Looks, for a planner.
pub struct Reader<'a> {
    caller: &'a dyn Caller,
    tools: &'a [ToolInfo],
    calls_left: AtomicU32,
}

/// An answer of a tool that looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The answer with the id of the recorded call.
    pub reply: Reply,
    /// Whether it holds what workloads wrote.
    pub untrusted: bool,
}

impl<'a> Reader<'a> {
    /// A reader over the tools that the daemon lists for this agent, for this many calls.
    #[must_use]
    pub fn new(caller: &'a dyn Caller, tools: &'a [ToolInfo], calls: u32) -> Self {
        Self {
            caller,
            tools,
            calls_left: AtomicU32::new(calls),
        }
    }

    /// The tools that look, in the daemon's order.
    pub fn looking(&self) -> impl Iterator<Item = &'a ToolInfo> {
        self.tools
            .iter()
            .filter(|tool| LOOKING.contains(&tool.class.as_str()))
    }

    /// The tools that a proposal of this agent may consist of.
    pub fn changing(&self) -> impl Iterator<Item = &'a ToolInfo> {
        self.tools.iter().filter(|tool| tool.class == CHANGING)
    }

    /// Calls a tool that looks.
    ///
    /// # Errors
    /// As the call; refused without a call when the tool does more than look or the calls are used up.
    pub async fn read(&self, tool: &str, arguments: Map<String, Value>) -> Result<Read, CallError> {
        let Some(known) = self.looking().find(|known| known.name == tool) else {
            let names: Vec<&str> = self.looking().map(|tool| tool.name.as_str()).collect();
            let words = format!("only these tools look: {}", names.join(", "));
            return Err(CallError::Refused { words });
        };
        let take = |left: u32| left.checked_sub(1);
        if self
            .calls_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_err()
        {
            let words = "no calls are left in this turn; conclude from what is known".to_owned();
            return Err(CallError::Refused { words });
        }
        let reply = self.caller.call(tool, arguments).await?;
        Ok(Read {
            reply,
            untrusted: known.class == UNTRUSTED,
        })
    }

    /// Calls a tool that looks and whose answer is known. Arguments are an object.
    ///
    /// # Errors
    /// When it does not answer, or otherwise than expected.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        tool: &str,
        arguments: Value,
    ) -> Result<Cited<T>, PlannerError> {
        let arguments = match arguments {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        let read = self.read(tool, arguments).await;
        let read = read.map_err(|error| PlannerError(format!("`{tool}`: {error}")))?;
        let value = serde_json::from_value(read.reply.value);
        let value = value.map_err(|error| {
            PlannerError(format!("`{tool}` answers of another version: {error}"))
        })?;
        Ok(Cited {
            call: read.reply.call,
            value,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use ostler_core::id::CallId;

    use super::*;

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[async_trait]
    impl Caller for Heard {
        async fn call(&self, tool: &str, _: Map<String, Value>) -> Result<Reply, CallError> {
            self.0.lock().unwrap().push(tool.to_owned());
            let call = CallId::new("call_1").unwrap();
            Ok(Reply {
                call,
                value: Value::Null,
                revision: None,
            })
        }

        async fn tools(&self) -> Result<Vec<ToolInfo>, CallError> {
            Ok(Vec::new())
        }
    }

    fn tool(name: &str, class: &str) -> ToolInfo {
        ToolInfo {
            name: name.into(),
            description: String::new(),
            class: class.into(),
            input_schema: Map::new(),
        }
    }

    #[tokio::test]
    async fn nothing_but_looking_reaches_the_pipe_and_only_so_often() {
        let heard = Heard::default();
        let tools = [
            tool("get_service", "read"),
            tool("read_logs", "read_data"),
            tool("delete_service", "change"),
            tool("submit_proposal", "record"),
            tool("approve", "approve"),
        ];
        let reader = Reader::new(&heard, &tools, 2);
        for forbidden in ["delete_service", "submit_proposal", "approve", "made_up"] {
            let refused = reader.read(forbidden, Map::new()).await;
            assert!(
                matches!(refused, Err(CallError::Refused { .. })),
                "{forbidden}"
            );
        }
        assert!(
            !reader
                .read("get_service", Map::new())
                .await
                .unwrap()
                .untrusted
        );
        assert!(
            reader
                .read("read_logs", Map::new())
                .await
                .unwrap()
                .untrusted
        );
        let over = reader.read("get_service", Map::new()).await;
        assert!(matches!(over, Err(CallError::Refused { .. })));
        assert_eq!(*heard.0.lock().unwrap(), ["get_service", "read_logs"]);
    }
}
