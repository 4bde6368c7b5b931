//! `ostler approvals`, `approve`, `reject`

use clap::Args;
use comfy_table::Color;
use ostler_core::facts::DiffLine;
use ostler_tools::{
    answer::{Approvals, Decision, ProposalDetail},
    record::{Approval, ApprovalCall, ApprovalState},
};
use serde_json::{Value, json};

use super::{
    apply,
    client::Client,
    error::CliError,
    forecast,
    out::Out,
    print::{cell, coloured, pairs, section, show, table},
    words::{moment, untrusted, word},
};

/// Arguments of `approvals`.
#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    /// Also those that are decided
    #[arg(long, short)]
    all: bool,
}

/// Arguments of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The approval `apr_…` or proposal `prp_…`
    id: String,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
}

/// Arguments of `reject`.
#[derive(Debug, Args)]
pub struct RejectArgs {
    /// The approval `apr_…` or proposal `prp_…`
    id: String,
    /// Why; the one who asked reads it
    #[arg(long)]
    reason: String,
    /// Have the agent think of another plan, knowing why
    #[arg(long)]
    another_plan: bool,
}

/// Runs `approvals`.
pub async fn list(args: ApprovalsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let state = (!args.all).then_some("waiting");
    show(out, async |out| {
        let done = client
            .call::<Approvals>("list_approvals", json!({ "state": state }))
            .await?;
        out.render(&done.raw, |out| {
            let row = |approval: &Approval| {
                let calls: Vec<String> = approval
                    .calls
                    .iter()
                    .map(|call| untrusted(&call.summary))
                    .collect();
                let tint = if approval.state == ApprovalState::Waiting {
                    Color::Yellow
                } else {
                    Color::Reset
                };
                vec![
                    cell(&approval.id),
                    coloured(word(&approval.state), tint),
                    cell(&approval.requested_by),
                    cell(who(approval)),
                    cell(moment(approval.expires_at)),
                    cell(calls.join("; ")),
                ]
            };
            let headers = [
                "APPROVAL",
                "STATE",
                "ASKED BY",
                "NEEDS",
                "UNTIL (UTC)",
                "WHAT",
            ];
            table(
                out,
                "nothing waits for a yes",
                &headers,
                done.value.approvals.iter().map(row).collect(),
            )
        })
    })
    .await
}

fn who(approval: &Approval) -> String {
    let roles: Vec<&str> = approval.needs.iter().map(|role| role.as_str()).collect();
    roles.join(if approval.any { " or " } else { " and " })
}

/// An approval in words: all that a person should see before they say yes.
pub fn text(approval: &Approval, colour: bool) -> String {
    let decided = match (&approval.decided_by, &approval.reason) {
        (Some(by), Some(reason)) if !reason.is_empty() => format!("{by}: {}", untrusted(reason)),
        (Some(by), _) => by.clone(),
        (None, Some(reason)) => untrusted(reason),
        (None, None) => "-".to_owned(),
    };
    let mut text = pairs(&[
        ("Id", approval.id.to_string()),
        ("State", word(&approval.state)),
        ("Asked by", approval.requested_by.clone()),
        ("Needs", who(approval)),
        ("Because", approval.because.join("; ")),
        ("Until", moment(approval.expires_at)),
        ("Decided by", decided),
    ]);
    let calls = approval.calls.iter().map(|call| call_text(call, colour));
    text.push('\n');
    text.push_str(&section("Calls", &calls.collect::<Vec<_>>().join("\n")));
    text
}

/// One call: what it would do in words, its arguments, and what would differ, field by field.
fn call_text(call: &ApprovalCall, colour: bool) -> String {
    let mut lines = vec![
        untrusted(&call.summary),
        format!("  {} {}", call.tool, untrusted(&call.arguments.to_string())),
    ];
    for service in &call.diff {
        lines.push(format!("  {}", service.service));
        lines.extend(service.lines.iter().map(|line| clean(line, colour)));
    }
    lines.extend(call.beside.iter().map(|line| clean(line, colour)));
    if call.omitted > 0 {
        lines.push(format!("    {} more fields are not shown", call.omitted));
    }
    lines.join("\n")
}

/// A line of a difference holds text of whoever asks.
fn clean(line: &DiffLine, colour: bool) -> String {
    let line = DiffLine {
        path: untrusted(&line.path),
        from: line.from.as_deref().map(untrusted),
        to: line.to.as_deref().map(untrusted),
    };
    apply::field(&line, colour)
}

/// One approval in full, by its id or its proposal's.
pub async fn one(client: &Client, out: &Out, id: &str) -> Result<String, CliError> {
    let (raw, approval) = find(client, id).await?;
    out.render(&raw, |out| text(&approval, out.colour))
}

async fn find(client: &Client, id: &str) -> Result<(Value, Approval), CliError> {
    let done = client
        .call::<Approvals>("list_approvals", json!({ "id": id }))
        .await?;
    let newest = done.value.approvals.into_iter().next();
    let newest = newest.ok_or_else(|| CliError::Refused(format!("there is no approval `{id}`")))?;
    Ok((done.raw, newest))
}

/// Runs `approve`: shows what is approved, then says yes to it.
pub async fn approve(args: ApproveArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    if !out.machine() {
        let (_, asked) = find(client, &args.id).await?;
        out.note(&text(&asked, false));
        if let Some(words) = foretold(client, &asked).await {
            out.note(&section("Forecast", &words));
        }
    }
    decide(
        client,
        out,
        "approve",
        json!({ "id": args.id, "reason": args.reason }),
    )
    .await
}

/// What the calls of the proposal behind a request would lead to now, or why that is not known.
async fn foretold(client: &Client, asked: &Approval) -> Option<String> {
    let proposal = asked.proposal.as_ref()?;
    let done = client
        .call::<ProposalDetail>("get_proposal", json!({ "proposal": proposal }))
        .await;
    match done {
        Ok(done) => done.value.forecast.as_ref().map(forecast::text),
        Err(error) => Some(format!("cannot be shown: {error}")),
    }
}

/// Runs `reject`.
pub async fn reject(args: RejectArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    decide(
        client,
        out,
        "reject",
        json!({ "id": args.id, "reason": args.reason, "another_plan": args.another_plan }),
    )
    .await
}

async fn decide(
    client: &Client,
    out: &mut Out,
    tool: &'static str,
    args: Value,
) -> Result<(), CliError> {
    let done = client.call::<Decision>(tool, args).await?;
    let text = out.render(&done.raw, |_| {
        let proposal = done
            .value
            .proposal
            .as_ref()
            .map(|id| format!(", of proposal {id}"))
            .unwrap_or_default();
        format!(
            "{} is {}{proposal}",
            done.value.approval,
            word(&done.value.state)
        )
    })?;
    out.line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_what_they_say_yes_to() {
        let approval: Approval = serde_json::from_value(json!({
            "id": "apr_1", "requested_by": "agent:healer", "requested_at": 0, "expires_at": 3_600_000,
            "valid_for": "15m", "needs": ["operator", "admin"], "any": true,
            "because": ["the healer asks first"], "state": "waiting", "decided_by": null, "decided_at": null,
            "reason": null, "proposal": null,
            "calls": [{
                "tool": "set_limits", "digest": "d", "used": false,
                "summary": "set limits of shop/cart\u{1b}[2J",
                "arguments": { "service": "shop/cart", "memory": "96Mi\u{202e}" },
                "diff": [{ "service": "shop/cart", "lines": [
                    { "path": "spec.resources.limits.memory", "from": "64Mi", "to": "96Mi" },
                    { "path": "spec.env.X\u{1b}", "from": null, "to": "\u{1b}]0;x" },
                ] }],
                "beside": [{ "path": "secrets.shop/db", "from": "a value", "to": "another value" }],
                "omitted": 7,
            }],
        }))
        .unwrap();
        let text = text(&approval, false);
        for part in [
            "Asked by:   agent:healer",
            "operator or admin",
            "set_limits {\"service\":\"shop/cart\",\"memory\":\"96Mi\u{fffd}\"}",
            "~ spec.resources.limits.memory: 64Mi → 96Mi",
            "~ secrets.shop/db: a value → another value",
            "7 more fields are not shown",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
    }
}
