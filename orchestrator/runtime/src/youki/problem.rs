//! Failures of this backend, in the kinds that rules act on.

use std::io;

use ostler_core::observed::{Problem, ProblemKind};

use super::wire::{Failure, FailureKind};
use crate::{backend::BackendError, image::ImageError};

/// A problem in words, capped and without control characters.
pub(super) fn problem(kind: ProblemKind, detail: impl AsRef<str>) -> Problem {
    Problem {
        kind,
        detail: detail
            .as_ref()
            .chars()
            .filter(|c| !c.is_control())
            .take(500)
            .collect(),
    }
}

/// A failed operation on this machine's files.
pub(super) fn disk<'a>(what: &'a str) -> impl Fn(io::Error) -> Problem + 'a {
    move |error| {
        let full = matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        );
        problem(
            if full {
                ProblemKind::DiskFull
            } else {
                ProblemKind::Backend
            },
            format!("cannot {what}: {error}"),
        )
    }
}

/// What the shim reported.
pub(super) fn from_shim(failure: &Failure) -> Problem {
    let kind = match failure.kind {
        FailureKind::CommandNotFound => ProblemKind::CommandNotFound,
        FailureKind::DiskFull => ProblemKind::DiskFull,
        FailureKind::Busy | FailureKind::Other => ProblemKind::Backend,
    };
    problem(kind, &failure.detail)
}

/// A failed operation, for calls other than start.
pub(super) fn failed(operation: &'static str) -> impl Fn(io::Error) -> BackendError {
    move |error| BackendError::Failed {
        operation,
        detail: error.to_string(),
    }
}

/// A failed operation on the image store.
pub(super) fn image_failed(operation: &'static str) -> impl Fn(ImageError) -> BackendError {
    move |error| BackendError::Failed {
        operation,
        detail: error.problem().detail,
    }
}
