//! The daily round of retention: how long the audit log is kept is the operator's to say.

use std::{sync::Arc, time::Duration};

use ostler_gate::{Gate, Retention};
use tokio_util::sync::CancellationToken;

/// After the start, before the first round: a daemon that comes up has other things to do.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// Between rounds.
const ROUND: Duration = Duration::from_secs(24 * 60 * 60);

/// Drops what is older than it is to be kept, day after day, until told to stop.
pub async fn watch(gate: Arc<Gate>, retention: Retention, stop: CancellationToken) {
    let mut wait = FIRST;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = ROUND;
        match gate.retain(&retention).await {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "retention dropped records of the audit log"),
            Err(problem) => tracing::error!(problem, "retention of the audit log"),
        }
    }
}
