//! `ostler policy explain`: how a call would be decided, and why.

use clap::Args;
use ostler_tools::answer::Explanation;
use serde_json::{Map, Value, json};

use crate::cli::{
    client::Client,
    error::CliError,
    out::Out,
    print::{pairs, section},
    words::word,
};

/// Arguments of `policy explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The tool, such as `scale_service`
    tool: String,
    /// Its arguments, `NAME=VALUE`; a value is JSON or else text
    arguments: Vec<String>,
    /// As whom: `user:NAME` or `agent:NAME` [default: you]
    #[arg(long = "as", value_name = "PRINCIPAL")]
    principal: Option<String>,
    /// With `--as user:NAME` without a token: the roles to assume
    #[arg(long, value_delimiter = ',')]
    roles: Vec<String>,
}

/// Runs it.
pub async fn run(args: ExplainArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let arguments: Result<Map<String, Value>, CliError> =
        args.arguments.iter().map(|text| argument(text)).collect();
    let call = json!({
        "tool": args.tool, "arguments": arguments?, "principal": args.principal, "roles": args.roles,
    });
    let done = client.call::<Explanation>("explain_policy", call).await?;
    let text = out.render(&done.raw, |_| text(&done.value))?;
    out.line(&text)
}

fn argument(text: &str) -> Result<(String, Value), CliError> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(CliError::Usage(format!(
            "`{text}` is not an argument; write NAME=VALUE, such as replicas=3"
        )));
    };
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

fn text(explained: &Explanation) -> String {
    let mut lines = vec![
        ("Decision", word(&explained.decision)),
        ("Who", explained.principal.clone()),
        ("Tool", explained.tool.clone()),
        ("Words", explained.words.clone()),
    ];
    if !explained.needs.is_empty() {
        let roles: Vec<&str> = explained.needs.iter().map(|role| role.as_str()).collect();
        lines.push(("Needs a yes of", roles.join(", ")));
    }
    lines.push(("Policies", explained.policy_version.clone()));
    let mut text = pairs(&lines);
    let spoke: Vec<String> = explained
        .policies
        .iter()
        .map(|policy| format!("{}: {}", policy.id, policy.words))
        .collect();
    if !spoke.is_empty() {
        text.push('\n');
        text.push_str(&section("Policies that speak", &spoke.join("\n")));
    }
    if !explained.would_differ.is_empty() {
        text.push('\n');
        text.push_str(&section(
            "What would have to differ",
            &explained.would_differ.join("\n"),
        ));
    }
    text.push('\n');
    text.push_str(&section(
        "Facts",
        &serde_saphyr::to_string(&explained.facts).unwrap_or_default(),
    ));
    text
}
