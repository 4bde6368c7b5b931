//! The demo's acts: opening the shop, then three faults.

mod bad_change;
mod crash;
mod leak;
mod watch;

use std::time::Duration;

pub use bad_change::bad_change;
pub use crash::crash;
pub use leak::leak;

use super::{TRAFFIC, images, manifests, stage::Stage};

/// The shop's services, in the order in which they start.
pub const SERVICES: [&str; 5] = ["store", "catalog", "cart", "frontend", "traffic"];

/// Builds the image, starts the shop and waits until it works.
pub fn open_shop(stage: &Stage) -> anyhow::Result<()> {
    stage.heading("A small shop: frontend → cart → catalog → store, with steady traffic")?;
    stage.say(
        "The image is made here from a program inside `ostler`: no container engine, no network.",
    )?;
    let layout = stage.path("shop-image");
    images::write(&layout)?;
    stage.show(&["image", "import", &layout.to_string_lossy()])?;
    let file = stage.file(
        "shop.yaml",
        &format!("{}---\n{TRAFFIC}", manifests(stage.port)),
    )?;
    stage.show(&["apply", "--yes", "-f", &file])?;
    stage.until_healthy(&SERVICES, Duration::from_secs(60))?;
    stage.show(&["get", "services"])?;
    stage.say(&format!("It is open: http://127.0.0.1:{}/", stage.port))
}
