//! `ostler graph`: services as a tree of needs.

use clap::Args;
use ostler_core::id::ServiceKey;
use ostler_tools::answer::Graph;
use serde_json::json;

use super::{
    client::Client,
    error::CliError,
    out::{Out, paint},
    print::show,
    words::{colour_of, short, word},
};

/// Arguments of `graph`.
#[derive(Debug, Args)]
pub struct GraphArgs {
    /// Only this service's surroundings
    service: Option<ServiceKey>,
}

/// Runs it.
pub async fn run(args: GraphArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    show(out, async |out| {
        let done = client
            .call::<Graph>("get_graph", json!({ "service": args.service }))
            .await?;
        out.render(&done.raw, |out| tree(out, &done.value))
    })
    .await
}

/// Those that nobody needs first, each with what it needs under it.
fn tree(out: &Out, graph: &Graph) -> String {
    let mut lines = Vec::new();
    let needed = |key: &ServiceKey| graph.needs.iter().any(|edge| edge.needs == *key);
    for node in graph.services.iter().filter(|node| !needed(&node.service)) {
        branch(out, graph, &node.service, &mut vec![], &mut lines);
    }
    if lines.is_empty() {
        "no services".to_owned()
    } else {
        lines.join("\n")
    }
}

fn branch(
    out: &Out,
    graph: &Graph,
    key: &ServiceKey,
    way: &mut Vec<ServiceKey>,
    lines: &mut Vec<String>,
) {
    let indent = "   ".repeat(way.len().saturating_sub(1));
    let arrow = if way.is_empty() { "" } else { "└─ " };
    let node = graph.services.iter().find(|node| node.service == *key);
    let state = node.and_then(|node| node.state);
    let words = state.map_or_else(|| "unknown".to_owned(), |state| word(&state));
    let felt = node.map_or(0, |node| node.blast_radius);
    let radius = if felt > 0 {
        format!(", felt by {felt}")
    } else {
        String::new()
    };
    lines.push(format!(
        "{indent}{arrow}{} {}{radius}",
        short(key),
        paint(&words, colour_of(state), out.colour)
    ));
    if way.contains(key) {
        return;
    }
    way.push(key.clone());
    for edge in graph.needs.iter().filter(|edge| edge.service == *key) {
        branch(out, graph, &edge.needs, way, lines);
    }
    way.pop();
}
