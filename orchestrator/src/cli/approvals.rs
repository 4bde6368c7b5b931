//! `ostler approvals`, `approve`, `reject`

use clap::Args;
use comfy_table::Color;
use ostler_tools::{
    answer::{Approvals, Decision},
    record::{Approval, ApprovalState},
};
use serde_json::{Value, json};

use super::{
    client::Client,
    error::CliError,
    out::Out,
    print::{cell, coloured, pairs, show, table},
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

/// An approval in words.
pub fn text(approval: &Approval) -> String {
    let calls: Vec<String> = approval
        .calls
        .iter()
        .map(|call| untrusted(&call.summary))
        .collect();
    let decided = match (&approval.decided_by, &approval.reason) {
        (Some(by), Some(reason)) if !reason.is_empty() => format!("{by}: {}", untrusted(reason)),
        (Some(by), _) => by.clone(),
        (None, _) => "-".to_owned(),
    };
    pairs(&[
        ("Id", approval.id.to_string()),
        ("State", word(&approval.state)),
        ("Needs", who(approval)),
        ("Because", approval.because.join("; ")),
        ("Calls", calls.join("\n")),
        ("Until", moment(approval.expires_at)),
        ("Decided by", decided),
    ])
}

/// Runs `approve`.
pub async fn approve(args: ApproveArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    decide(
        client,
        out,
        "approve",
        json!({ "id": args.id, "reason": args.reason }),
    )
    .await
}

/// Runs `reject`.
pub async fn reject(args: RejectArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    decide(
        client,
        out,
        "reject",
        json!({ "id": args.id, "reason": args.reason }),
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
