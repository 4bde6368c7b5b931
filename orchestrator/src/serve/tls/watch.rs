//! Looks at the files every now and then: a new certificate is taken over while connections are open; one
//! that is no good leaves the old one, and is told.

use std::{sync::Arc, time::Duration};

use ostler_core::event::Happening;
use tokio_util::sync::CancellationToken;

use super::{Looked, Tls};
use crate::fleet::Fleet;

/// How often.
const EVERY: Duration = Duration::from_secs(2);
/// Two files are not replaced in one moment: what is wrong now may be right then.
const AGAIN: Duration = Duration::from_millis(500);
/// How a problem with them begins in what the daemon tells of itself.
const NOT_TAKEN: &str = "the TLS files were not taken over";

impl Tls {
    /// Follows the files until told to stop.
    pub async fn watch(self: Arc<Self>, fleet: Arc<Fleet>, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(EVERY))
            .await
            .is_some()
        {
            let mut looked = self.look_aside().await;
            if looked.is_err() {
                tokio::time::sleep(AGAIN).await;
                looked = self.look_aside().await;
            }
            tell(&fleet, looked);
        }
    }

    /// Files may be slow to read.
    async fn look_aside(self: &Arc<Self>) -> anyhow::Result<Looked> {
        let tls = Arc::clone(self);
        tokio::task::spawn_blocking(move || tls.look()).await?
    }
}

fn tell(fleet: &Fleet, looked: anyhow::Result<Looked>) {
    let problem = match &looked {
        Ok(_) => None,
        Err(error) => Some(format!(
            "{NOT_TAKEN}, those of before stay in force: {error:#}"
        )),
    };
    if fleet.problem(NOT_TAKEN, problem.clone())
        && let Some(words) = problem
    {
        tracing::error!("{words}");
    }
    if looked.is_ok_and(|looked| looked == Looked::Renewed) {
        let what = "new TLS files are in force".to_owned();
        fleet.tell(None, None, Happening::Configured { what });
    }
}
