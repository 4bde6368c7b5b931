//! Watching an incident from the first symptom to its end.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::Value;

use super::super::{
    stage::{Stage, list, text},
    summary::Story,
};

/// What is expected of one incident.
pub struct Expected<'a> {
    /// What was broken, in words.
    pub broke: &'a str,
    /// The service at fault.
    pub culprit: &'a str,
    /// When it was broken.
    pub since: Instant,
    /// How long finding the cause may take.
    pub within: Duration,
}

/// Waits for the incident and its proposal, lets the person decide, waits for the end.
pub fn until_healed(stage: &Stage, expected: &Expected<'_>) -> anyhow::Result<Story> {
    let culprit = format!("default/{}", expected.culprit);
    let proposal = stage.until("the healer proposes a fix", expected.within, || {
        let all = stage.json(&["proposals"])?;
        Ok(list(&all, "proposals")
            .iter()
            .find(|one| text(one, "state") == "waiting")
            .cloned())
    })?;
    let seen_after = expected.since.elapsed();
    let incident = text(&proposal, "incident").to_owned();
    let id = text(&proposal, "id").to_owned();
    stage.say("\nThe healer found something and asks:")?;
    stage.show(&["describe", "proposal", &id])?;
    if !stage.ask("Approve?")? {
        stage.quiet(&["reject", &id, "--reason", "rejected in the demo"])?;
        bail!("the proposal was rejected; the demo ends here");
    }
    stage.show(&["approve", &id])?;
    let closed = stage.until("the fix is verified", Duration::from_secs(180), || {
        let all = stage.json(&["incidents"])?;
        let ours = list(&all, "incidents")
            .iter()
            .find(|one| text(one, "id") == incident)
            .cloned();
        match ours {
            Some(one) if text(&one, "state") == "resolved" => Ok(Some(one)),
            Some(one) if text(&one, "state") == "needs_person" => {
                bail!("the fix did not verify: {one}")
            }
            _ => Ok(None),
        }
    })?;
    stage.show(&["describe", "incident", &incident])?;
    if text(&closed, "culprit") != culprit {
        bail!(
            "the incident names `{}`, not `{culprit}`",
            text(&closed, "culprit")
        );
    }
    Ok(Story {
        broke: expected.broke.to_owned(),
        seen_after,
        cause: text(&closed, "cause").replace('_', " "),
        decided_by: format!("{}, for agent healer", who(stage, &id)?),
        fix: text(&proposal, "title").to_owned(),
        healed_after: expected.since.elapsed(),
    })
}

fn who(stage: &Stage, proposal: &str) -> anyhow::Result<String> {
    let approvals = stage.json(&["approvals", "--all"])?;
    let ours = |one: &&Value| text(one, "proposal") == proposal;
    Ok(list(&approvals, "approvals")
        .iter()
        .find(ours)
        .map(|one| text(one, "decided_by").to_owned())
        .unwrap_or_default())
}
