//! The tasks extension: calls that go on after their answer, are looked at, given input and cancelled.

use std::time::Duration;

use rmcp::{
    ErrorData,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities,
        CreateTaskResult, InputRequest, Tool,
    },
    task_manager::{TaskContext, TaskExit, TaskManager, TaskOptions},
};
use serde_json::{Value, json};

use super::{Called, Context, argument, failed, input, said, text, tool, wire};

/// How a task ends.
type Ended = Result<CallToolResult, TaskExit>;

/// This file's tools.
pub fn tools() -> Vec<Tool> {
    let words = json!({ "type": "string" });
    vec![
        tool("greet", "Greets, never as a task", json!({ "name": words })),
        tool(
            "slow_compute",
            "Takes its time",
            json!({ "seconds": { "type": "number" } }),
        ),
        tool("failing_job", "Fails, only as a task", json!({})),
        tool("protocol_error_job", "Breaks, only as a task", json!({})),
        tool(
            "confirm_delete",
            "Asks before it goes on",
            json!({ "filename": words }),
        ),
        tool("multi_input", "Asks two things at once", json!({})),
        tool(
            "test_tool_with_task",
            "Asks, then goes on as a task",
            json!({}),
        ),
    ]
}

/// Calls one of them.
pub async fn call(
    tasks: &TaskManager,
    request: &CallToolRequestParams,
    context: &Context,
) -> Option<Called> {
    let answer = match &*request.name {
        "greet" => text(format!("Hello, {}!", argument(request, "name"))),
        "slow_compute" => slow(tasks, seconds(request), context).await,
        "failing_job" => only_task(tasks, context, |_| fails()),
        "protocol_error_job" => only_task(tasks, context, |_| breaks()),
        "confirm_delete" => only_task(tasks, context, confirms),
        "multi_input" => only_task(tasks, context, asks_twice),
        "test_tool_with_task" => asks_then_goes_on(tasks, request, context),
        _ => return None,
    };
    Some(answer)
}

fn seconds(request: &CallToolRequestParams) -> Duration {
    let arguments = request.arguments.as_ref();
    let seconds = arguments.and_then(|arguments| arguments.get("seconds"));
    Duration::from_secs(seconds.and_then(Value::as_u64).unwrap_or_default())
}

fn knows_tasks(context: &Context) -> bool {
    let capabilities = context.client_capabilities();
    capabilities.is_some_and(|capabilities| capabilities.supports_tasks())
}

fn begin<F>(tasks: &TaskManager, work: impl FnOnce(TaskContext) -> F) -> Called
where
    F: Future<Output = Ended> + Send + 'static,
{
    let options = TaskOptions::new().with_poll_interval_ms(100);
    let task = tasks.spawn(options, |task| Box::pin(work(task)));
    Ok(CallToolResponse::Task(CreateTaskResult::new(task)))
}

fn only_task<F>(
    tasks: &TaskManager,
    context: &Context,
    work: impl FnOnce(TaskContext) -> F,
) -> Called
where
    F: Future<Output = Ended> + Send + 'static,
{
    if !knows_tasks(context) {
        let needed = ClientCapabilities::builder().enable_tasks().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    begin(tasks, work)
}

async fn slow(tasks: &TaskManager, time: Duration, context: &Context) -> Called {
    if time.is_zero() || !knows_tasks(context) {
        tokio::time::sleep(time).await;
        return text("computed");
    }
    begin(tasks, async move |task| {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(said("computed")),
            () = task.cancelled() => Err(TaskExit::Cancelled),
        }
    })
}

async fn fails() -> Ended {
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(failed("it did not work"))
}

async fn breaks() -> Ended {
    Err(ErrorData::internal_error("it broke", None).into())
}

async fn asks(task: &TaskContext, key: &str, field: &str, kind: &str) -> Result<Value, TaskExit> {
    let question: InputRequest = wire(input::one_field("What now?", field, kind));
    task.request_input(key, question).await
}

async fn confirms(task: TaskContext) -> Ended {
    let answer = asks(&task, "confirm", "confirm", "boolean").await?;
    Ok(said(answer.to_string()))
}

async fn asks_twice(task: TaskContext) -> Ended {
    let name = asks(&task, "name", "name", "string");
    let yes = asks(&task, "confirm", "confirm", "boolean");
    let (name, yes) = tokio::try_join!(name, yes)?;
    Ok(said(format!("{name} {yes}")))
}

fn asks_then_goes_on(
    tasks: &TaskManager,
    request: &CallToolRequestParams,
    context: &Context,
) -> Called {
    match input::answered(request.input_responses.as_ref(), "user_name", "name") {
        Some(name) => only_task(tasks, context, async move |_| Ok(said(name))),
        None => {
            let question = json!({ "user_name": input::form("What is your name?", "name") });
            Ok(input::required(context, question, None).into())
        }
    }
}
