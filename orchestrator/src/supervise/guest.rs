//! An agent of the operator's own: any program that speaks MCP, in the same sandbox as ours.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::bail;
use serde::Deserialize;

use super::sandbox::{LINES, PROGRAM};

/// Where a guest is told its line to the gate: a Unix socket that carries MCP, a message a line.
pub const LINE_VARIABLE: &str = "OSTLER_MCP";

/// What is run, and what of the host it may read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guest {
    /// Program and arguments, by their paths in the sandbox.
    pub command: Vec<String>,
    /// Directories of the host, by where the sandbox sees them; read-only.
    #[serde(default)]
    pub mounts: BTreeMap<PathBuf, PathBuf>,
    /// Variables of its environment. No place for secrets: the agent may write them to its log.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

impl Guest {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first thing that is wrong, and what is accepted.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.command.first() {
            None => bail!("`command` is empty: give the program and its arguments"),
            Some(program) if !program.starts_with('/') => {
                bail!("`command`: `{program}` is not an absolute path in the sandbox")
            }
            Some(_) => {}
        }
        for (place, source) in &self.mounts {
            check_mount(place, source)?;
        }
        Ok(())
    }
}

fn check_mount(place: &Path, source: &Path) -> anyhow::Result<()> {
    let shown = place.display();
    if !place.is_absolute() || !source.is_absolute() {
        bail!(
            "`mounts`: `{shown}: {}` are not absolute paths",
            source.display()
        );
    }
    if place == Path::new("/") {
        bail!("`mounts`: `/` cannot be mounted over: mount what the program needs");
    }
    for (kept, what) in [
        (LINES, "holds the agent's sockets"),
        (PROGRAM, "is the place of Ostler's own agents"),
        ("/proc", "is the kernel's"),
        ("/sys", "is the kernel's"),
        ("/dev", "is the kernel's"),
    ] {
        if place.starts_with(kept) || Path::new(kept).starts_with(place) {
            bail!("`mounts`: `{shown}` is taken: `{kept}` {what}");
        }
    }
    Ok(())
}
