//! Buttons: each is one call through the gate, then the page it came from.

use axum::{
    extract::Path,
    response::{IntoResponse, Redirect, Response},
};
use ostler_tools::answer::{Changed, Decision};
use serde_json::{Value, json};

use crate::{problem::Problem, visit::Posted};

/// Goes back to the page, which says what was done.
fn done(posted: &Posted, words: String) -> Response {
    let visit = &posted.visit;
    visit.console.tell(&visit.session.form_token, words);
    Redirect::to(posted.back()).into_response()
}

/// A yes or a no to a request for approval.
pub(crate) async fn answer(Path(id): Path<String>, posted: Posted) -> Result<Response, Problem> {
    let reason = posted.text("reason");
    let plain = || json!({ "id": id, "reason": reason });
    let another = || json!({ "id": id, "reason": reason, "another_plan": true });
    let (tool, args, words) = match posted.needed("answer")? {
        "yes" => ("approve", plain(), "You said yes."),
        "no" => ("reject", plain(), "You said no."),
        "another" => ("reject", another(), "You asked for another plan."),
        _ => {
            return Err(Problem::bad("`answer` must be `yes`, `no` or `another`"));
        }
    };
    if tool == "reject" && reason.is_none() {
        return Err(Problem::bad(
            "a no needs a reason: whoever asked reads it, and learns from it",
        ));
    }
    let _decided: Decision = posted.visit.ask(tool, args).await?;
    Ok(done(&posted, words.to_owned()))
}

/// A change, and what it did in words.
async fn change(posted: Posted, tool: &'static str, args: Value) -> Result<Response, Problem> {
    let changed: Changed = posted.visit.ask(tool, args).await?;
    let words = format!("Done, revision {}: {}.", changed.revision, changed.summary);
    Ok(done(&posted, words))
}

/// Takes back a change.
pub(crate) async fn undo(posted: Posted) -> Result<Response, Problem> {
    let revision: u64 = number(posted.needed("revision")?)?;
    change(posted, "undo_change", json!({ "revision": revision })).await
}

/// Pauses an agent.
pub(crate) async fn pause(Path(name): Path<String>, posted: Posted) -> Result<Response, Problem> {
    change(posted, "pause_agent", json!({ "agent": name })).await
}

/// Lets a paused agent go on.
pub(crate) async fn resume(Path(name): Path<String>, posted: Posted) -> Result<Response, Problem> {
    change(posted, "resume_agent", json!({ "agent": name })).await
}

/// Goes back to an earlier generation.
pub(crate) async fn roll_back(
    Path((namespace, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Problem> {
    let generation: u64 = number(posted.needed("generation")?)?;
    let service = format!("{namespace}/{name}");
    let args = json!({ "service": service, "generation": generation });
    change(posted, "rollback_service", args).await
}

/// Restarts every instance, as a rollout does.
pub(crate) async fn restart(
    Path((namespace, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Problem> {
    let service = format!("{namespace}/{name}");
    change(posted, "restart_service", json!({ "service": service })).await
}

/// Holds a rollout, lets it go on, or ends it one way or the other: this one, not one that came since.
pub(crate) async fn rollout(
    Path((namespace, name)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, Problem> {
    let tool = match posted.needed("do")? {
        "pause" => "pause_rollout",
        "resume" => "resume_rollout",
        "promote" => "promote_rollout",
        "abort" => "abort_rollout",
        _ => {
            return Err(Problem::bad(
                "`do` must be `pause`, `resume`, `promote` or `abort`",
            ));
        }
    };
    let generation: u64 = number(posted.needed("generation")?)?;
    let service = format!("{namespace}/{name}");
    let args = json!({ "service": service, "generation": generation });
    change(posted, tool, args).await
}

fn number(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::bad("the number in the form is not one"))
}
