//! What the official suite wants to find on a server under test, around the product's own MCP handler:
//! the product says who it is and lists its tools, and these fixtures stand beside them. Nothing here
//! speaks HTTP or negotiates anything; that is the product's, and what the suite is here to try.
#![expect(deprecated, reason = "the older revision still sets log levels")]

mod asks;
mod changes;
mod input;
mod plain;
mod prompts;
mod resources;
mod tasks;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, CancelTaskParams,
        CompleteRequestParams, CompleteResult, GetPromptRequestParams, GetPromptResponse,
        GetTaskParams, GetTaskResult, ListPromptsResult, ListResourceTemplatesResult,
        ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
        ReadResourceResponse, ServerConfig, SetLevelRequestParams, SubscribeRequestParams,
        SubscriptionFilter, Tool, UnsubscribeRequestParams, UpdateTaskParams,
    },
    service::{RequestContext, SubscriptionContext},
    task_manager::TaskManager,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A request's surroundings.
type Context = RequestContext<RoleServer>;
/// What comes of a tool's call.
type Called = Result<CallToolResponse, ErrorData>;

/// The fixtures beside a product's handler.
#[derive(Clone)]
pub struct Fixture<P> {
    product: P,
    tasks: TaskManager,
    states: input::States,
    changes: changes::Changes,
}

impl<P: ServerHandler> Fixture<P> {
    /// Nothing was called yet.
    pub fn new(product: P) -> Self {
        Self {
            product,
            tasks: TaskManager::new(),
            states: input::States::default(),
            changes: changes::Changes::default(),
        }
    }

    /// The answer of the fixture of that name, if there is one.
    async fn call(&self, request: &CallToolRequestParams, context: &Context) -> Option<Called> {
        if let Some(answer) = plain::call(request, context).await {
            return Some(answer);
        }
        if let Some(answer) = asks::call(request, context).await {
            return Some(answer);
        }
        if let Some(answer) = input::call(&self.states, request, context) {
            return Some(answer);
        }
        if let Some(answer) = tasks::call(&self.tasks, request, context).await {
            return Some(answer);
        }
        self.changes.call(request)
    }
}

/// The fixtures' tools, in one order always.
fn tools() -> Vec<Tool> {
    [
        plain::tools(),
        asks::tools(),
        input::tools(),
        tasks::tools(),
        changes::tools(),
    ]
    .concat()
}

/// A value of the protocol, as it looks on the wire.
fn wire<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// A tool by its name, what it does, and what it takes.
fn tool(name: &str, description: &str, properties: Value) -> Tool {
    let required: Vec<&String> = properties.as_object().unwrap().keys().collect();
    let schema = json!({ "type": "object", "properties": &properties, "required": required });
    wire(json!({ "name": name, "description": description, "inputSchema": schema }))
}

/// A finished answer of the protocol, as it looks on the wire.
fn finished<T: DeserializeOwned>(mut value: Value) -> T {
    value["resultType"] = json!("complete");
    wire(value)
}

/// A tool's result of one text.
fn said(words: impl Into<String>) -> CallToolResult {
    finished(json!({ "content": [{ "type": "text", "text": words.into() }] }))
}

/// A tool's result that says what went wrong.
fn failed(words: impl Into<String>) -> CallToolResult {
    let mut result = said(words);
    result.is_error = Some(true);
    result
}

/// An answer of one text.
fn text(words: impl Into<String>) -> Called {
    Ok(CallToolResponse::Complete(said(words)))
}

/// An answer of these blocks.
fn content(blocks: Value) -> Called {
    Ok(CallToolResponse::Complete(finished(
        json!({ "content": blocks }),
    )))
}

/// An argument as text; nothing is empty text.
fn argument<'a>(request: &'a CallToolRequestParams, name: &str) -> &'a str {
    let arguments = request.arguments.as_ref();
    let value = arguments.and_then(|arguments| arguments.get(name));
    value.and_then(Value::as_str).unwrap_or_default()
}

impl<P: ServerHandler> ServerHandler for Fixture<P> {
    fn get_info(&self) -> ServerConfig {
        let mut info = self.product.get_info();
        info.capabilities = wire(json!({
            "completions": {},
            "logging": {},
            "prompts": { "listChanged": true },
            "resources": { "listChanged": true, "subscribe": true },
            "tools": { "listChanged": true },
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        }));
        info
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        context: Context,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut listed = self.product.list_tools(request, context).await?;
        listed.tools = [tools(), listed.tools].concat();
        Ok(listed)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        let fixture = tools().into_iter().find(|tool| tool.name == name);
        fixture.or_else(|| self.product.get_tool(name))
    }

    async fn call_tool(&self, request: CallToolRequestParams, context: Context) -> Called {
        match self.call(&request, &context).await {
            Some(answer) => answer,
            None => self.product.call_tool(request, context).await,
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(resources::list())
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: Context,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }

    async fn subscribe(&self, _: SubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(&self, _: UnsubscribeRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Context,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(prompts::list())
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: Context,
    ) -> Result<GetPromptResponse, ErrorData> {
        prompts::get(&request, &context)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _: Context,
    ) -> Result<CompleteResult, ErrorData> {
        Ok(prompts::complete(&request.argument.value))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Context) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(self.changes.accept(requested))
    }

    async fn listen(&self, subscription: SubscriptionContext) -> Result<(), ErrorData> {
        self.changes.pass_on(&subscription).await;
        Ok(())
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _: Context,
    ) -> Result<GetTaskResult, ErrorData> {
        self.tasks
            .get_task(&request.task_id)
            .map(GetTaskResult::new)
    }

    async fn update_task(&self, request: UpdateTaskParams, _: Context) -> Result<(), ErrorData> {
        self.tasks
            .update_task(&request.task_id, request.input_responses)
    }

    async fn cancel_task(&self, request: CancelTaskParams, _: Context) -> Result<(), ErrorData> {
        self.tasks.cancel_task(&request.task_id)
    }
}
