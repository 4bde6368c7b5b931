//! Reading images through beside everything else: what rotted on disk starts nothing more.

use std::{sync::Weak, time::Duration};

use super::Inner;

/// After the daemon's start, before images are read through.
const SETTLED: Duration = Duration::from_secs(120);
/// Between two readings of all images.
const DAY: Duration = Duration::from_secs(86_400);

/// Reads all images once a day, slowly, for as long as the backend is there. Findings are logged and
/// set aside by the store.
pub(super) async fn in_background(inner: Weak<Inner>) {
    tokio::time::sleep(SETTLED).await;
    while let Some(images) = inner.upgrade().map(|inner| inner.images.clone()) {
        if let Err(error) = images.verify(true).await {
            tracing::warn!(%error, "images could not be verified");
        }
        drop(images);
        tokio::time::sleep(DAY).await;
    }
}
