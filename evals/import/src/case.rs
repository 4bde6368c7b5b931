//! One imported case.

use ostler_diagnosis::picture::Picture;

/// An incident that somebody recorded, or a time when all was well.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique within its set, stable between runs.
    pub id: String,
    /// What was seen.
    pub picture: Picture,
    /// What really was the case.
    pub truth: Truth,
}

/// What really was the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Truth {
    /// Nothing was wrong.
    Healthy,
    /// Something was.
    Faulty {
        /// What was at fault; any of these counts.
        objects: Vec<String>,
        /// Which cause, in the words of the set, where it names one.
        cause: Option<String>,
    },
}

/// Why a folder could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {words}")]
pub struct ImportError {
    /// Which file.
    pub path: String,
    /// What is wrong with it and what would be right.
    pub words: String,
}
