//! Ending: seeing it, asking for it, taking away what is left.

use std::{io, path::Path, sync::Arc, time::Duration};

use ostler_core::{
    id::InstanceId,
    spec::{Stop, StopSignal},
};

use super::{
    Inner, blocking,
    instance::{Instance, Record},
    now,
    problem::failed,
    shim::{self, Reports},
    storage,
    wire::{Request, Running},
};
use crate::backend::{BackendError, StopCause};

/// Follows a running attempt to its end. `after` runs once it is over.
pub(super) fn watch(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    mut reports: Reports,
    running: Running,
    after: impl FnOnce() + Send + 'static,
) {
    let (inner, instance) = (inner.clone(), instance.clone());
    tokio::spawn(async move {
        // Whatever it says meanwhile, its last word is the end of file.
        while let Ok(Some(_)) = reports.next().await {}
        settle(&inner, &instance, running).await;
        after();
    });
}

/// Makes sure that an attempt whose shim is gone has ended and that its end is on record.
pub(super) async fn settle(inner: &Arc<Inner>, instance: &Arc<Instance>, running: Running) {
    let (shared, found) = (inner.clone(), instance.clone());
    let work = blocking(move || {
        let exits = found
            .dir
            .join(super::names::EXITS)
            .join(format!("{}.json", running.attempt));
        if !exits.exists() {
            // Its shim was killed: nobody reads the container's output or knows how it ends.
            let killed = shared.tree.kill(found.record.instance.as_str());
            killed.map_err(io::Error::other)?;
            found.record_unseen_end(&running, now())?;
        }
        found.ended();
        Ok::<_, io::Error>(())
    });
    if let Err(error) = work.await.and_then(|result| result) {
        tracing::error!(instance = %instance.record.instance, %error, "an end could not be recorded");
        instance.ended();
    }
    inner.changed.notify_one();
}

/// Signals, waits, kills; returns once nothing runs.
pub(super) async fn stop(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    stop: &Stop,
    why: StopCause,
) -> Result<(), BackendError> {
    let _turn = instance.turn.lock().await;
    if instance.state().running.is_none() {
        return Ok(());
    }
    instance.stopping();
    inner.changed.notify_one();
    let request = Request::Stop {
        signal: polite(stop.signal, &instance.record),
        grace_ms: if stop.signal == Some(StopSignal::Kill) {
            0
        } else {
            stop.grace.0
        },
        liveness: why == StopCause::NotLive,
    };
    let asked = shim::ask(&instance.dir, &request, &[], inner.config.settle).await;
    if let Err(error) = asked {
        // A shim that is gone is seen by its watcher, which ends the container.
        tracing::warn!(instance = %instance.record.instance, %error, "the shim does not answer");
    }
    let patience = stop.grace.to_std() + inner.config.settle;
    if ended_within(instance, patience).await {
        return Ok(());
    }
    by_force(inner, instance, patience).await
}

/// Kills the container, and its shim where that does not see it.
async fn by_force(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    waited: Duration,
) -> Result<(), BackendError> {
    let (shared, id) = (inner.clone(), instance.record.instance.clone());
    let killed = blocking(move || shared.tree.kill(id.as_str())).await;
    killed
        .and_then(|result| result.map_err(io::Error::other))
        .map_err(failed("kill the container"))?;
    let settle = inner.config.settle;
    if ended_within(instance, settle).await {
        return Ok(());
    }
    kill_shim(&instance.dir).map_err(failed("kill the shim"))?;
    if ended_within(instance, settle).await {
        return Ok(());
    }
    Err(BackendError::Timeout {
        operation: "stop",
        limit_ms: u64::try_from((waited + settle * 2).as_millis()).unwrap_or(u64::MAX),
    })
}

async fn ended_within(instance: &Instance, patience: Duration) -> bool {
    tokio::time::timeout(patience, instance.wait_for_end())
        .await
        .is_ok()
}

/// Kills the shim that holds an instance, if there is one.
pub(super) fn kill_shim(dir: &Path) -> io::Result<()> {
    use nix::{
        errno::Errno,
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    match shim::holder(dir)?.map(|pid| kill(Pid::from_raw(pid), Signal::SIGKILL)) {
        Some(Err(errno)) if errno != Errno::ESRCH => Err(errno.into()),
        _ => Ok(()),
    }
}

/// The signal that the service asks for, or its image, or everyone.
fn polite(asked: Option<StopSignal>, record: &Record) -> i32 {
    asked
        .map(signal_number)
        .or(record.stop_signal)
        .unwrap_or(libc::SIGTERM)
}

fn signal_number(signal: StopSignal) -> i32 {
    match signal {
        StopSignal::Term => libc::SIGTERM,
        StopSignal::Int => libc::SIGINT,
        StopSignal::Quit => libc::SIGQUIT,
        StopSignal::Hup => libc::SIGHUP,
        StopSignal::Usr1 => libc::SIGUSR1,
        StopSignal::Kill => libc::SIGKILL,
    }
}

/// Takes away an ended instance.
pub(super) async fn remove(inner: &Arc<Inner>, id: &InstanceId) -> Result<(), BackendError> {
    let Some(instance) = inner.get(id) else {
        return Ok(());
    };
    let _turn = instance.turn.lock().await;
    if instance.state().running.is_some() {
        return Err(BackendError::Failed {
            operation: "remove the instance",
            detail: format!("`{id}` still runs: stop it first"),
        });
    }
    clear(inner, &instance)
        .await
        .map_err(failed("remove the instance"))?;
    inner.changed.notify_one();
    Ok(())
}

/// Takes away everything of an instance that does not run. The caller has its turn.
pub(super) async fn clear(inner: &Arc<Inner>, instance: &Arc<Instance>) -> io::Result<()> {
    let (shared, found) = (inner.clone(), instance.clone());
    blocking(move || sweep(&shared, &found.dir, found.record.instance.as_str())).await??;
    detach(inner, &instance.record.instance).await?;
    inner.map().remove(&instance.record.instance);
    Ok(())
}

/// Blocks: unmounts, removes groups and files; what is gone already is as good.
pub(super) fn sweep(inner: &Inner, dir: &Path, id: &str) -> io::Result<()> {
    storage::unmount(dir)?;
    inner.tree.kill(id).map_err(io::Error::other)?;
    inner.tree.remove(id).map_err(io::Error::other)?;
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Takes away its place on the network.
pub(super) async fn detach(inner: &Inner, id: &InstanceId) -> io::Result<()> {
    match &inner.network {
        Some(network) => network.detach(id).await.map_err(io::Error::other),
        None => Ok(()),
    }
}
