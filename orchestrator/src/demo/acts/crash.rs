//! First fault: a process dies. Rules settle it; no agent is asked.

use std::time::{Duration, Instant};

use anyhow::Context;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::super::{
    stage::{Stage, list, text},
    summary::Story,
};

/// Kills the cart's main process and waits until it runs again.
pub fn crash(stage: &Stage) -> anyhow::Result<Story> {
    stage.heading("1. A process dies: kill -9 of the cart")?;
    stage.say("Restarting is a rule of the core: no agent and no model is involved.")?;
    let before = instance(stage, "cart")?;
    let pid = before
        .get("pid")
        .and_then(Value::as_i64)
        .context("the cart has no process")?;
    let since = Instant::now();
    kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGKILL).context("cannot kill the cart")?;
    let started = stage.until("the cart runs again", Duration::from_secs(30), || {
        let events = stage.json(&["events", "cart"])?;
        let again = |event: &&Value| {
            let what = event.get("what").unwrap_or(&Value::Null);
            text(what, "kind") == "started"
                && what.get("attempt").and_then(Value::as_u64) == Some(2)
        };
        Ok(list(&events, "events").iter().find(again).cloned())
    })?;
    let exited_at = exit_time(stage)?;
    let again_after = started
        .get("at")
        .and_then(Value::as_u64)
        .unwrap_or_default()
        .saturating_sub(exited_at);
    stage.until_healthy(&["cart", "frontend"], Duration::from_secs(30))?;
    stage.show(&["events", "cart"])?;
    Ok(Story {
        broke: "cart: kill -9".to_owned(),
        seen_after: Duration::from_millis(0),
        cause: "SIGKILL".to_owned(),
        decided_by: "the core's restart rule".to_owned(),
        fix: format!("restarted in {again_after} ms"),
        healed_after: since.elapsed(),
    })
}

/// When the cart's first attempt ended, in milliseconds since the epoch.
fn exit_time(stage: &Stage) -> anyhow::Result<u64> {
    let events = stage.json(&["events", "cart"])?;
    let exited = list(&events, "events")
        .iter()
        .rev()
        .find(|event| event.get("what").map_or("", |what| text(what, "kind")) == "exited");
    exited
        .and_then(|event| event.get("at").and_then(Value::as_u64))
        .context("the cart's end was not recorded")
}

/// The first instance of a service.
pub fn instance(stage: &Stage, service: &str) -> anyhow::Result<Value> {
    let all = stage.json(&["get", "instances"])?;
    let key = format!("default/{service}");
    let ours = list(&all, "instances")
        .iter()
        .find(|one| text(one, "service") == key);
    ours.cloned()
        .with_context(|| format!("`{service}` has no instance"))
}
