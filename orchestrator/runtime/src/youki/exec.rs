//! Commands inside a running instance, through its shim.

use std::{path::Path, time::Duration};

use super::{
    problem::failed,
    shim,
    wire::{REQUEST_LIMIT, Reply, Request},
};
use crate::backend::{BackendError, ExecOrder, ExecOutcome};

/// Runs a command and waits for it.
pub(super) async fn run(dir: &Path, order: &ExecOrder) -> Result<ExecOutcome, BackendError> {
    const OPERATION: &str = "run the command";
    let limit_ms = u64::try_from(order.timeout.as_millis()).unwrap_or(u64::MAX);
    let request = Request::Exec {
        command: order.command.clone(),
        input: order.input.len(),
        timeout_ms: limit_ms,
        limit: order.output_limit,
    };
    let refused = |detail: String| BackendError::Failed {
        operation: OPERATION,
        detail,
    };
    if order.input.len() > REQUEST_LIMIT {
        return Err(refused(format!(
            "standard input is limited to {REQUEST_LIMIT} bytes"
        )));
    }
    let asked = shim::ask(
        dir,
        &request,
        &order.input,
        order.timeout + Duration::from_secs(5),
    )
    .await;
    match asked.map_err(failed(OPERATION))? {
        (Reply::Ran { code, stdout, .. }, mut bytes) => {
            let stderr = bytes.split_off(stdout.min(bytes.len()));
            Ok(ExecOutcome {
                code,
                stdout: bytes,
                stderr,
            })
        }
        (Reply::TimedOut, _) => Err(BackendError::Timeout {
            operation: OPERATION,
            limit_ms,
        }),
        (Reply::Refused { detail }, _) => Err(refused(detail)),
        (Reply::Done, _) => Err(refused("the shim gave no result".to_owned())),
    }
}
