//! `ostler secret`: put (from standard input or a file), list, delete.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Subcommand;
use ostler_core::intent::SecretKey;
use serde_json::json;

use super::{client::Client, error::CliError, get, out::Out, print::show, service::change};

/// Most bytes of a secret.
const LIMIT: u64 = 512 << 10;

/// What to do with secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Store one; its value comes from standard input
    Put {
        /// Its name, `namespace/name` or `name`
        secret: String,
        /// Read the value from a file instead
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Keep a newline at the end of the value
        #[arg(long)]
        keep_newline: bool,
    },
    /// Delete one
    Delete {
        /// Its name
        secret: String,
    },
    /// List names; values are never shown
    List,
}

/// Runs it.
pub async fn run(command: SecretCommand, client: &Client, out: &mut Out) -> Result<(), CliError> {
    match command {
        SecretCommand::Put {
            secret,
            file,
            keep_newline,
        } => {
            let key = name(secret)?;
            let value = value(out, file, keep_newline)?;
            let call =
                json!({ "secret": key, "value": STANDARD.encode(value), "encoding": "base64" });
            change(client, out, "put_secret", call).await.map(drop)
        }
        SecretCommand::Delete { secret } => change(
            client,
            out,
            "delete_secret",
            json!({ "secret": name(secret)? }),
        )
        .await
        .map(drop),
        SecretCommand::List => show(out, async |out| get::secrets(client, out, None).await).await,
    }
}

fn name(text: String) -> Result<SecretKey, CliError> {
    SecretKey::try_from(text).map_err(|error| CliError::Usage(error.to_string()))
}

fn value(out: &Out, file: Option<PathBuf>, keep_newline: bool) -> Result<Vec<u8>, CliError> {
    let mut value = Vec::new();
    match file {
        Some(file) => {
            let opened = std::fs::File::open(&file)
                .map_err(CliError::io(format!("open `{}`", file.display())))?;
            opened
                .take(LIMIT + 1)
                .read_to_end(&mut value)
                .map_err(CliError::io(format!("read `{}`", file.display())))?;
        }
        None => {
            if std::io::stdin().is_terminal() {
                out.note("Type the value (it is shown), then Ctrl-D:");
            }
            std::io::stdin()
                .take(LIMIT + 1)
                .read_to_end(&mut value)
                .map_err(CliError::io("read standard input"))?;
        }
    }
    if !keep_newline && value.last() == Some(&b'\n') {
        value.pop();
    }
    Ok(value)
}
