//! What an instance needs before its first attempt: image, address, directories, bundle, record.

use std::{
    fs,
    path::Path,
    sync::{Arc, PoisonError},
};

use ostler_core::observed::{Problem, ProblemKind};

use super::{
    Inner, blocking, bundle, end,
    instance::{Instance, Record},
    problem::{disk, problem},
    storage, user,
    wire::names,
};
use crate::{
    backend::Order,
    image::ResolvedImage,
    network::{Attachment, Network},
};

/// Containers are killed for the machine's memory before what watches them.
const OOM_SCORE_ADJ: i32 = 100;

/// Of two that start the same instance at once, the second takes what the first prepared: they
/// would write over each other's files, and one that fails would sweep away what the other runs on.
pub(super) async fn once(inner: &Arc<Inner>, order: &Order) -> Result<Arc<Instance>, Problem> {
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
    drop(turn);
    let mut waiting = preparing();
    // Where only the map holds it, nobody waits, and nobody can come while the map is locked.
    let over = waiting.get(&order.instance);
    if over.is_some_and(|turn| Arc::strong_count(turn) == 1) {
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
