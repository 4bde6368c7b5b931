//! `ostler break-glass`: declare an emergency, or end it.

use clap::Args;
use ostler_core::time::Span;
use serde_json::json;

use super::{client::Client, error::CliError, out::Out, service::change};

/// Arguments of `break-glass`.
#[derive(Debug, Args)]
pub struct BreakGlassArgs {
    /// What is on fire; everybody reads it
    #[arg(long, required_unless_present = "end")]
    reason: Option<String>,
    /// How long it lasts, 4h at most
    #[arg(long = "for", default_value = "30m", value_name = "SPAN")]
    lasts: Span,
    /// End it before its time
    #[arg(long, conflicts_with = "reason")]
    end: bool,
    /// With --end: whose [default: your own]
    #[arg(long, requires = "end")]
    person: Option<String>,
}

/// Runs it.
pub async fn run(args: BreakGlassArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    if args.end {
        let call = json!({ "person": args.person });
        return change(client, out, "mend_glass", call).await.map(drop);
    }
    let call = json!({ "reason": args.reason, "for": args.lasts });
    change(client, out, "break_glass", call).await?;
    out.note(&format!(
        "for {} your changes do not wait for an admin's yes, but for what removes kept data, reaches into the host or \
         changes policy. Each is marked in the log. End it with `ostler break-glass --end`",
        args.lasts
    ));
    Ok(())
}
