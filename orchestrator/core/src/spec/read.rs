//! From YAML text to checked manifests; the error names line, field and what is accepted.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServiceSpec;
use crate::id::{Namespace, ServiceKey, ServiceName};

/// One document of a manifest file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Manifest {
    /// Always `ostler.dev/v1`.
    pub api_version: ApiVersion,
    /// Always `Service`.
    pub kind: Kind,
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be.
    pub spec: ServiceSpec,
}

/// The version of the manifest's format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only version so far.
    #[serde(rename = "ostler.dev/v1")]
    V1,
}

/// The kind of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// A long-running workload.
    Service,
}

/// Who a service is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name within the namespace.
    pub name: ServiceName,
    /// `default` when absent.
    #[serde(default)]
    pub namespace: Namespace,
    /// Words for selection and for people. Data: they never widen what is allowed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Manifest {
    /// The service's full name.
    #[must_use]
    pub fn key(&self) -> ServiceKey {
        ServiceKey::new(self.metadata.namespace.clone(), self.metadata.name.clone())
    }
}

/// A manifest that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    /// The text is not YAML of the accepted shape; the message carries line and column.
    #[error("{0}")]
    Syntax(String),
    /// The shape is right but a value is not.
    #[error("service `{service}`: field `{field}`: {problem}")]
    Value {
        /// Which service.
        service: String,
        /// The field's path.
        field: String,
        /// What is wrong and what is accepted.
        problem: String,
    },
    /// Larger than a manifest may be.
    #[error("the manifest has {bytes} bytes; at most {limit} are accepted")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The same service twice.
    #[error("service `{0}` is described twice; keep one of the two documents")]
    Twice(String),
}

const MANIFEST_LIMIT: usize = 4 << 20;

/// Reads every document of a YAML text.
///
/// # Errors
/// [`InvalidManifest`] names line, field and accepted values; nothing is half-accepted.
pub fn read_manifests(text: &str) -> Result<Vec<Manifest>, InvalidManifest> {
    if text.len() > MANIFEST_LIMIT {
        return Err(InvalidManifest::TooLarge {
            bytes: text.len(),
            limit: MANIFEST_LIMIT,
        });
    }
    let manifests: Vec<Manifest> = serde_saphyr::from_multiple(text)
        .map_err(|error| InvalidManifest::Syntax(super::syntax::explain(&error)))?;
    let mut keys = BTreeSet::new();
    for manifest in &manifests {
        super::check(manifest)?;
        if !keys.insert(manifest.key()) {
            return Err(InvalidManifest::Twice(manifest.key().to_string()));
        }
    }
    Ok(manifests)
}

/// The JSON Schema (2020-12) of a manifest.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Manifest).to_value()
}
