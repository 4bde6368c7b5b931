//! Second fault: a change that breaks the catalog. The healer finds it, a person decides.

use std::time::{Duration, Instant};

use super::{
    super::{manifests, stage::Stage, summary::Story},
    watch::{Expected, until_healed},
};

/// Applies a catalog whose configuration cannot be read.
pub fn bad_change(stage: &Stage) -> anyhow::Result<Story> {
    stage.heading("2. Somebody ships a broken configuration of the catalog")?;
    stage.say("The new catalog cannot start. The old one keeps serving: a rollout never takes away what works.")?;
    let good = manifests(stage.port);
    let bad = good.replace(CATALOG_CONFIG, "{\"currency\": ");
    anyhow::ensure!(bad != good, "the shop's manifests have no catalog configuration to break");
    let file = stage.file("shop-broken.yaml", &bad)?;
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

/// The catalog's configuration in the shop's manifests.
const CATALOG_CONFIG: &str = "{\"currency\": \"EUR\"}";
