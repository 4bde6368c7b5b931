//! Where agents' sockets are, and that nobody but the agent's own process uses them.
//!
//! The state directory is closed to the user that agents run as, so a daemon of root's keeps them
//! under `/run`; what is inside can be reached by name only.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, ensure};
use nix::unistd::{Gid, Uid, chown};
use ostler_broker::Admit;
use ostler_core::id::AgentName;
use tokio::net::UnixListener;

use crate::{fleet::Fleet, serve, supervise};

/// The agent's user alone may connect.
const SOCKET_MODE: u32 = 0o600;
/// Others pass through by name and list nothing.
const FOLDER_MODE: u32 = 0o711;

/// The folder of one daemon's sockets for agents.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(state: &Path) -> anyhow::Result<Self> {
        let path = if Uid::effective().is_root() {
            let mut hasher = DefaultHasher::new();
            state.hash(&mut hasher);
            PathBuf::from(format!("/run/ostler-agents-{:016x}", hasher.finish()))
        } else {
            state.join("agents")
        };
        let opened = || -> anyhow::Result<()> {
            fs::create_dir_all(&path)?;
            let there = fs::symlink_metadata(&path)?;
            ensure!(
                there.is_dir() && there.uid() == Uid::effective().as_raw(),
                "it is not a directory of ours"
            );
            fs::set_permissions(&path, fs::Permissions::from_mode(FOLDER_MODE))?;
            Ok(())
        };
        opened().with_context(|| format!("cannot use `{}` for agents' sockets", path.display()))?;
        Ok(Self(path))
    }

    pub(super) async fn bind(&self, agent: &AgentName) -> anyhow::Result<(PathBuf, UnixListener)> {
        let path = self.0.join(format!("{agent}.sock"));
        let socket = serve::unix::bind(&path, SOCKET_MODE)
            .await
            .with_context(|| format!("cannot open `{}`", path.display()))?;
        if Uid::effective().is_root() {
            let (uid, gid) = (
                Uid::from_raw(supervise::NOBODY),
                Gid::from_raw(supervise::NOBODY),
            );
            chown(&path, Some(uid), Some(gid))
                .with_context(|| format!("cannot give `{}` to the agent", path.display()))?;
        }
        Ok((path, socket))
    }
}

/// Only the process that the supervisor runs as this agent: agents share a user, not a process.
pub(super) fn only_the_agent(fleet: Arc<Fleet>, name: AgentName) -> Admit {
    Arc::new(move |peer| {
        let runs = fleet.read(|table| table.agents.get(&name).and_then(|status| status.pid));
        let pid = peer.pid().and_then(|pid| u32::try_from(pid).ok());
        runs.is_some() && runs == pid
    })
}
