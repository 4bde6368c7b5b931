//! The one trait behind which any runtime stands.

mod log;
mod resize;
mod route;
mod usage;

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Duration};

use async_trait::async_trait;
use ostler_core::{
    id::{Generation, InstanceId, SecretName, ServiceKey},
    observed::{Exit, Phase, Problem},
    spec::{ServiceSpec, Stop},
    time::Time,
    units::{Bytes, MilliCpu},
};
use serde::{Deserialize, Serialize};

pub use self::{
    log::{LogLine, LogPage, LogQuery, Stream},
    resize::{ResizeError, ResizeOrder},
    route::{Route, RoutePort, RouteTable},
    usage::{Machine, Usage},
};
use crate::image::Images;
pub use crate::image::{Damage, SignatureRules};

/// Runs instances on one machine. Every call is idempotent: late and repeated work is harmless.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Short name for people: `youki`, `process`, `sim`.
    fn name(&self) -> &'static str;

    /// Makes the instance if it does not exist, and starts the given attempt. One that exists takes
    /// over the resources of the order's generation, if that is another than its own; all else of
    /// the two must be alike. Returns once the process runs. Starting an attempt that already runs does nothing.
    ///
    /// # Errors
    /// A [`Problem`] whose kind tells rules what to do; nothing half-made is left running.
    async fn start(&self, order: &Order) -> Result<Started, Problem>;

    /// Signals the instance, waits for the grace period, then kills. Returns once it has ended.
    ///
    /// # Errors
    /// When it cannot be signalled; not when it is already gone.
    async fn stop(
        &self,
        instance: &InstanceId,
        stop: &Stop,
        why: StopCause,
    ) -> Result<(), BackendError>;

    /// Gives a running instance other resources without stopping it, durably: an adopted one has them
    /// too, and so has its next attempt. Nothing is done to one that has them already.
    ///
    /// # Errors
    /// [`ResizeError`]: it runs on with what it had. A memory limit is never set below what is in use.
    async fn resize(&self, _order: &ResizeOrder) -> Result<(), ResizeError> {
        let (backend, operation) = (self.name(), "resize what runs");
        Err(BackendError::Unsupported { backend, operation }.into())
    }

    /// Takes away an ended instance: container, mounts, network, cgroup, logs.
    ///
    /// # Errors
    /// When something could not be removed; calling again continues.
    async fn remove(&self, instance: &InstanceId) -> Result<(), BackendError>;

    /// Everything that exists, also what an earlier daemon started.
    ///
    /// # Errors
    /// When the backend's own state cannot be read.
    async fn list(&self) -> Result<Vec<Seen>, BackendError>;

    /// Returns when something may have changed since the last call: an instance ended or started.
    /// May return spuriously; never loses a change.
    async fn changed(&self);

    /// What went wrong beside any call since the last time this was asked, oldest first.
    fn notices(&self) -> Vec<Notice> {
        Vec::new()
    }

    /// A page of an instance's log.
    ///
    /// # Errors
    /// When there is no such instance or its log cannot be read.
    async fn logs(&self, instance: &InstanceId, query: &LogQuery) -> Result<LogPage, BackendError>;

    /// Runs a command inside a running instance and waits for it.
    ///
    /// # Errors
    /// When it cannot be started or exceeds its time.
    async fn exec(
        &self,
        instance: &InstanceId,
        order: &ExecOrder,
    ) -> Result<ExecOutcome, BackendError>;

    /// What an instance uses now.
    ///
    /// # Errors
    /// When it does not run.
    async fn usage(&self, instance: &InstanceId) -> Result<Usage, BackendError>;

    /// CPU time that the attempt which runs has used, in microseconds: what [`Self::usage`] tells of it, for
    /// whoever asks often and needs nothing else.
    ///
    /// # Errors
    /// When it does not run.
    async fn cpu_us(&self, instance: &InstanceId) -> Result<u64, BackendError> {
        Ok(self.usage(instance).await?.cpu_us)
    }

    /// What the machine offers and how full it is.
    ///
    /// # Errors
    /// When the machine's own figures cannot be read.
    async fn machine(&self) -> Result<Machine, BackendError>;

    /// The machine's own address as instances see it, where a proxy is reached by [`RoutePort::via`];
    /// `None` when this backend leads nobody anywhere.
    fn gateway(&self) -> Option<Ipv4Addr> {
        None
    }

    /// Sets where names lead and which instances take traffic; the whole table, level-triggered.
    ///
    /// # Errors
    /// When the network refuses; the earlier table stays in force.
    async fn route(&self, table: &RouteTable) -> Result<(), BackendError>;

    /// Brings an image's content from a local file into the store: an OCI layout directory or
    /// archive. Returns the names under which it can be used.
    ///
    /// # Errors
    /// When the content does not match its digests; nothing is kept then.
    async fn import_image(
        &self,
        path: &std::path::Path,
        name: Option<&str>,
    ) -> Result<Vec<ImageInfo>, BackendError>;

    /// The image store, where this backend has one: for those who look into registries.
    fn image_store(&self) -> Option<&Images> {
        None
    }

    /// Images in the store.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn images(&self) -> Result<Vec<ImageInfo>, BackendError>;

    /// Reads every image in the store and tells what is damaged. That is used by no further start.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn verify_images(&self) -> Result<Vec<Damage>, BackendError> {
        Ok(Vec::new())
    }

    /// Whether [`Self::demand`] has an effect.
    fn judges_images(&self) -> bool {
        false
    }

    /// Puts other rules about signatures of images in force, for every start from now on. What runs is
    /// not touched.
    fn demand(&self, _rules: SignatureRules) {}

    /// Removes images and layers that no instance and none of `keep` uses.
    ///
    /// # Errors
    /// When something could not be removed; calling again continues.
    async fn collect_garbage(&self, keep: &[String]) -> Result<Freed, BackendError>;

    /// Takes away what the backend set up on the machine beside instances, such as a bridge and
    /// packet filter rules. Images and volumes stay. Only called when no instance is left.
    ///
    /// # Errors
    /// When something could not be removed; the next start uses it again.
    async fn close(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

/// Everything needed to start one attempt of one instance.
#[derive(Clone)]
pub struct Order {
    /// Which.
    pub instance: InstanceId,
    /// Whose.
    pub service: ServiceKey,
    /// From which generation.
    pub generation: Generation,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// When the instance was first placed.
    pub created_at: Time,
    /// What it should be.
    pub spec: Arc<ServiceSpec>,
    /// Contents of the secrets that the spec names. Dropped after use, never written to a disk.
    pub secrets: BTreeMap<SecretName, SecretBytes>,
}

/// Secret content; prints as `…`.
#[derive(Clone)]
pub struct SecretBytes(pub Arc<[u8]>);

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// An attempt that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Its main process.
    pub pid: Option<u32>,
    /// Its address on the service network.
    pub address: Option<Ipv4Addr>,
    /// When it began to run.
    pub at: Time,
}

/// Something about an instance that nobody had asked for, such as one that an earlier daemon left
/// and that could not be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Which.
    pub instance: InstanceId,
    /// Whose, where that is still known.
    pub service: Option<ServiceKey>,
    /// What is wrong and what was done about it.
    pub problem: Problem,
}

/// Why an instance is stopped; recorded with its exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopCause {
    /// Asked for by the plan.
    Asked,
    /// Its liveness probe fails.
    NotLive,
}

/// One instance as the backend sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Which.
    pub instance: InstanceId,
    /// Whose.
    pub service: ServiceKey,
    /// From which generation.
    pub generation: Generation,
    /// Running or Ended (others are the driver's to know); Stopping once signalled.
    pub phase: Phase,
    /// The last attempt.
    pub attempt: u32,
    /// When it was first placed.
    pub created_at: Time,
    /// When the last attempt began to run.
    pub started_at: Option<Time>,
    /// Ends so far, oldest first, the last sixteen.
    pub exits: Vec<Exit>,
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Its main process, while running.
    pub pid: Option<u32>,
    /// CPU it reserves.
    pub cpu: MilliCpu,
    /// Memory it reserves.
    pub memory: Bytes,
    /// When it got the resources that it has; absent when it was made with them.
    #[serde(default)]
    pub resized_at: Option<Time>,
}

/// A command to run inside an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOrder {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
    /// Longest time it may take; then it is killed.
    pub timeout: Duration,
    /// Most bytes kept of each stream.
    pub output_limit: usize,
}

/// What a command did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit code; 128 + signal when killed.
    pub code: i32,
    /// Standard output, cut at the limit.
    pub stdout: Vec<u8>,
    /// Standard error, cut at the limit.
    pub stderr: Vec<u8>,
}

/// An image in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageInfo {
    /// The name it is used by.
    pub name: String,
    /// The manifest's digest.
    pub digest: String,
    /// Unpacked size in bytes.
    pub size: u64,
}

/// What garbage collection took away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freed {
    /// Images.
    pub images: u32,
    /// Layers.
    pub layers: u32,
    /// Bytes.
    pub bytes: u64,
}

/// What a backend could not do.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// Nothing by that name.
    #[error("there is no instance `{0}`")]
    NoInstance(InstanceId),
    /// It must run for this.
    #[error("instance `{0}` is not running")]
    NotRunning(InstanceId),
    /// This backend cannot do it.
    #[error("the {backend} backend cannot {operation}")]
    Unsupported {
        /// Which backend.
        backend: &'static str,
        /// What was asked.
        operation: &'static str,
    },
    /// Took too long.
    #[error("`{operation}` took longer than {limit_ms} ms")]
    Timeout {
        /// What was being done.
        operation: &'static str,
        /// The limit.
        limit_ms: u64,
    },
    /// An operation failed.
    #[error("cannot {operation}: {detail}")]
    Failed {
        /// What was being done.
        operation: &'static str,
        /// Why, in words.
        detail: String,
    },
}
