//! Starting: everything an instance needs is made once ([`prepare`]); another attempt only starts a
//! shim, so that after a crash nothing stands between the decision and the process.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use ostler_core::{
    observed::{Problem, ProblemKind},
    time::Time,
};

use super::{
    Inner, blocking, end,
    instance::Instance,
    prepare,
    problem::{disk, from_shim, problem},
    resize,
    shim::Reports,
    storage,
    wire::{Report, Running, ShimOrder, names},
};
use crate::backend::{Order, Started};

/// Starts an attempt, or says that it runs.
pub(super) async fn start(inner: &Arc<Inner>, order: &Order) -> Result<Started, Problem> {
    let known = inner.get(&order.instance);
    if known
        .as_ref()
        .is_none_or(|instance| instance.state().running.is_none())
    {
        check_ports(inner, order)?;
    }
    let instance = match known {
        Some(instance) => instance,
        None => prepare::once(inner, order).await?,
    };
    let _turn = instance.turn.lock().await;
    if inner
        .get(&order.instance)
        .is_none_or(|current| !Arc::ptr_eq(&current, &instance))
    {
        return Err(problem(
            ProblemKind::Backend,
            "the instance was removed while it was to be started",
        ));
    }
    if let Some(started) = already(&instance, order)? {
        return Ok(started);
    }
    match attempt(inner, &instance, order).await {
        Ok(started) => Ok(started),
        Err(problem) => {
            let id = order.instance.clone();
            let shared = inner.clone();
            drop(blocking(move || shared.tree.kill(id.as_str())).await);
            // One that never ran leaves nothing; one that ran keeps its exits and logs.
            if instance.state().attempt == 0 {
                drop(end::clear(inner, &instance).await);
            }
            Err(problem)
        }
    }
}

/// A service whose published port leads to someone else's program would seem to run.
fn check_ports(inner: &Inner, order: &Order) -> Result<(), Problem> {
    let Some(network) = &inner.network else {
        return Ok(());
    };
    for port in &order.spec.ports {
        if let Some(publish) = port.publish {
            network
                .check_port(port.protocol, publish)
                .map_err(|error| error.problem())?;
        }
    }
    Ok(())
}

/// Whether the attempt runs or is over.
fn already(instance: &Instance, order: &Order) -> Result<Option<Started>, Problem> {
    let state = instance.state().clone();
    match &state.running {
        Some(running) if running.attempt >= order.attempt => Ok(Some(started(instance, running))),
        Some(running) => Err(problem(
            ProblemKind::Backend,
            format!("attempt {} still runs", running.attempt),
        )),
        None if state.attempt >= order.attempt => Err(problem(
            ProblemKind::Backend,
            format!("attempt {} has ended already", order.attempt),
        )),
        None => Ok(None),
    }
}

fn started(instance: &Instance, running: &Running) -> Started {
    Started {
        pid: u32::try_from(running.pid).ok(),
        address: instance.record.address,
        at: Time(running.at),
    }
}

async fn attempt(
    inner: &Arc<Inner>,
    instance: &Arc<Instance>,
    order: &Order,
) -> Result<Started, Problem> {
    // Rules about signatures may have become stricter since the instance was made.
    let admitted = inner
        .images
        .admit(&order.spec.image, &instance.record.image);
    admitted.await.map_err(|error| error.problem())?;
    resize::with_attempt(inner, instance, order).await?;
    if instance.stale.load(Ordering::Relaxed) {
        remake(inner, instance)
            .await
            .map_err(disk("make again what a boot took away"))?;
    }
    let (shared, found, wanted) = (inner.clone(), instance.clone(), order.clone());
    let child = blocking(move || launch(&shared, &found, &wanted))
        .await
        .map_err(disk("start the shim"))??;
    let (pipe, child) = child;
    let mut reports = Reports::from_pipe(pipe).map_err(disk("hear the shim"))?;
    let first = tokio::time::timeout(inner.config.birth, reports.next()).await;
    // The shim's own end is of no interest; it only must not stay a zombie.
    let reap =
        |mut child: std::process::Child| drop(tokio::task::spawn_blocking(move || child.wait()));
    match first {
        Ok(Ok(Some(Report::Running(running)))) => {
            instance.began(&running);
            end::watch(inner, instance, reports, running.clone(), move || {
                reap(child)
            });
            inner.changed.notify_one();
            Ok(started(instance, &running))
        }
        Ok(Ok(Some(Report::Failed(failure)))) => {
            reap(child);
            Err(from_shim(&failure))
        }
        Ok(Ok(None)) => {
            reap(child);
            Err(problem(ProblemKind::Backend, shim_said(&instance.dir)))
        }
        Ok(Err(error)) => {
            kill(child);
            Err(disk("hear the shim")(error))
        }
        Err(_) => {
            kill(child);
            Err(problem(
                ProblemKind::Backend,
                format!(
                    "the container did not run within {} s",
                    inner.config.birth.as_secs()
                ),
            ))
        }
    }
}

fn kill(mut child: std::process::Child) {
    drop(child.kill());
    drop(tokio::task::spawn_blocking(move || child.wait()));
}

/// The shim's last words, if it left any.
fn shim_said(dir: &Path) -> String {
    let text = fs::read_to_string(dir.join("shim.err")).unwrap_or_default();
    let last = text
        .lines()
        .rev()
        .find(|line| !line.is_empty())
        .unwrap_or("it said nothing");
    format!("the shim died before the container ran: {last}")
}

type Launched = (std::process::ChildStdout, std::process::Child);

/// Blocks: writes the order, delivers secrets, starts the shim.
fn launch(inner: &Inner, instance: &Instance, order: &Order) -> Result<Launched, Problem> {
    let record = &instance.record;
    storage::deliver_secrets(&instance.dir, order, record.user)?;
    let shim_order = ShimOrder {
        id: record.instance.to_string(),
        attempt: order.attempt,
        lower: record
            .layers
            .iter()
            .rev()
            .map(|layer| layer.display().to_string())
            .collect(),
        cgroups: inner.tree.of(record.instance.as_str()),
        log: inner.log_limits(),
        uid: record.user.0,
        gid: record.user.1,
        groups: record.groups.clone(),
        cwd: record.cwd.clone(),
    };
    let write = || -> io::Result<Launched> {
        super::shim::write_whole(
            &instance.dir.join(names::ORDER),
            &serde_json::to_vec(&shim_order)?,
        )?;
        let mut child = inner.program.start(&instance.dir)?;
        let pipe = child
            .stdout
            .take()
            .ok_or_else(|| io::Error::other("the shim has no standard output"))?;
        Ok((pipe, child))
    };
    write().map_err(disk("start the shim"))
}

/// Makes again what does not survive a boot, for an instance that was read back from disk.
pub(super) async fn remake(inner: &Arc<Inner>, instance: &Arc<Instance>) -> io::Result<()> {
    let (shared, found) = (inner.clone(), instance.clone());
    let prepared = blocking(move || {
        let record = &found.record;
        storage::remake(&found.dir, &record.volumes)?;
        shared
            .tree
            .prepare(record.instance.as_str(), &found.size().resources)
            .map_err(io::Error::other)
    });
    prepared.await??;
    let record = &instance.record;
    if let Some(network) = &inner.network {
        network
            .attach(&record.instance)
            .await
            .map_err(io::Error::other)?;
    }
    instance.stale.store(false, Ordering::Relaxed);
    Ok(())
}
