//! Images: fetched from a registry or imported from a file, verified, unpacked once, shared.
//!
//! An image is a list of unpacked layer directories and the settings of its config document.
//! Nothing is visible before every digest matched; what a crash leaves behind is swept at the next
//! start. This module mounts nothing and starts nothing.

mod credentials;
mod digest;
mod disk;
mod document;
mod error;
mod garbage;
mod import;
mod layout;
mod name;
mod pull;
mod registry;
mod remote;
mod resolve;
mod seal;
mod signature;
mod tree;
mod unpack;

pub use error::ImageError;
pub use layout::{Content, LayoutFile, LayoutSpec, write_layout};
pub use remote::{Known, TAGS_LIMIT};
pub use resolve::{Damage, Images};
pub use signature::{
    Demand, ImagePattern, KeyError, PublicKey, RuleError, SignatureRule, SignatureRules,
};

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// How images are fetched and what is refused.
#[derive(Debug, Clone)]
pub struct ImagesConfig {
    /// Registries (`host` or `host:port`) spoken to in plain HTTP; loopback ones always are.
    pub insecure_registries: Vec<String>,
    /// Where names without a registry are looked for; `None` means such names are local only.
    pub default_registry: Option<String>,
    /// Docker's `config.json`; `$DOCKER_CONFIG` or `~/.docker` when absent.
    pub docker_config: Option<PathBuf>,
    /// How often a request is tried before the registry counts as unavailable, at least 1.
    pub attempts: u32,
    /// Longest silence of a registry.
    pub read_timeout: Duration,
    /// What is refused as absurd.
    pub limits: Limits,
}

impl Default for ImagesConfig {
    fn default() -> Self {
        Self {
            insecure_registries: Vec::new(),
            default_registry: Some("docker.io".to_owned()),
            docker_config: None,
            attempts: 4,
            read_timeout: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

/// Bounds on what an image may ask of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of one layer as transferred.
    pub packed_bytes: u64,
    /// Bytes of one layer unpacked.
    pub unpacked_bytes: u64,
    /// Files, directories and links in one layer.
    pub entries: u64,
    /// Layers of one image (overlayfs stacks 500 at most).
    pub layers: usize,
    /// Bytes of a manifest, index or config document.
    pub document_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packed_bytes: 16 << 30,
            unpacked_bytes: 64 << 30,
            entries: 2_000_000,
            layers: 127,
            document_bytes: 4 << 20,
        }
    }
}

/// An image that is ready to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The manifest's digest.
    pub digest: String,
    /// Unpacked layers, top-most last. Read-only for everyone.
    pub layers: Vec<PathBuf>,
    /// What the image says about running it.
    pub config: ImageConfig,
}

/// What an image says about running it. Untrusted text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageConfig {
    /// Command in front of the arguments.
    pub entrypoint: Vec<String>,
    /// Arguments, or the whole command where there is no entrypoint.
    pub cmd: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// Absolute path.
    pub working_dir: Option<String>,
    /// `uid`, `uid:gid`, `name` or `name:group`.
    pub user: Option<String>,
    /// Such as `SIGTERM`.
    pub stop_signal: Option<String>,
}
