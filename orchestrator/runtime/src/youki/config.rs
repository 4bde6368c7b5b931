//! Where and how instances run, and why they may not.

use std::{io, path::PathBuf, time::Duration};

use super::cgroups::CgroupError;
use crate::{
    image::{ImageError, ImagesConfig},
    network::{NetworkConfig, NetworkError},
};

/// Where and how instances run.
#[derive(Debug, Clone)]
pub struct YoukiConfig {
    /// Directory that holds everything: images, instances, volumes. Made when absent, mode 0700.
    pub state_root: PathBuf,
    /// How images are fetched.
    pub images: ImagesConfig,
    /// The service network; without one every instance has an empty network of its own.
    pub network: Option<NetworkConfig>,
    /// Control group under which instances live, relative to the hierarchies' roots; derived from
    /// `state_root` when absent, so that two daemons on a machine do not meet.
    pub cgroup_parent: Option<PathBuf>,
    /// Bytes after which an instance's log begins a new file.
    pub log_file_bytes: u64,
    /// Log files kept for each instance.
    pub log_files: usize,
    /// How long a shim may take to say what it runs, when it is born or adopted.
    pub birth: Duration,
    /// How long an end may take to be seen after the last signal, and a shim to answer.
    pub settle: Duration,
}

impl YoukiConfig {
    /// The usual settings for a directory.
    #[must_use]
    pub fn new(state_root: impl Into<PathBuf>) -> Self {
        Self {
            state_root: state_root.into(),
            images: ImagesConfig::default(),
            network: None,
            cgroup_parent: None,
            log_file_bytes: 4 << 20,
            log_files: 2,
            birth: Duration::from_secs(60),
            settle: Duration::from_secs(10),
        }
    }
}

/// Why the backend cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Containers need root.
    #[error(
        "running containers needs root: start the daemon as root, or choose the `process` backend for development"
    )]
    NotRoot,
    /// Control groups are missing.
    #[error(transparent)]
    Cgroups(#[from] CgroupError),
    /// The image store.
    #[error("cannot open the image store: {0}")]
    Images(#[from] ImageError),
    /// The service network.
    #[error("cannot open the service network: {0}")]
    Network(#[from] NetworkError),
    /// A file or directory.
    #[error("cannot {operation} `{path}`")]
    Disk {
        /// What was being done.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
