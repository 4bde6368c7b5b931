//! A new daemon finds what an earlier one left: what runs is followed again, what ended is read,
//! what was half made is taken away.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use ostler_core::{
    id::{InstanceId, ServiceKey},
    observed::ProblemKind,
};

use super::{
    Inner, blocking, end,
    instance::{Instance, Record, read_running},
    problem::problem,
    shim::{self, Reports},
    start,
    wire::{Report, Running},
};
use crate::backend::Notice;

/// Adopts every instance of the state directory, and lets go of places on the network that belong
/// to none: an earlier daemon died before it could use them.
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
                let detail =
                    format!("what an earlier run left of it could not be taken away: {error}");
                notice(&inner, &id, None, &detail);
            }
        }
    });
    futures::future::join_all(found).await;
    if let Some(network) = &inner.network {
        let known = inner.map().keys().cloned().collect();
        network.keep_only(&known).await.map_err(io::Error::other)?;
    }
    Ok(())
}

fn notice(inner: &Inner, id: &InstanceId, service: Option<&ServiceKey>, detail: &str) {
    tracing::error!(instance = %id, detail, "an instance of an earlier run could not be adopted");
    inner.noticed().push(Notice {
        instance: id.clone(),
        service: service.cloned(),
        problem: problem(ProblemKind::Backend, detail),
    });
}

async fn one(inner: &Arc<Inner>, id: &InstanceId) -> io::Result<()> {
    let dir = inner.instance_dir(id);
    let reports = living(&dir, inner.config.birth).await;
    let record = Record::read(&dir);
    let service = record.as_ref().ok().map(|record| &record.service);
    let reports = match reports {
        Ok(reports) => reports,
        Err(error) => {
            // Nobody could follow or stop what it runs: it ends here, and its service sees that.
            let detail = format!("its shim does not say what it runs ({error}), so it was killed");
            notice(inner, id, service, &detail);
            end::kill_shim(&dir)?;
            None
        }
    };
    let record = match record {
        Ok(record) => record,
        // Prepared by a daemon that died before the record was written; it never ran.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return discard(inner, &dir, id).await;
        }
        Err(error) => {
            let detail = format!("its record cannot be read ({error}), so it was taken away");
            notice(inner, id, None, &detail);
            end::kill_shim(&dir)?;
            return discard(inner, &dir, id).await;
        }
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
            instance.began(&running);
            end::settle(inner, &instance, running).await;
        }
        if instance.state().attempt == 0 {
            return discard(inner, &dir, id).await;
        }
        if let Err(error) = start::remake(inner, &instance).await {
            let detail = format!("what it needs could not be made again yet: {error}");
            notice(inner, id, Some(&instance.record.service), &detail);
            instance.stale.store(true, Ordering::Relaxed);
        }
    }
    inner.map().insert(id.clone(), instance);
    inner.changed.notify_one();
    Ok(())
}

/// A living shim's reports and what it runs; `None` when there is none, or it gives up.
async fn living(dir: &Path, patience: Duration) -> io::Result<Option<(Reports, Running)>> {
    let deadline = tokio::time::Instant::now() + patience;
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
