//! What can go wrong with an image, and which kind of problem that is to the rules.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use ostler_core::observed::{Problem, ProblemKind};

/// Why an image cannot be used. Cheap to clone: several waiters share one failure.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ImageError {
    /// The text is not an image reference.
    #[error(
        "`{reference}` is not an image reference: {detail}; write `name:tag`, `registry/name:tag` or `registry/name@sha256:…`"
    )]
    InvalidReference {
        /// What was given.
        reference: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Neither in the store nor in the registry.
    #[error("image `{reference}` was not found {place}")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// Where it was looked for, in words.
        place: String,
    },
    /// The registry does not answer, or answers with a fault of its own.
    #[error("registry `{registry}` is unavailable: {detail}")]
    RegistryUnavailable {
        /// Which.
        registry: String,
        /// Its last answer.
        detail: String,
    },
    /// The registry does not accept the credentials, or asks for some.
    #[error(
        "registry `{registry}` refuses access to `{reference}`: {detail}; check the credentials in docker's config.json"
    )]
    Refused {
        /// Which registry.
        registry: String,
        /// What was asked for.
        reference: String,
        /// Its answer.
        detail: String,
    },
    /// Credentials are configured but cannot be read.
    #[error("cannot read the credentials for registry `{registry}`: {detail}")]
    Credentials {
        /// For which registry.
        registry: String,
        /// Why; never holds a credential.
        detail: String,
    },
    /// The content does not match its digest or is not well-formed.
    #[error("{what} is corrupt: {detail}")]
    Corrupt {
        /// Which document or layer.
        what: String,
        /// What does not match.
        detail: String,
    },
    /// Well-formed, but more than is accepted or of a kind that is not.
    #[error("{what} is refused: {detail}")]
    Unsupported {
        /// Which document, layer or file.
        what: String,
        /// Why, and what is accepted.
        detail: String,
    },
    /// The operator's rules about signatures do not let it run.
    #[error("image `{reference}` may not run: {detail}")]
    Untrusted {
        /// What was asked for.
        reference: String,
        /// Which rule, why, and what to do.
        detail: String,
    },
    /// The store's own disk failed.
    #[error("cannot {operation} `{path}`")]
    Disk {
        /// What was being done.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
}

impl ImageError {
    /// The kind and words that the rules and people see.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let mut detail = self.to_string();
        if let Self::Disk { source, .. } = self {
            detail = format!("{detail}: {source}");
        }
        Problem {
            kind: self.kind(),
            detail: detail
                .chars()
                .filter(|c| !c.is_control())
                .take(500)
                .collect(),
        }
    }

    fn kind(&self) -> ProblemKind {
        match self {
            Self::InvalidReference { .. } | Self::NotFound { .. } => ProblemKind::ImageNotFound,
            Self::RegistryUnavailable { .. } | Self::Refused { .. } | Self::Credentials { .. } => {
                ProblemKind::RegistryUnavailable
            }
            Self::Corrupt { .. } | Self::Unsupported { .. } => ProblemKind::ImageCorrupt,
            Self::Untrusted { .. } => ProblemKind::ImageRefused,
            Self::Disk { source, .. } if is_full(source) => ProblemKind::DiskFull,
            Self::Disk { .. } => ProblemKind::Backend,
        }
    }

    pub(super) fn corrupt(what: impl Into<String>, detail: impl ToString) -> Self {
        Self::Corrupt {
            what: what.into(),
            detail: detail.to_string(),
        }
    }

    pub(super) fn unsupported(what: impl Into<String>, detail: impl ToString) -> Self {
        Self::Unsupported {
            what: what.into(),
            detail: detail.to_string(),
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// Turns an I/O error into one that says what was being done, and where.
pub(super) fn disk<E: Into<io::Error>>(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> ImageError {
    move |error| ImageError::Disk {
        operation,
        path: path.to_owned(),
        source: Arc::new(error.into()),
    }
}

/// Runs blocking work apart from the async threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageError> + Send + 'static,
) -> Result<T, ImageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(disk("finish work on", Path::new("the image store"))(
            io::Error::other(error),
        )),
    }
}
