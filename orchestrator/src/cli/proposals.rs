//! `ostler proposals`

use clap::Args;
use comfy_table::{Cell, Color};
use ostler_core::proposal::ProposalState;
use ostler_tools::answer::{ProposalDetail, ProposalSummary, Proposals};
use serde_json::{Value, json};

use super::{
    approvals,
    client::Client,
    error::CliError,
    forecast,
    incidents::cause_text,
    out::Out,
    print::{cell, coloured, pairs, section, show, table},
    words::{ago, moment, short, untrusted, word},
};

/// Arguments of `proposals`.
#[derive(Debug, Args)]
pub struct ProposalsArgs {
    /// One proposal, `prp_…`
    id: Option<String>,
}

/// Runs it.
pub async fn run(args: ProposalsArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| match &args.id {
        Some(id) => one(client, out, id).await,
        None => list(client, out).await,
    })
    .await
}

async fn list(client: &Client, out: &Out) -> Result<String, CliError> {
    let done = client
        .call::<Proposals>("list_proposals", json!({}))
        .await?;
    out.render(&done.raw, |out| {
        let headers = [
            "PROPOSAL", "STATE", "BY", "WHEN", "INCIDENT", "CALLS", "TITLE",
        ];
        table(
            out,
            "no proposals",
            &headers,
            done.value.proposals.iter().map(row).collect(),
        )
    })
}

fn row(proposal: &ProposalSummary) -> Vec<Cell> {
    vec![
        cell(&proposal.id),
        coloured(word(&proposal.state), colour(proposal.state)),
        cell(&proposal.by),
        cell(format!("{} ago", ago(proposal.at))),
        cell(&proposal.incident),
        cell(proposal.calls.join(", ")),
        cell(untrusted(&proposal.title)),
    ]
}

const fn colour(state: ProposalState) -> Color {
    match state {
        ProposalState::Waiting => Color::Yellow,
        ProposalState::Approved | ProposalState::Acting | ProposalState::Verifying => Color::Cyan,
        ProposalState::Verified => Color::Green,
        ProposalState::Rejected | ProposalState::Undone | ProposalState::Failed => Color::Red,
        ProposalState::Expired => Color::Reset,
    }
}

/// One proposal in full.
pub async fn one(client: &Client, out: &Out, id: &str) -> Result<String, CliError> {
    let done = client
        .call::<ProposalDetail>("get_proposal", json!({ "proposal": id }))
        .await?;
    out.render(&done.raw, |_| text(&done.value))
}

fn text(detail: &ProposalDetail) -> String {
    let (proposal, body) = (&detail.proposal, &detail.proposal.body);
    let verify = &body.verify;
    let mut text = pairs(&[
        ("Proposal", proposal.id.to_string()),
        ("State", word(&proposal.state)),
        ("Title", untrusted(&body.title)),
        ("By", format!("{} at {}", proposal.by, moment(proposal.at))),
        ("Incident", proposal.incident.to_string()),
        ("Expected", untrusted(&body.expected)),
        (
            "Verify",
            format!(
                "{} is {} for {}, within {}",
                short(&verify.service),
                word(&verify.state),
                verify.hold,
                verify.within
            ),
        ),
        (
            "Carried out",
            format!("{} of {} calls", proposal.done, body.calls.len()),
        ),
        (
            "Outcome",
            proposal
                .outcome
                .as_deref()
                .map_or_else(|| "-".to_owned(), untrusted),
        ),
    ]);
    let call = |call: &ostler_core::proposal::ProposedCall| {
        format!(
            "{} {}\n    {}",
            call.tool,
            Value::Object(call.arguments.clone()),
            untrusted(&call.reason)
        )
    };
    let mut add = |title: &str, body: String| {
        text.push('\n');
        text.push_str(&section(title, &body));
    };
    add("Cause", cause_text(&body.cause));
    add(
        "Calls",
        body.calls.iter().map(call).collect::<Vec<_>>().join("\n"),
    );
    if !body.alternatives.is_empty() {
        let others: Vec<String> = body
            .alternatives
            .iter()
            .map(|other| format!("- {}", untrusted(other)))
            .collect();
        add("Alternatives", others.join("\n"));
    }
    if let Some(told) = &detail.forecast {
        add("Forecast", forecast::text(told));
    }
    if let Some(approval) = &detail.approval {
        add("Approval", approvals::text(approval, false));
    }
    if proposal.state == ProposalState::Waiting {
        let id = &proposal.id;
        add(
            "Decide",
            format!("ostler approve {id}\nostler reject {id} --reason WHY"),
        );
    }
    text
}
