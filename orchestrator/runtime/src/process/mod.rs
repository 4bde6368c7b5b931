//! Plain processes of this machine, for development where containers may not run. **It isolates
//! nothing**: no image, no limits, no network of its own, and what runs ends with this process.
//!
//! A service for it names `image: host:/some/dir`, the directory in which its command starts.

mod child;
mod machine;
mod output;

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use ostler_core::{
    id::InstanceId,
    observed::{Phase, Problem, ProblemKind},
    spec::{ServiceSpec, Stop},
    time::Time,
};
use tokio::sync::Notify;

use self::child::Child;
use crate::backend::{
    Backend, BackendError, ExecOrder, ExecOutcome, Freed, ImageInfo, LogPage, LogQuery, Machine,
    Order, ResizeError, ResizeOrder, RouteTable, Seen, Started, StopCause, Usage,
};

const NAME: &str = "process";

/// Runs instances as plain processes. Development only.
#[derive(Default)]
pub struct ProcessBackend {
    children: Mutex<BTreeMap<InstanceId, Arc<Child>>>,
    changed: Arc<Notify>,
}

impl ProcessBackend {
    /// An empty one; says loudly what it is.
    #[must_use]
    pub fn new() -> Self {
        tracing::warn!("the `process` backend isolates nothing: for development only");
        Self::default()
    }

    fn map(&self) -> MutexGuard<'_, BTreeMap<InstanceId, Arc<Child>>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, instance: &InstanceId) -> Result<Arc<Child>, BackendError> {
        self.map()
            .get(instance)
            .cloned()
            .ok_or_else(|| BackendError::NoInstance(instance.clone()))
    }
}

fn unsupported(operation: &'static str) -> BackendError {
    BackendError::Unsupported {
        backend: NAME,
        operation,
    }
}

fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn problem(kind: ProblemKind, detail: impl Into<String>) -> Problem {
    let detail: String = detail.into();
    Problem {
        kind,
        detail: detail
            .chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect(),
    }
}

/// The directory that a spec names, if this backend can run it at all.
fn host_dir(spec: &ServiceSpec) -> Result<&Path, Problem> {
    let Some(dir) = spec.image.strip_prefix("host:") else {
        let detail = format!(
            "the process backend has no images: write `image: host:/some/dir` instead of `{}`",
            spec.image
        );
        return Err(problem(ProblemKind::ImageNotFound, detail));
    };
    if !(spec.volumes.is_empty() && spec.configs.is_empty() && spec.secrets.is_empty()) {
        return Err(problem(
            ProblemKind::Backend,
            "the process backend mounts no volumes, configs or secrets",
        ));
    }
    let dir = Path::new(dir);
    if dir.is_absolute() && dir.is_dir() {
        Ok(dir)
    } else {
        Err(problem(
            ProblemKind::ImageNotFound,
            format!("there is no directory `{}`", dir.display()),
        ))
    }
}

#[async_trait]
impl Backend for ProcessBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn start(&self, order: &Order) -> Result<Started, Problem> {
        host_dir(&order.spec)?;
        let child = {
            let mut map = self.map();
            map.entry(order.instance.clone())
                .or_insert_with(|| Arc::new(Child::new(order, self.changed.clone())))
                .clone()
        };
        let started = child.start(order).await;
        if started.is_err() && child.seen().attempt == 0 {
            self.map().remove(&order.instance);
        }
        self.changed.notify_one();
        started
    }

    async fn stop(
        &self,
        instance: &InstanceId,
        stop: &Stop,
        why: StopCause,
    ) -> Result<(), BackendError> {
        let child = self.map().get(instance).cloned();
        match child {
            Some(child) => child.stop(stop, why).await,
            None => Ok(()),
        }
    }

    async fn resize(&self, order: &ResizeOrder) -> Result<(), ResizeError> {
        Ok(self.known(&order.instance)?.resize(order)?)
    }

    async fn remove(&self, instance: &InstanceId) -> Result<(), BackendError> {
        let mut map = self.map();
        if map
            .get(instance)
            .is_some_and(|child| child.seen().phase != Phase::Ended)
        {
            let detail = format!("`{instance}` still runs: stop it first");
            return Err(BackendError::Failed {
                operation: "remove the instance",
                detail,
            });
        }
        map.remove(instance);
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Seen>, BackendError> {
        Ok(self
            .map()
            .values()
            .map(|child| child.seen())
            .filter(|seen| seen.attempt > 0)
            .collect())
    }

    async fn changed(&self) {
        self.changed.notified().await;
    }

    async fn logs(&self, instance: &InstanceId, query: &LogQuery) -> Result<LogPage, BackendError> {
        Ok(self.known(instance)?.output.page(query))
    }

    async fn exec(
        &self,
        instance: &InstanceId,
        order: &ExecOrder,
    ) -> Result<ExecOutcome, BackendError> {
        self.known(instance)?.exec(order).await
    }

    async fn usage(&self, instance: &InstanceId) -> Result<Usage, BackendError> {
        let pid = self
            .known(instance)?
            .seen()
            .pid
            .ok_or_else(|| BackendError::NotRunning(instance.clone()))?;
        Ok(machine::of_process(pid))
    }

    async fn machine(&self) -> Result<Machine, BackendError> {
        machine::of_machine().map_err(|error| BackendError::Failed {
            operation: "read what the machine offers",
            detail: error.to_string(),
        })
    }

    async fn route(&self, _table: &RouteTable) -> Result<(), BackendError> {
        // Everything is on the host's own loopback already.
        Ok(())
    }

    async fn import_image(
        &self,
        _path: &Path,
        _name: Option<&str>,
    ) -> Result<Vec<ImageInfo>, BackendError> {
        Err(unsupported("import images"))
    }

    async fn images(&self) -> Result<Vec<ImageInfo>, BackendError> {
        Ok(Vec::new())
    }

    async fn collect_garbage(&self, _keep: &[String]) -> Result<Freed, BackendError> {
        Ok(Freed::default())
    }
}

/// Where every instance listens.
const ADDRESS: Ipv4Addr = Ipv4Addr::LOCALHOST;
