//! `ostler exec INSTANCE -- COMMAND`

use std::io::{IsTerminal, Read};

use clap::Args;
use ostler_core::{id::InstanceId, time::Span};
use ostler_tools::answer::ExecAnswer;
use serde_json::json;

use super::{client::Client, error::CliError, out::Out, words::untrusted};

/// Most bytes of standard input that are passed on.
const INPUT_LIMIT: u64 = 64 << 10;

/// Arguments of `exec`.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// In which instance
    instance: InstanceId,
    /// The command and its arguments
    #[arg(last = true, required = true)]
    command: Vec<String>,
    /// Pass standard input on, 64 KiB at most
    #[arg(long, short)]
    input: bool,
    /// Longest time it may take, `5m` at most
    #[arg(long, default_value = "10s", value_name = "SPAN")]
    timeout: Span,
}

/// Runs it; ends with the command's own exit code.
pub async fn run(args: ExecArgs, client: &Client, out: &mut Out) -> Result<(), CliError> {
    let mut input = String::new();
    if args.input {
        let read = std::io::stdin()
            .take(INPUT_LIMIT + 1)
            .read_to_string(&mut input);
        read.map_err(CliError::io("read standard input"))?;
    }
    let call = json!({
        "instance": args.instance, "command": args.command, "input": input, "timeout": args.timeout,
    });
    let done = client.call::<ExecAnswer>("exec_instance", call).await?;
    if out.machine() {
        let text = out.render(&done.raw, |_| String::new())?;
        out.line(&text)?;
    } else {
        print(out, &done.value)?;
    }
    match done.value.code {
        0 => Ok(()),
        code => Err(CliError::Exit(u8::try_from(code).unwrap_or(1))),
    }
}

/// As it is into a pipe; without control characters on a terminal.
fn print(out: &mut Out, answer: &ExecAnswer) -> Result<(), CliError> {
    let clean = |text: &str| {
        text.split('\n')
            .map(untrusted)
            .collect::<Vec<_>>()
            .join("\n")
    };
    if out.terminal {
        out.raw(clean(&answer.untrusted_stdout).as_bytes())?;
    } else {
        out.raw(answer.untrusted_stdout.as_bytes())?;
    }
    let errors = answer.untrusted_stderr.trim_end_matches('\n');
    if !errors.is_empty() {
        out.note(&if std::io::stderr().is_terminal() {
            clean(errors)
        } else {
            errors.to_owned()
        });
    }
    if answer.truncated {
        out.note("output was cut at the limit");
    }
    Ok(())
}
