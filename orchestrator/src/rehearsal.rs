//! Before another program takes the daemon's place: it reads the configuration and brings a copy of the
//! state up to its version. The daemon that runs notices nothing.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use nix::sys::statvfs::statvfs;
use ostler_gate::ports::Store;
use ostler_policies::{Bundle, Engine};
use ostler_store::{Schema, SqliteStore, copy};
use ostler_tools::catalogue;
use serde::{Deserialize, Serialize};

use crate::app::Config;

/// What would happen. Programs of other versions read it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report {
    /// In words.
    pub(crate) says: Vec<String>,
    /// Whether the version before could use the state afterwards.
    pub(crate) can_come_back: bool,
    /// The schema that the state has before.
    pub(crate) found: u64,
}

/// A folder that is taken away again.
struct Stage(PathBuf);

impl Stage {
    fn build(state: &Path) -> anyhow::Result<Self> {
        let place = state.join(format!("check-upgrade.{}", std::process::id()));
        fs::create_dir(&place).with_context(|| format!("cannot make `{}`", place.display()))?;
        Ok(Self(place))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, place = %self.0.display(), "a copy of the state was left behind");
        }
    }
}

/// Tries it; answers with what would happen.
pub(crate) async fn rehearse(config: &Config) -> anyhow::Result<Report> {
    let version = env!("CARGO_PKG_VERSION");
    let mut words = vec![];
    if let Some(file) = &config.file {
        words.push(format!("The configuration `{}` is good.", file.display()));
    }
    Engine::load(&Bundle::embedded(), &ostler_gate::actions(catalogue::ALL))
        .context("cannot load the policies")?;
    let database = config.state_dir.join("ostler.db");
    if !database.exists() {
        bail!(
            "there is no state in `{}`: give the --state-dir of the daemon",
            config.state_dir.display()
        );
    }
    let schema = Schema::of(&database)
        .await
        .context("cannot read the state")?;
    schema.check()?;
    let room = has_room(&config.state_dir, &database)?;
    let stage = Stage::build(&config.state_dir)?;
    let after = rehearse_in(&stage.0, &database).await?;
    drop(stage);
    words.push(format!(
        "ostler {version} knows schema {}; the state has {}, and a copy of it could be read.",
        schema.known, schema.found
    ));
    if schema.steps() > 0 {
        words.push(format!(
            "At the start {} step(s) are made, after a copy to `ostler.db.schema-{}` ({room} MiB are free).",
            schema.steps(),
            schema.found
        ));
    }
    let can_come_back = can_come_back(schema, after);
    words.push(going_back(can_come_back, after));
    Ok(Report {
        says: words,
        can_come_back,
        found: schema.found,
    })
}

/// Brings a copy up to date and reads all of it.
async fn rehearse_in(stage: &Path, database: &Path) -> anyhow::Result<Schema> {
    let place = stage.join("ostler.db");
    copy(database, &place)
        .await
        .context("cannot copy the state to try the upgrade")?;
    let store = SqliteStore::open(&place).await;
    let store = store.context("the state cannot be brought up to this version")?;
    let loaded = store.load().await;
    store.close().await;
    loaded.context("this version cannot read the state")?;
    Ok(Schema::of(&place).await?)
}

/// Whether the program that runs now could come back afterwards.
fn can_come_back(before: Schema, after: Schema) -> bool {
    let as_before = Schema {
        known: before.found,
        ..after
    };
    as_before.check().is_ok()
}

fn going_back(can_come_back: bool, after: Schema) -> String {
    if can_come_back {
        return "The version before can come back afterwards.".to_owned();
    }
    format!(
        "The version before CANNOT come back afterwards: schema {} is for versions from schema {} on.",
        after.found, after.oldest
    )
}

/// Mebibytes that are free, if that is enough for two copies.
fn has_room(state: &Path, database: &Path) -> anyhow::Result<u64> {
    let size = fs::metadata(database)?.len();
    let disk = statvfs(state).with_context(|| format!("cannot look at `{}`", state.display()))?;
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free < size.saturating_mul(3) {
        bail!(
            "`{}` has {} MiB free; copies of the state need {}. Free space first",
            state.display(),
            free >> 20,
            size.saturating_mul(3) >> 20
        );
    }
    Ok(free >> 20)
}
