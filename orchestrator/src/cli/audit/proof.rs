//! `ostler audit proof` and `checkpoint`, and the check of a proof without a daemon.

use std::path::Path;

use ostler_gate::audit::{Proof, SignedHead, export_lines, prove};
use ostler_tools::answer::AuditExport;
use serde_json::json;

use super::{CliError, Client, Out, pages, read, untrusted, write};

/// Takes one entry out of the log with all that shows it was in it.
pub async fn make(
    index: u64,
    file: Option<&Path>,
    client: &Client,
    out: &mut Out,
) -> Result<(), CliError> {
    let export: String = pages(client).await?.iter().map(export_lines).collect();
    let proof = prove(&export, index).map_err(|tampered| {
        CliError::Failed(format!("entry {index} cannot be proved: {tampered}"))
    })?;
    let raw = serde_json::to_value(&proof).map_err(|error| CliError::Failed(error.to_string()))?;
    let Some(file) = file else {
        return out.line(&raw.to_string());
    };
    write(file, &(raw.to_string() + "\n"))?;
    let text = out.render(&raw, |_| {
        format!(
            "the proof of entry {index} is in {}; check it with `ostler audit verify --proof`",
            file.display()
        )
    })?;
    out.line(&text)
}

/// Checks a proof; nobody is asked.
pub fn check(file: &Path, key: Option<&str>, out: &mut Out) -> Result<(), CliError> {
    let name = file.display();
    let proof: Proof = serde_json::from_str(&read(file)?)
        .map_err(|error| CliError::Failed(format!("`{name}` is no proof: {error}")))?;
    proof
        .verify(key)
        .map_err(|tampered| CliError::Failed(format!("`{name}` proves nothing: {tampered}")))?;
    let raw =
        json!({ "ok": true, "index": proof.index, "leaf": proof.leaf, "key_given": key.is_some() });
    let text = out.render(&raw, |_| {
        let believed = match key {
            Some(key) if key != proof.head.public_key => {
                "a key that the given one was handed over to"
            }
            Some(_) => "the given key",
            None => "the key in the proof (give --key to believe one kept from elsewhere)",
        };
        format!(
            "entry {} is in the log signed by {believed}:\n{}",
            proof.index,
            untrusted(&proof.leaf)
        )
    })?;
    out.line(&text)
}

/// The signed head on one line, as a witness keeps it.
pub async fn checkpoint(client: &Client, out: &mut Out) -> Result<(), CliError> {
    let page = client
        .call::<AuditExport>("export_audit", json!({ "limit": 1 }))
        .await?
        .value;
    let head = SignedHead {
        checkpoint: page.checkpoint,
        public_key: page.public_key,
    };
    let line = serde_json::to_string(&head).map_err(|error| CliError::Failed(error.to_string()))?;
    out.line(&line)
}
