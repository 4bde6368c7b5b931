//! The daemon's end of an agent's pipe in a replay: a real MCP server over the bundle's world.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use ostler_agents_kit::{
    agent::Clock,
    client::{CALL_META, CLASS_META, REVISION_META},
};
use ostler_core::time::Time;
use ostler_tools::{
    catalogue,
    contract::{Class, Tool},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, JsonObject,
        ListToolsResult, MetaObject, PaginatedRequestParams, ServerCapabilities, ServerConfig,
        Tool as McpTool,
    },
    service::RequestContext,
};
use serde_json::{Value, json};

use crate::world::{Outcome, START, World};

/// The time of a replay: the bundle's moment, and on as fast as the runtime's own clock says.
#[derive(Debug, Clone, Copy)]
pub struct ReplayClock(tokio::time::Instant);

impl ReplayClock {
    /// Begins at the bundle's moment.
    #[must_use]
    pub fn start() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> Time {
        let passed = u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX);
        Time(START.0.saturating_add(passed))
    }
}

/// Serves a world.
#[derive(Clone)]
pub struct Server {
    world: Arc<Mutex<World>>,
    clock: ReplayClock,
    calls: Arc<AtomicU64>,
}

impl Server {
    /// Serves this world, from now on.
    #[must_use]
    pub fn new(world: Arc<Mutex<World>>, clock: ReplayClock) -> Self {
        Self {
            world,
            clock,
            calls: Arc::default(),
        }
    }

    fn answer(&self, tool: &str, args: Value) -> CallToolResult {
        let count = self.calls.fetch_add(1, Ordering::Relaxed);
        let call = format!("call_{count}");
        // Spread over all sixty bits that ids are made of.
        let fresh = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = world.call(tool, args, self.clock.now(), fresh);
        let mut meta = JsonObject::new();
        meta.insert(CALL_META.to_owned(), call.clone().into());
        let refuse = |outcome: &str, words: String| {
            let mut result = CallToolResult::error(vec![ContentBlock::text(words.clone())]);
            result.structured_content =
                Some(json!({ "call": call, "outcome": outcome, "words": words, "policies": [] }));
            result
        };
        let mut result = match outcome {
            Outcome::Done(value, revision) => {
                if let Ok(call) = call.parse() {
                    world.answers.insert(call, value.clone());
                }
                if let Some(revision) = revision {
                    meta.insert(REVISION_META.to_owned(), revision.into());
                }
                CallToolResult::structured(value)
            }
            Outcome::Denied(words) => refuse("denied", words),
            Outcome::Refused(words) => refuse("refused", words),
        };
        result.meta = Some(MetaObject(meta));
        result
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = catalogue::ALL.iter().filter(|tool| offered(tool));
        Ok(ListToolsResult::with_all_items(
            tools.map(mcp_tool).collect(),
        ))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let args = Value::Object(request.arguments.unwrap_or_default());
        Ok(self.answer(&request.name, args).into())
    }
}

/// What policy could permit an agent: nothing that approves, rules or acts inside instances, and
/// nothing that removes.
fn offered(tool: &Tool) -> bool {
    matches!(
        tool.class,
        Class::Read | Class::ReadData | Class::Record | Class::Change
    ) && !tool.name.starts_with("delete_")
}

fn mcp_tool(tool: &Tool) -> McpTool {
    let schema = match (tool.input_schema)() {
        Value::Object(fields) => fields,
        _ => JsonObject::new(),
    };
    let mut made = McpTool::new(tool.name, tool.description, Arc::new(schema));
    made.meta = Some(MetaObject(JsonObject::from_iter([(
        CLASS_META.to_owned(),
        tool.class.group().into(),
    )])));
    made
}
