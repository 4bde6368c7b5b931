//! `ostler agents budget`: what agents may spend on language models, and did.

use std::collections::BTreeMap;

use comfy_table::Cell;
use ostler_core::id::AgentName;
use ostler_tools::{
    answer::AgentInfo,
    view::{AgentBudget, Most, Spent},
};

use crate::cli::{
    error::CliError,
    out::Out,
    print::{cell, table},
};

/// Shows every budget, or one agent's.
pub(super) fn show(
    mut agents: Vec<AgentInfo>,
    only: Option<&AgentName>,
    out: &mut Out,
) -> Result<(), CliError> {
    agents.retain(|agent| {
        agent.status.budget.is_some() && only.is_none_or(|only| agent.name == *only)
    });
    let raw: BTreeMap<String, &AgentBudget> = agents.iter().flat_map(minds).collect();
    let raw = serde_json::to_value(raw).unwrap_or_default();
    let text = out.render(&raw, |out| {
        let headers = ["AGENT", "BUDGET OF", "TOKENS", "MONEY", "SECONDS"];
        let none = "no agent plans with language models";
        table(
            out,
            none,
            &headers,
            agents
                .iter()
                .flat_map(minds)
                .flat_map(|(mind, budget)| budget_rows(&mind, budget))
                .collect(),
        )
    })?;
    out.line(&text)
}

/// An agent's own mind and its shadow's, each with its budget.
fn minds(agent: &AgentInfo) -> impl Iterator<Item = (String, &AgentBudget)> {
    let own = agent.status.budget.as_ref();
    let shadow = agent.status.shadow_budget.as_ref();
    let own = own.map(|budget| (agent.name.to_string(), budget));
    own.into_iter()
        .chain(shadow.map(|budget| (format!("{}'s shadow", agent.name), budget)))
}

/// What is spent of each budget and what it is; turns and incidents have accounts of their own.
fn budget_rows(mind: &str, budget: &AgentBudget) -> Vec<Vec<Cell>> {
    let row = |of: &str, spent: Option<Spent>, most: Most| {
        let pair = |spent: Option<String>, most: Option<String>| {
            let most = most.unwrap_or_else(|| "no limit".to_owned());
            spent.map_or_else(|| most.clone(), |spent| format!("{spent} of {most}"))
        };
        let money = |nano: u64| format!("{:.4}", nano as f64 / 1e9);
        vec![
            cell(mind),
            cell(of),
            cell(pair(
                spent.map(|spent| spent.tokens.to_string()),
                Some(most.tokens.to_string()),
            )),
            cell(pair(
                spent.map(|spent| money(spent.nano)),
                most.nano.map(money),
            )),
            cell(pair(
                spent.map(|spent| spent.seconds.to_string()),
                most.seconds.map(|seconds| seconds.to_string()),
            )),
        ]
    };
    vec![
        row("the last hour", Some(budget.spent_in_hour), budget.hour),
        row("an incident", None, budget.incident),
        row("a turn", None, budget.turn),
    ]
}
