//! Running the packet filter's own program, which replaces a table in one transaction.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command};

use super::NetworkError;

const LIMIT: Duration = Duration::from_secs(30);

/// Sets the rules of a script, all or none.
pub(super) async fn apply(script: &str) -> Result<(), NetworkError> {
    run(&["-f", "-"], script).await.map(drop)
}

/// Whether the table exists.
pub(super) async fn has_table(name: &str) -> Result<bool, NetworkError> {
    let tables = run(&["list", "tables", "ip"], "").await?;
    Ok(tables
        .lines()
        .any(|line| line.trim() == format!("table ip {name}")))
}

/// Removes the table; one that is gone is fine.
pub(super) async fn remove_table(name: &str) -> Result<(), NetworkError> {
    apply(&format!("table ip {name}\ndelete table ip {name}\n")).await
}

async fn run(arguments: &[&str], input: &str) -> Result<String, NetworkError> {
    let failed = |detail: String| NetworkError::Rules {
        detail: detail
            .chars()
            .filter(|c| !c.is_control())
            .take(400)
            .collect(),
    };
    let child = Command::new("nft")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = child.map_err(|error| {
        failed(format!(
            "`nft` cannot be started ({error}); install nftables"
        ))
    })?;
    let stdin = child.stdin.take();
    let feed = async {
        if let Some(mut stdin) = stdin {
            // When it ends early, its own message says why.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let both = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = match tokio::time::timeout(LIMIT, both).await {
        Err(_) => {
            return Err(failed(format!(
                "`nft` took longer than {} s",
                LIMIT.as_secs()
            )));
        }
        Ok(output) => output.map_err(|error| failed(error.to_string()))?,
    };
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}
