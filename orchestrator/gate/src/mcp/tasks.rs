//! Held calls as MCP tasks: a client that knows tasks looks at one until a person has answered, instead of
//! making the same call again.
//!
//! Nothing goes on in the background. A granted call is made when its owner looks, as who they are then: one
//! whose token was revoked meanwhile looks at nothing. Tasks are kept in memory; what they wait for is not.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use ostler_core::id::ApprovalId;
use ostler_tools::principal::Principal;
use rmcp::{
    ErrorData,
    model::{CallToolResult, CreateTaskResult, DetailedTask, Task, TaskPayload, TaskStatus},
    task_manager::current_timestamp,
};
use serde_json::Value;

use super::{
    convert::{meta_of, result_of},
    door::{Door, Standing},
};
use crate::answer::{Answer, Outcome};

/// Most tasks of one caller, and of all.
const MINE: usize = 64;
const ALL: usize = 1_024;
/// Most bytes of arguments that they keep together.
const BYTES: usize = 32 << 20;
/// How often clients should look, in milliseconds.
const LOOK_EVERY_MS: u64 = 2_000;
/// How long an ended task can be looked at.
const SHOWN: Duration = Duration::from_secs(300);

/// The held calls that clients look at, by whichever way they come; clones are the same.
#[derive(Clone, Default)]
pub struct HeldTasks(Arc<Mutex<BTreeMap<String, Held>>>);

/// A call that waits.
struct Held {
    owner: String,
    call: HeldCall,
    task: Task,
    /// When it can be forgotten.
    until: Instant,
    payload: TaskPayload,
    /// Whether it is being made.
    made: bool,
    /// Bytes of its arguments.
    size: usize,
}

/// What is made after the yes.
#[derive(Clone)]
pub(crate) struct HeldCall {
    pub(crate) tool: String,
    pub(crate) args: Value,
}

impl HeldTasks {
    /// A task for a call that was held; none where as many are kept as may be.
    pub(crate) fn begin(
        &self,
        door: &dyn Door,
        (caller, call): (&Principal, HeldCall),
        answer: &Answer,
    ) -> Option<CreateTaskResult> {
        let Outcome::Held { approval, words } = &answer.outcome else {
            return None;
        };
        let Standing::Waits { left } = door.standing(caller, approval) else {
            return None;
        };
        let owner = caller.to_string();
        let mut held = self.held();
        let of_it = format!("{approval}.");
        let mut waiting = held.iter().filter(|(id, held)| {
            id.starts_with(&of_it) && held.owner == owner && held.payload == TaskPayload::Working
        });
        // Who makes the same call again waits for the same.
        if let Some((_, known)) = waiting.next() {
            return Some(created(&known.task, answer));
        }
        let size = call.args.to_string().len();
        let all: usize = held.values().map(|held| held.size).sum();
        let mine = held.values().filter(|held| held.owner == owner).count();
        if mine >= MINE || held.len() >= ALL || all + size > BYTES {
            return None;
        }
        let now = current_timestamp();
        let id = format!("{of_it}{:032x}", rand::random::<u128>());
        let task = Task::new(id.clone(), TaskStatus::Working, now.clone(), now)
            .with_status_message(words.clone())
            .with_ttl_ms(left.0)
            .with_poll_interval_ms(LOOK_EVERY_MS);
        let created = created(&task, answer);
        let until = Instant::now() + Duration::from_millis(left.0) + SHOWN;
        held.insert(
            id,
            Held {
                owner,
                call,
                task,
                until,
                payload: TaskPayload::Working,
                made: false,
                size,
            },
        );
        Some(created)
    }

    /// How a task stands. Where the yes has come, the call is made now, by whoever looks.
    pub(crate) async fn look(
        &self,
        door: Arc<dyn Door>,
        caller: &Principal,
        id: &str,
    ) -> Result<DetailedTask, ErrorData> {
        let Some((call, approval)) = self.waiting(caller, id)? else {
            return self.shown(caller, id);
        };
        let ended = match door.standing(caller, &approval) {
            Standing::Waits { .. } => None,
            Standing::Over(words) => Some(failed(&words)),
            Standing::Given => {
                if !self.take(id) {
                    return self.shown(caller, id);
                }
                let (tasks, caller, id) = (self.clone(), caller.clone(), id.to_owned());
                // A client that goes away does not interrupt it.
                let made = tokio::spawn(async move {
                    let answer = door.call(&caller, &call.tool, call.args).await;
                    tasks.end(&id, completed(&result_of(&answer)));
                });
                made.await
                    .err()
                    .map(|_| failed("the call broke off; see the audit log"))
            }
        };
        if let Some(payload) = ended {
            self.end(id, payload);
        }
        self.shown(caller, id)
    }

    /// Makes nothing of a task: its call is not made, whatever is answered.
    pub(crate) fn cancel(&self, caller: &Principal, id: &str) -> Result<(), ErrorData> {
        if self.waiting(caller, id)?.is_some() && self.take(id) {
            self.end(id, TaskPayload::Cancelled);
        }
        Ok(())
    }

    /// Whether it is a task of the caller.
    pub(crate) fn known(&self, caller: &Principal, id: &str) -> Result<(), ErrorData> {
        self.shown(caller, id).map(|_| ())
    }

    /// What a task of the caller waits for; nothing where it has ended or is being made.
    fn waiting(
        &self,
        caller: &Principal,
        id: &str,
    ) -> Result<Option<(HeldCall, ApprovalId)>, ErrorData> {
        let held = self.held();
        let task = mine(&held, caller, id)?;
        let waits = !task.made && task.payload == TaskPayload::Working;
        let approval = id.split_once('.').and_then(|(id, _)| id.parse().ok());
        Ok(approval
            .filter(|_| waits)
            .map(|approval| (task.call.clone(), approval)))
    }

    /// Takes the turn to end a task; only one can.
    fn take(&self, id: &str) -> bool {
        let mut held = self.held();
        let task = held.get_mut(id).filter(|task| !task.made);
        task.map(|task| task.made = true).is_some()
    }

    fn end(&self, id: &str, payload: TaskPayload) {
        if let Some(task) = self.held().get_mut(id) {
            task.payload = payload;
            // Its arguments may be secret, and are of no more use.
            task.call.args = Value::Null;
            task.size = 0;
            task.task.last_updated_at = current_timestamp();
            task.until = Instant::now() + SHOWN;
        }
    }

    fn shown(&self, caller: &Principal, id: &str) -> Result<DetailedTask, ErrorData> {
        let held = self.held();
        let task = mine(&held, caller, id)?;
        Ok(DetailedTask::new(task.task.clone(), task.payload.clone()))
    }

    /// All that are not to be forgotten.
    fn held(&self) -> MutexGuard<'_, BTreeMap<String, Held>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        held.retain(|_, task| now < task.until);
        held
    }
}

/// What a client is told of a task.
fn created(task: &Task, answer: &Answer) -> CreateTaskResult {
    let mut created = CreateTaskResult::new(task.clone());
    created.meta = Some(meta_of(answer));
    created
}

/// Somebody else's task is as one that is not there.
fn mine<'a>(
    held: &'a BTreeMap<String, Held>,
    caller: &Principal,
    id: &str,
) -> Result<&'a Held, ErrorData> {
    let owner = caller.to_string();
    let task = held.get(id).filter(|task| task.owner == owner);
    task.ok_or_else(|| {
        let words =
            "there is no such task of yours; tasks end with the daemon: make the call again";
        ErrorData::invalid_params(words, None)
    })
}

fn failed(words: &str) -> TaskPayload {
    let words = rmcp::model::ContentBlock::text(words);
    completed(&CallToolResult::error(vec![words]))
}

fn completed(result: &CallToolResult) -> TaskPayload {
    let result = match serde_json::to_value(result) {
        Ok(Value::Object(fields)) => fields,
        _ => Default::default(),
    };
    TaskPayload::Completed { result }
}
