//! Where an agent's sockets are: a folder of its own, whose files only the agents' user may use.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use ostler_core::id::AgentName;

use super::NOBODY;

/// The agent's user alone may connect.
const SOCKET_MODE: u32 = 0o600;
/// Others pass through by name and list nothing.
const FOLDER_MODE: u32 = 0o711;

/// An agent's folder, made where it is missing.
///
/// # Errors
/// When it cannot be made, or somebody else made it.
pub fn folder(all: &Path, agent: &AgentName) -> io::Result<PathBuf> {
    let folder = all.join(agent.as_str());
    fs::create_dir_all(&folder)?;
    for path in [all, &folder] {
        let there = fs::symlink_metadata(path)?;
        if !there.is_dir() || there.uid() != Uid::effective().as_raw() {
            let problem = format!("`{}` is not a directory of ours", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(folder)
}

/// Gives a socket to the agents' user.
///
/// # Errors
/// When the file system refuses.
pub fn give(socket: &Path) -> io::Result<()> {
    fs::set_permissions(socket, Permissions::from_mode(SOCKET_MODE))?;
    if Uid::effective().is_root() {
        chown(socket, Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}

/// Removes every agent's folder; a daemon that was killed leaves them to the next.
pub fn clear(all: &Path) {
    match fs::remove_dir_all(all) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the agents' sockets could not be removed");
        }
        _ => {}
    }
}
