//! Containers through youki's `libcontainer`, which is never called here: this process has threads,
//! and the library must not. Every attempt has a small shim of its own that outlives this process;
//! what exists is on disk, so a new daemon finds and adopts what an earlier one started.
//!
//! `prepare`, `start` and `end` act, `adopt` finds again, `bundle` says what a container is, the rest reads.

mod adopt;
mod bundle;
mod cgroups;
mod config;
mod end;
mod exec;
mod instance;
mod logs;
mod prepare;
mod problem;
mod resize;
mod shim;
mod start;
mod storage;
mod trash;
mod usage;
mod user;
mod verify;
#[path = "../../shim/src/wire.rs"]
mod wire;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use ostler_core::{id::InstanceId, observed::Problem, spec::Stop, time::Time};
use tokio::sync::Notify;

pub use self::{
    cgroups::CgroupError,
    config::{OpenError, YoukiConfig},
};
use self::{
    cgroups::Tree,
    instance::Instance,
    problem::{failed, image_failed},
    shim::Program,
    trash::Trash,
    wire::{LogLimits, names},
};
use crate::{
    backend::{
        Backend, BackendError, Damage, ExecOrder, ExecOutcome, Freed, ImageInfo, LogPage, LogQuery,
        Machine, Notice, Order, ResizeError, ResizeOrder, RouteTable, Seen, SignatureRules,
        Started, StopCause, Usage,
    },
    image::Images,
    network::Network,
};

/// Runs instances as containers on this machine.
pub struct YoukiBackend {
    inner: Arc<Inner>,
}

/// What the backend and its watchers share.
struct Inner {
    config: YoukiConfig,
    images: Images,
    network: Option<Network>,
    tree: Tree,
    program: Program,
    trash: Trash,
    instances: Mutex<BTreeMap<InstanceId, Arc<Instance>>>,
    /// Who prepares what is not in `instances` yet: one at a time for each.
    preparing: Mutex<BTreeMap<InstanceId, Arc<tokio::sync::Mutex<()>>>>,
    changed: Notify,
    notices: Mutex<Vec<Notice>>,
}

impl YoukiBackend {
    /// Opens the state directory, checks what the machine offers, and adopts what runs.
    ///
    /// # Errors
    /// [`OpenError`]: what is missing and what to do.
    pub async fn open(config: YoukiConfig) -> Result<Self, OpenError> {
        if !nix::unistd::geteuid().is_root() {
            return Err(OpenError::NotRoot);
        }
        let root = &config.state_root;
        let disk = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::Disk {
                operation,
                path,
                source,
            }
        };
        for dir in [root.clone(), root.join("instances"), root.join("volumes")] {
            fs::create_dir_all(&dir).map_err(disk("make", &dir))?;
        }
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(root, private).map_err(disk("protect", root))?;
        let config = YoukiConfig {
            state_root: fs::canonicalize(root).map_err(disk("find", root))?,
            ..config
        };
        let parent = config
            .cgroup_parent
            .clone()
            .unwrap_or_else(|| cgroups::default_parent(&config.state_root));
        let network = match config.network.clone() {
            Some(network) => Some(Network::open(network).await?),
            None => None,
        };
        let inner = Arc::new(Inner {
            network,
            images: Images::open(&config.state_root.join("images"), config.images.clone())?,
            tree: Tree::open(&parent)?,
            trash: Trash::open(&config.state_root.join("trash"))
                .map_err(disk("make", &config.state_root))?,
            program: Program::load().map_err(disk("load", Path::new("ostler-shim")))?,
            instances: Mutex::default(),
            preparing: Mutex::default(),
            changed: Notify::new(),
            notices: Mutex::default(),
            config,
        });
        let dir = inner.instances_dir();
        adopt::all(&inner)
            .await
            .map_err(disk("adopt what is in", &dir))?;
        tokio::spawn(verify::in_background(Arc::downgrade(&inner)));
        Ok(Self { inner })
    }

    /// The image store.
    #[must_use]
    pub fn images(&self) -> &Images {
        &self.inner.images
    }

    /// The service network, if there is one.
    #[must_use]
    pub fn network(&self) -> Option<&Network> {
        self.inner.network.as_ref()
    }
}

fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Runs blocking work beside the executor.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)
}

impl Inner {
    fn instances_dir(&self) -> PathBuf {
        self.config.state_root.join("instances")
    }

    fn volumes_dir(&self) -> PathBuf {
        self.config.state_root.join("volumes")
    }

    fn instance_dir(&self, instance: &InstanceId) -> PathBuf {
        self.instances_dir().join(instance.as_str())
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Arc<Instance>>> {
        self.instances
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, instance: &InstanceId) -> Option<Arc<Instance>> {
        self.map().get(instance).cloned()
    }

    fn known(&self, instance: &InstanceId) -> Result<Arc<Instance>, BackendError> {
        self.get(instance)
            .ok_or_else(|| BackendError::NoInstance(instance.clone()))
    }

    fn noticed(&self) -> MutexGuard<'_, Vec<Notice>> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_limits(&self) -> LogLimits {
        LogLimits {
            file_bytes: self.config.log_file_bytes,
            files: self.config.log_files,
        }
    }
}

#[async_trait]
impl Backend for YoukiBackend {
    fn name(&self) -> &'static str {
        "youki"
    }

    async fn start(&self, order: &Order) -> Result<Started, Problem> {
        start::start(&self.inner, order).await
    }

    async fn stop(
        &self,
        instance: &InstanceId,
        stop: &Stop,
        why: StopCause,
    ) -> Result<(), BackendError> {
        match self.inner.get(instance) {
            Some(found) => end::stop(&self.inner, &found, stop, why).await,
            None => Ok(()),
        }
    }

    async fn resize(&self, order: &ResizeOrder) -> Result<(), ResizeError> {
        resize::resize(&self.inner, order).await
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), BackendError> {
        end::remove(&self.inner, instance).await
    }

    async fn list(&self) -> Result<Vec<Seen>, BackendError> {
        let all: Vec<Arc<Instance>> = self.inner.map().values().cloned().collect();
        // One that never ran is being prepared or was never more than a directory.
        Ok(all
            .iter()
            .map(|instance| instance.seen())
            .filter(|seen| seen.attempt > 0)
            .collect())
    }

    async fn changed(&self) {
        self.inner.changed.notified().await;
    }

    fn notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.inner.noticed())
    }

    async fn logs(&self, instance: &InstanceId, query: &LogQuery) -> Result<LogPage, BackendError> {
        let (dir, query) = (
            self.inner.known(instance)?.dir.join(names::LOG),
            query.clone(),
        );
        let page = blocking(move || logs::read(&dir, &query))
            .await
            .and_then(|page| page);
        page.map_err(failed("read the log"))
    }

    async fn exec(
        &self,
        instance: &InstanceId,
        order: &ExecOrder,
    ) -> Result<ExecOutcome, BackendError> {
        let found = self.inner.known(instance)?;
        if found.state().running.is_none() {
            return Err(BackendError::NotRunning(instance.clone()));
        }
        exec::run(&found.dir, order).await
    }

    async fn usage(&self, instance: &InstanceId) -> Result<Usage, BackendError> {
        let found = self.inner.known(instance)?;
        if found.state().running.is_none() {
            return Err(BackendError::NotRunning(instance.clone()));
        }
        let inner = self.inner.clone();
        let usage = blocking(move || {
            let record = &found.record;
            let namespace = record.service.namespace.as_str();
            let volumes =
                storage::fillable(&found.dir, &inner.volumes_dir(), namespace, &record.volumes);
            usage::of_instance(&inner.tree, record.instance.as_str(), &volumes)
        });
        usage.await.map_err(failed("read what it uses"))
    }

    async fn cpu_us(&self, instance: &InstanceId) -> Result<u64, BackendError> {
        let found = self.inner.known(instance)?;
        if found.state().running.is_none() {
            return Err(BackendError::NotRunning(instance.clone()));
        }
        let inner = self.inner.clone();
        let used = blocking(move || usage::cpu_us(&inner.tree, found.record.instance.as_str()));
        used.await.map_err(failed("read what it uses"))
    }

    async fn machine(&self) -> Result<Machine, BackendError> {
        usage::of_machine(&self.inner.config.state_root)
            .map_err(failed("read what the machine offers"))
    }

    fn gateway(&self) -> Option<std::net::Ipv4Addr> {
        self.inner.network.as_ref().map(Network::gateway)
    }

    async fn route(&self, table: &RouteTable) -> Result<(), BackendError> {
        match &self.inner.network {
            Some(network) => network
                .route(table)
                .await
                .map_err(|error| BackendError::Failed {
                    operation: "set the routes",
                    detail: error.problem().detail,
                }),
            None if table.services.is_empty() => Ok(()),
            None => Err(BackendError::Unsupported {
                backend: "youki",
                operation: "route without a network",
            }),
        }
    }

    async fn import_image(
        &self,
        path: &Path,
        name: Option<&str>,
    ) -> Result<Vec<ImageInfo>, BackendError> {
        self.inner
            .images
            .import(path, name)
            .await
            .map_err(image_failed("import the image"))
    }

    fn image_store(&self) -> Option<&Images> {
        Some(&self.inner.images)
    }

    async fn images(&self) -> Result<Vec<ImageInfo>, BackendError> {
        self.inner
            .images
            .list()
            .await
            .map_err(image_failed("list images"))
    }

    async fn verify_images(&self) -> Result<Vec<Damage>, BackendError> {
        self.inner
            .images
            .verify(false)
            .await
            .map_err(image_failed("verify images"))
    }

    fn judges_images(&self) -> bool {
        true
    }

    fn demand(&self, rules: SignatureRules) {
        self.inner.images.demand(rules);
    }

    async fn collect_garbage(&self, keep: &[String]) -> Result<Freed, BackendError> {
        let mut keep = keep.to_vec();
        keep.extend(
            self.inner
                .map()
                .values()
                .map(|instance| instance.record.image.clone()),
        );
        self.inner
            .images
            .collect_garbage(&keep)
            .await
            .map_err(image_failed("collect garbage"))
    }

    async fn close(&self) -> Result<(), BackendError> {
        self.inner.tree.remove_parent();
        let inner = self.inner.clone();
        blocking(move || inner.trash.empty())
            .await
            .and_then(|emptied| emptied)
            .map_err(failed("remove what ended instances left"))?;
        match &self.inner.network {
            Some(network) => network.close().await.map_err(|error| BackendError::Failed {
                operation: "take the network away",
                detail: error.problem().detail,
            }),
            None => Ok(()),
        }
    }
}
