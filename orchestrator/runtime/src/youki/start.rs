//! Starting: everything an instance needs is made once; another attempt only starts a shim, so that
//! after a crash nothing stands between the decision and the process.

use std::{
    fs, io,
    path::Path,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use ostler_core::{
    observed::{Problem, ProblemKind},
    time::Time,
};

use super::{
    Inner, blocking, bundle, end,
    instance::{Instance, Record},
    problem::{disk, from_shim, problem},
    resize,
    shim::Reports,
    storage, user,
    wire::{Report, Running, ShimOrder, names},
};
use crate::{
    backend::{Order, Started},
    image::ResolvedImage,
    network::{Attachment, Network},
};

/// Containers are killed for the machine's memory before what watches them.
const OOM_SCORE_ADJ: i32 = 100;

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
        None => prepare_once(inner, order).await?,
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

/// Of two that start the same instance at once, the second takes what the first prepared: they
/// would write over each other's files, and one that fails would sweep away what the other runs on.
async fn prepare_once(inner: &Arc<Inner>, order: &Order) -> Result<Arc<Instance>, Problem> {
    let preparing = || {
        inner
            .preparing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    };
    let turn = Arc::clone(preparing().entry(order.instance.clone()).or_default());
    let held = turn.lock().await;
    let prepared = match inner.get(&order.instance) {
        Some(instance) => Ok(instance),
        None => prepare(inner, order).await,
    };
    drop(held);
    let mut waiting = preparing();
    // Nobody else holds it but the map itself, and nobody can come while the map is locked.
    if Arc::strong_count(&turn) == 2 {
        waiting.remove(&order.instance);
    }
    prepared
}

/// Makes everything that an instance's attempts share.
async fn prepare(inner: &Arc<Inner>, order: &Order) -> Result<Arc<Instance>, Problem> {
    let image = inner
        .images
        .resolve(&order.spec.image)
        .await
        .map_err(|error| error.problem())?;
    let attachment = match &inner.network {
        Some(network) => Some(
            network
                .attach(&order.instance)
                .await
                .map_err(|error| error.problem())?,
        ),
        None => None,
    };
    let (shared, wanted) = (inner.clone(), order.clone());
    let made = blocking(move || {
        let dir = shared.instance_dir(&wanted.instance);
        let made = make(&shared, &dir, &wanted, &image, attachment.as_ref());
        made.inspect_err(|_| drop(end::sweep(&shared, &dir, wanted.instance.as_str())))
    });
    let made = made
        .await
        .map_err(disk("prepare the instance"))
        .and_then(|made| made);
    if let (Err(_), Some(network)) = (&made, &inner.network) {
        drop(network.detach(&order.instance).await);
    }
    let record = made?;
    let instance = Arc::new(Instance::new(inner.instance_dir(&order.instance), record));
    inner
        .map()
        .insert(order.instance.clone(), Arc::clone(&instance));
    Ok(instance)
}

fn make(
    inner: &Inner,
    dir: &Path,
    order: &Order,
    image: &ResolvedImage,
    attachment: Option<&Attachment>,
) -> Result<Record, Problem> {
    let spec = &order.spec;
    for name in [
        names::ROOTFS,
        names::UPPER,
        names::WORK,
        names::EXITS,
        names::LOG,
    ] {
        fs::create_dir_all(dir.join(name)).map_err(disk("make the instance's directory"))?;
    }
    let user = user::resolve(
        spec.user.as_deref().or(image.config.user.as_deref()),
        &image.layers,
    )?;
    let names = storage::NameFiles {
        hosts: inner
            .network
            .as_ref()
            .map(|network| network.hosts_file(&order.service.namespace)),
        resolv: inner.network.as_ref().map(Network::resolv_conf),
    };
    let binds = storage::prepare(dir, &inner.volumes_dir(), order, &user, &names)?;
    let netns = attachment.map(|attachment| attachment.netns.display().to_string());
    let cgroups = inner.tree.prepare(order.instance.as_str(), &spec.resources);
    cgroups.map_err(|error| problem(ProblemKind::Backend, format!("{error}")))?;
    let (ids, groups) = ((user.uid, user.gid), user.groups.clone());
    let place = bundle::Place {
        instance: order.instance.as_str(),
        netns: netns.as_deref(),
        binds,
        user,
        files_hard: files_hard(),
        cgroup2: !inner.tree.is_v1("memory"),
        oom_score_adj: OOM_SCORE_ADJ,
    };
    let made = bundle::bundle(spec, &image.config, &place)?;
    let text = serde_json::to_vec(&made)
        .map_err(|error| problem(ProblemKind::Backend, error.to_string()))?;
    fs::write(dir.join("config.json"), text).map_err(disk("write the bundle"))?;
    let record = Record {
        instance: order.instance.clone(),
        service: order.service.clone(),
        generation: order.generation,
        created_at: order.created_at,
        cpu: spec.resources.requests.cpu.unwrap_or_default(),
        memory: spec.resources.requests.memory.unwrap_or_default(),
        resources: spec.resources,
        resized_at: None,
        image: image.digest.clone(),
        layers: image.layers.clone(),
        address: attachment.map(|attachment| attachment.address),
        user: ids,
        groups,
        cwd: bundle::working_dir(spec, &image.config),
        stop_signal: image.config.stop_signal.as_deref().and_then(signal),
        volumes: spec.volumes.clone(),
    };
    record
        .write(dir)
        .map_err(disk("write the instance's record"))?;
    Ok(record)
}

/// A signal by number or name, with `SIG` or without; what an image says wrongly counts as not said.
fn signal(text: &str) -> Option<i32> {
    use nix::sys::signal::Signal;
    let named = |name: &str| name.parse::<Signal>().ok();
    let number = text
        .parse()
        .ok()
        .and_then(|number: i32| Signal::try_from(number).ok());
    let upper = text.to_uppercase();
    let signal = number
        .or_else(|| named(&upper))
        .or_else(|| named(&format!("SIG{upper}")));
    signal.map(|signal| signal as i32)
}

/// The highest limit of open files that this process may hand on.
fn files_hard() -> u64 {
    use nix::sys::resource::{Resource, getrlimit};
    getrlimit(Resource::RLIMIT_NOFILE)
        .map_or(1024, |(_, hard)| hard)
        .min(1 << 20)
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
