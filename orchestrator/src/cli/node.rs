//! `ostler node`: list, cordon, uncordon, drain.

use clap::Subcommand;
use ostler_core::id::NodeName;
use serde_json::json;

use super::{client::Client, error::CliError, get, out::Out, service::change};

/// What to do with nodes.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List them
    List,
    /// Place no new instances on one
    Cordon {
        /// Which
        node: NodeName,
    },
    /// Place instances on it again; also ends a drain
    Uncordon {
        /// Which
        node: NodeName,
    },
    /// Empty one
    Drain {
        /// Which
        node: NodeName,
    },
}

/// Runs it.
pub async fn run(command: NodeCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let (tool, node) = match command {
        NodeCommand::List => {
            return get::run(
                get::GetArgs {
                    what: get::What::Nodes,
                    name: None,
                },
                client,
                out,
            )
            .await;
        }
        NodeCommand::Cordon { node } => ("cordon_node", node),
        NodeCommand::Uncordon { node } => ("uncordon_node", node),
        NodeCommand::Drain { node } => ("drain_node", node),
    };
    change(client, out, tool, json!({ "node": node }))
        .await
        .map(drop)
}
