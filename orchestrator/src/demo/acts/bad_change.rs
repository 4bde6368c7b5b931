//! Second fault: a change that breaks the catalog. The healer finds it, a person decides.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::{
    super::{manifests, stage::Stage, summary::Story},
    watch::{Expected, until_healed},
};

/// Applies a catalog whose configuration cannot be read.
pub fn bad_change(stage: &Stage) -> anyhow::Result<Story> {
    stage.heading("2. Somebody ships a broken configuration of the catalog")?;
    stage.say("The new catalog cannot start. The old one keeps serving: a rollout never takes away what works.")?;
    let file = stage.file(
        "catalog-broken.yaml",
        &broken_catalog(&manifests(stage.port))?,
    )?;
    let since = Instant::now();
    stage.show(&["apply", "--yes", "-f", &file])?;
    stage.say("\nWaiting for the healer …")?;
    until_healed(
        stage,
        &Expected {
            broke: "catalog: broken configuration",
            culprit: "catalog",
            since,
            within: Duration::from_secs(60),
        },
    )
}

/// The catalog's manifest with a configuration file that ends too early.
fn broken_catalog(shop: &str) -> anyhow::Result<String> {
    let catalog = shop
        .split("---")
        .find(|document| document.contains("name: catalog"));
    let catalog = catalog.context("the shop has no catalog")?;
    let broken = catalog.replace(GOOD_CONFIG, "{ \"name\": ");
    anyhow::ensure!(
        broken != catalog,
        "the catalog has no configuration to break"
    );
    Ok(broken)
}

/// The configuration file in the shop's manifests.
const GOOD_CONFIG: &str = "{ \"name\": \"The Ostler Arms\" }";
