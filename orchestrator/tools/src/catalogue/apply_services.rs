//! `apply_services`: create or replace services.

use ostler_core::{
    change::{Change, ServicePut},
    spec::{Manifest, read_manifests},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

/// See the module.
pub struct ApplyServices;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Manifests as YAML text, 4 MiB at most.
    pub yaml: Option<String>,
    /// Manifests as objects.
    pub manifests: Option<Vec<Manifest>>,
}

impl Describe for ApplyServices {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "apply_services";
    const TITLE: &'static str = "Create or replace services";
    const DESCRIPTION: &'static str = "Creates services or replaces what they should be, all or none. Give `yaml` (one or many \
        documents, as in a manifest file: apiVersion ostler.dev/v1, kind Service, metadata, spec) or \
        `manifests` (the same as objects). Unknown fields are refused. Services that are not named \
        stay as they are. A changed spec starts a rollout, which goes back by itself if new \
        instances do not become healthy. Try it first with `preview_change`.";
    const CLASS: Class = Class::Change;
    const DESTRUCTIVE: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let _ = view;
        let manifests = match (args.yaml, args.manifests) {
            (Some(yaml), None) => read_manifests(&yaml),
            (None, Some(manifests)) => read_manifests(&as_text(&manifests)?),
            _ => return Err(Refusal::new("give exactly one of `yaml` and `manifests`")),
        };
        let manifests = manifests.map_err(|error| Refusal::new(error.to_string()))?;
        if manifests.is_empty() || manifests.len() > SERVICES_LIMIT {
            let found = manifests.len();
            return Err(Refusal::new(format!(
                "there are {found} services to apply; give 1 to {SERVICES_LIMIT}"
            )));
        }
        let put = |manifest: Manifest| ServicePut {
            service: manifest.key(),
            labels: manifest.metadata.labels,
            spec: manifest.spec,
        };
        Ok(Decided::Change(Change::ApplyServices {
            services: manifests.into_iter().map(put).collect(),
        }))
    }
}

/// Most services of one call.
const SERVICES_LIMIT: usize = 500;

/// Objects take the same way as text, so that the same rules check them.
fn as_text(manifests: &[Manifest]) -> Result<String, Refusal> {
    let documents: Result<Vec<String>, _> = manifests.iter().map(serde_json::to_string).collect();
    let documents =
        documents.map_err(|error| Refusal::new(format!("a manifest is not JSON: {error}")))?;
    Ok(documents.join("\n---\n"))
}
