//! A new daemon finds what an earlier one left: what runs is followed again, what ended is read,
//! what was half made is taken away.

use std::{fs, io, path::Path, sync::Arc, time::Duration};

use ostler_core::id::InstanceId;

use super::{
    Inner, blocking, end,
    instance::{Instance, Record, read_running},
    shim::{self, Reports},
    start,
    wire::{Report, Running},
};

/// How long a shim that is being born may take to say what it runs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Adopts every instance of the state directory.
pub(super) async fn all(inner: &Arc<Inner>) -> io::Result<()> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(inner.instances_dir())? {
        let name = entry?.file_name();
        ids.extend(name.to_str().and_then(|name| InstanceId::new(name).ok()));
    }
    let found = ids.into_iter().map(|id| {
        let inner = inner.clone();
        async move {
            if let Err(error) = one(&inner, &id).await {
                tracing::error!(instance = %id, %error, "an instance of an earlier run could not be adopted");
            }
        }
    });
    futures::future::join_all(found).await;
    Ok(())
}

async fn one(inner: &Arc<Inner>, id: &InstanceId) -> io::Result<()> {
    let dir = inner.instance_dir(id);
    let reports = living(&dir).await?;
    let Ok(record) = Record::read(&dir) else {
        return discard(inner, &dir, id).await;
    };
    let instance = Arc::new(Instance::new(dir.clone(), record));
    let followed = match reports {
        Some((reports, running)) => {
            instance.began(&running);
            end::watch(inner, &instance, reports, running, || ());
            true
        }
        None => false,
    };
    if !followed {
        if let Some(running) = read_running(&dir) {
            end::settle(inner, &instance, running).await;
        }
        if instance.state().attempt == 0 {
            return discard(inner, &dir, id).await;
        }
        start::remake(inner, &instance.record).await?;
    }
    inner.map().insert(id.clone(), instance);
    inner.changed.notify_one();
    Ok(())
}

/// A living shim's reports and what it runs; `None` when there is none, or it gives up.
async fn living(dir: &Path) -> io::Result<Option<(Reports, Running)>> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while shim::holder(dir)?.is_some() {
        if let Ok(mut reports) = Reports::watch(dir).await {
            match tokio::time::timeout_at(deadline, reports.next()).await {
                Ok(Ok(Some(Report::Running(running)))) => return Ok(Some((reports, running))),
                Ok(_) => {}
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
        if tokio::time::Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // It holds the lock before it listens, and lets go of it after.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(None)
}

/// Takes away what is not an instance.
async fn discard(inner: &Arc<Inner>, dir: &Path, id: &InstanceId) -> io::Result<()> {
    let (shared, dir, name) = (inner.clone(), dir.to_owned(), id.clone());
    blocking(move || end::sweep(&shared, &dir, name.as_str())).await??;
    end::detach(inner, id).await
}
