//! Other resources for what runs: the order, and why it may not be carried out.

use ostler_core::{
    id::{Generation, InstanceId},
    observed::ResizeTrouble,
    spec::Resources,
    units::Bytes,
};

use super::BackendError;

/// Gives a running instance other requests and limits; it is not stopped for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResizeOrder {
    /// Which.
    pub instance: InstanceId,
    /// Whose generation's resources these are; it counts as made from that one afterwards. Of the one that it has
    /// already, they are other amounts for the same: when it was resized does not change with them.
    pub generation: Generation,
    /// What it reserves and may use from now on, whole: a limit that is absent is taken away.
    pub resources: Resources,
}

impl ResizeOrder {
    /// Whether it changes an instance that counts as made from that generation and has those resources: orders of
    /// generations before are late, and of the same one the last counts.
    #[must_use]
    pub fn changes(&self, generation: Generation, resources: &Resources) -> bool {
        self.generation > generation
            || (self.generation == generation && self.resources != *resources)
    }
}

/// Why an instance keeps the resources that it has. It runs on in every case.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// The kernel would have to kill it.
    #[error("`{instance}` uses {used} of memory, which is more than the new limit of {limit}")]
    MemoryInUse {
        /// Which.
        instance: InstanceId,
        /// What it uses now, in bytes, after what could be reclaimed was.
        used: Bytes,
        /// What it was to be limited to.
        limit: Bytes,
    },
    /// Anything else.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

impl ResizeError {
    /// The trouble as rules see it; `None` when there is nothing to resize, which the next look at
    /// the instance shows.
    #[must_use]
    pub const fn trouble(&self) -> Option<ResizeTrouble> {
        match self {
            Self::MemoryInUse { .. } => Some(ResizeTrouble::MemoryInUse),
            Self::Backend(BackendError::NoInstance(_) | BackendError::NotRunning(_)) => None,
            Self::Backend(BackendError::Unsupported { .. }) => Some(ResizeTrouble::Unsupported),
            Self::Backend(_) => Some(ResizeTrouble::Failed),
        }
    }
}
