//! A connection that became a web socket: bytes both ways until either side ends it.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use crate::body::Held;

/// Both sides, once they are what they become.
pub struct Ends {
    /// Who asked for it.
    pub client: OnUpgrade,
    /// Who agreed.
    pub instance: OnUpgrade,
}

/// Passes bytes on in a task of its own. It counts as under way until it ends; when the front closes
/// it may go on for `drain`.
pub fn both_ways(ends: Ends, held: Held, drain: Duration, closing: &CancellationToken) {
    let closing = closing.clone();
    tokio::spawn(async move {
        let _held = held;
        let passed = async {
            let (client, instance) = tokio::try_join!(ends.client, ends.instance)?;
            let (mut client, mut instance) = (TokioIo::new(client), TokioIo::new(instance));
            let copied = tokio::io::copy_bidirectional(&mut client, &mut instance).await;
            // Either side may end it as it likes.
            drop(copied);
            Ok::<(), hyper::Error>(())
        };
        let enough = async {
            closing.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        tokio::select! {
            outcome = passed => if let Err(error) = outcome {
                tracing::debug!(%error, "a connection did not become a web socket");
            },
            () = enough => {}
        }
    });
}
