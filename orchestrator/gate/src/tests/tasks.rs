//! Held calls as tasks over MCP: made after the yes, once, by whom they belong to and as who they are then.

use std::sync::Arc;

use ostler_tools::principal::{Principal, Role};
use rmcp::{
    ClientHandler, ClientLifecycleMode, ClientServiceExt as _, RoleClient,
    model::{
        CallToolRequestParams, CallToolResponse, CancelTaskParams, ClientCapabilities,
        ClientConfig, DetailedTask, GetTaskParams, ProtocolVersion, TaskPayload, TaskStatus,
        UpdateTaskParams,
    },
    service::RunningService,
};
use serde_json::{Value, json};

use super::{House, admin, done, healer, house, operator, user};
use crate::mcp::{
    APPROVAL_KEY, Door, serve_pipe,
    tasks::{HeldCall, HeldTasks},
};

/// A client that knows tasks, or does not.
struct Knows(bool);

impl ClientHandler for Knows {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        if self.0 {
            info.capabilities = ClientCapabilities::builder().enable_tasks().build();
        }
        info
    }
}

type Client = RunningService<RoleClient, Knows>;

async fn connect(house: &House, caller: Principal, knows: bool) -> Client {
    let (theirs, ours) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_pipe(Arc::clone(&house.gate) as _, caller, ours));
    let lifecycle = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let client = Knows(knows).serve_with_lifecycle(theirs, lifecycle).await;
    client.unwrap()
}

async fn call(client: &Client, tool: &str, args: Value) -> CallToolResponse {
    let Value::Object(args) = args else {
        panic!("arguments are an object")
    };
    let call = CallToolRequestParams::new(tool.to_owned()).with_arguments(args);
    client.call_tool_once(call).await.unwrap()
}

fn limits(mebibytes: u32) -> Value {
    json!({ "service": "shop/cart", "memory": format!("{mebibytes}Mi") })
}

/// How much memory is wanted, in mebibytes.
fn memory(house: &House) -> u64 {
    let service = &house.gate.intent().services[&"shop/cart".parse().unwrap()];
    let limits = &service.spec.resources.limits;
    limits.memory.map_or(0, |bytes| bytes.0 >> 20)
}

/// Something that is held: an agent's change. The task and what it waits for.
async fn held(client: &Client, mebibytes: u32) -> (String, String) {
    match call(client, "set_limits", limits(mebibytes)).await {
        CallToolResponse::Task(created) => {
            assert_eq!(created.task.status, TaskStatus::Working);
            let words = created.task.status_message.unwrap();
            assert!(words.contains("apr_"), "{words}");
            let meta = created.meta.unwrap().0;
            let approval = meta.get(APPROVAL_KEY).unwrap().as_str().unwrap();
            (created.task.task_id, approval.to_owned())
        }
        other => panic!("not a task: {other:?}"),
    }
}

async fn look(client: &Client, id: &str) -> DetailedTask {
    client.get_task(GetTaskParams::new(id)).await.unwrap().task
}

fn result(task: &DetailedTask) -> Value {
    match &task.payload {
        TaskPayload::Completed { result } => Value::Object(result.clone()),
        other => panic!("not completed: {other:?}"),
    }
}

async fn say(house: &House, tool: &str, approval: &str) {
    let args = json!({ "id": approval, "reason": "because" });
    done(house.call(&operator(), tool, args).await);
}

#[tokio::test]
async fn a_held_call_is_made_once_after_the_yes() {
    let house = house().await;
    let client = connect(&house, healer(), true).await;
    let (id, approval) = held(&client, 96).await;
    assert_eq!(look(&client, &id).await.status(), TaskStatus::Working);
    assert_eq!(memory(&house), 64);
    say(&house, "approve", &approval).await;
    let (one, two) = tokio::join!(look(&client, &id), look(&client, &id));
    assert_eq!(memory(&house), 96);
    let ended = look(&client, &id).await;
    assert_eq!(result(&ended)["isError"], false);
    assert!(result(&ended)["_meta"]["ostler.dev/revision"].is_u64());
    for seen in [one, two] {
        assert!(matches!(
            seen.status(),
            TaskStatus::Working | TaskStatus::Completed
        ));
    }
    let made = house.log().await;
    let made = made
        .iter()
        .filter(|entry| entry.tool == "set_limits" && entry.outcome == "done");
    assert_eq!(made.count(), 1);
    assert_eq!(look(&client, &id).await, ended, "it can be looked at again");
}

#[tokio::test]
async fn a_no_and_a_world_that_moved_end_it_in_words() {
    let house = house().await;
    let client = connect(&house, healer(), true).await;
    let (id, approval) = held(&client, 96).await;
    say(&house, "reject", &approval).await;
    let said = result(&look(&client, &id).await);
    assert_eq!(said["isError"], true);
    assert!(
        said.to_string().contains("rejected by user:ann: because"),
        "{said}"
    );

    let (id, approval) = held(&client, 80).await;
    say(&house, "approve", &approval).await;
    done(house.call(&operator(), "set_limits", limits(72)).await);
    let said = result(&look(&client, &id).await);
    assert_eq!(said["structuredContent"]["outcome"], "held", "{said}");
    assert_eq!(memory(&house), 72);

    let (id, approval) = held(&client, 112).await;
    house.clock.advance(ostler_core::time::Span::minutes(61));
    let said = result(&look(&client, &id).await);
    assert!(said.to_string().contains(&approval), "{said}");
    assert!(said.to_string().contains("not answered"), "{said}");
}

#[tokio::test]
async fn what_was_cancelled_is_not_made() {
    let house = house().await;
    let client = connect(&house, healer(), true).await;
    let (id, approval) = held(&client, 96).await;
    client
        .update_task(UpdateTaskParams::new(&id, Default::default()))
        .await
        .unwrap();
    client
        .cancel_task(CancelTaskParams::new(&id))
        .await
        .unwrap();
    say(&house, "approve", &approval).await;
    assert_eq!(look(&client, &id).await.status(), TaskStatus::Cancelled);
    assert_eq!(memory(&house), 64);
}

#[tokio::test]
async fn a_task_is_its_owners() {
    let house = house().await;
    let tasks = HeldTasks::default();
    let answer = house.call(&healer(), "set_limits", limits(96)).await;
    let begin = |caller: &Principal| {
        let call = HeldCall {
            tool: "set_limits".to_owned(),
            args: limits(96),
        };
        let begun = tasks.begin(&*house.gate, (caller, call), &answer);
        begun.map(|created| created.task.task_id)
    };
    let id = begin(&healer()).unwrap();
    let door = || Arc::clone(&house.gate) as Arc<dyn Door>;
    for other in [operator(), admin(), user("healer", Role::Operator)] {
        assert!(tasks.look(door(), &other, &id).await.is_err());
        assert!(tasks.cancel(&other, &id).is_err());
        assert!(begin(&other).is_none(), "it is not what they wait for");
    }
    assert!(tasks.look(door(), &healer(), "apr_1.none").await.is_err());
    assert!(tasks.look(door(), &healer(), &id).await.is_ok());
    assert_eq!(
        begin(&healer()),
        Some(id.clone()),
        "the same call waits for the same"
    );
    tasks.cancel(&healer(), &id).unwrap();
    assert_ne!(begin(&healer()), Some(id), "but not for what has ended");
}

#[tokio::test]
async fn not_more_are_kept_than_may_be() {
    let house = house().await;
    let client = connect(&house, healer(), true).await;
    let mut tasks = 0;
    // Ended ones count too, for as long as they are shown.
    for number in 0..70 {
        let wanted = format!("{}Ki", 70_000 + number);
        let args = json!({ "service": "shop/cart", "memory": wanted });
        match call(&client, "set_limits", args).await {
            CallToolResponse::Task(created) => {
                tasks += 1;
                let id = created.task.task_id;
                client
                    .cancel_task(CancelTaskParams::new(&id))
                    .await
                    .unwrap();
                let meta = created.meta.unwrap().0;
                let approval = meta.get(APPROVAL_KEY).unwrap().as_str().unwrap();
                say(&house, "reject", approval).await;
            }
            CallToolResponse::Complete(told) => {
                assert_eq!(told.structured_content.unwrap()["outcome"], "held");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tasks, 64);
}

#[tokio::test]
async fn who_knows_no_tasks_is_told_in_words() {
    let house = house().await;
    let client = connect(&house, healer(), false).await;
    match call(&client, "set_limits", limits(96)).await {
        CallToolResponse::Complete(result) => {
            assert_eq!(result.structured_content.unwrap()["outcome"], "held");
        }
        other => panic!("{other:?}"),
    }
    let known = connect(&house, operator(), true).await;
    let answer = call(&known, "list_services", json!({})).await;
    assert!(
        matches!(answer, CallToolResponse::Complete(_)),
        "what is not held is no task"
    );
}
