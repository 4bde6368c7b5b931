//! The daemon's directory: one daemon at a time, nobody else looks in.

use std::{
    fs::{self, File, Permissions},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
    unistd::Uid,
};

/// Where everything durable lives, locked for one daemon.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    /// Kept open: the lock ends when it is closed.
    _lock: File,
}

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateDirError {
    /// It cannot be made or opened.
    #[error("cannot use `{path}` as the state directory; choose another with --state-dir")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another daemon has it.
    #[error(
        "another ostler daemon uses `{path}`; stop it with `ostler down`, or choose another --state-dir"
    )]
    Taken {
        /// Which.
        path: PathBuf,
    },
}

impl StateDir {
    /// Opens and locks a directory, making it if need be (mode 0700).
    ///
    /// # Errors
    /// [`StateDirError`] when it is in use or not usable.
    pub fn open(root: &Path) -> Result<Self, StateDirError> {
        let unusable = |source| StateDirError::Unusable {
            path: root.to_owned(),
            source,
        };
        fs::create_dir_all(root.join("keys")).map_err(unusable)?;
        fs::set_permissions(root, Permissions::from_mode(0o700)).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        let file = File::create(root.join("lock")).map_err(unusable)?;
        lock(&file).map_err(|_| StateDirError::Taken { path: root.clone() })?;
        let dir = Self { root, _lock: file };
        fs::write(dir.pid_file(), std::process::id().to_string()).map_err(unusable)?;
        Ok(dir)
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the agents' sandboxes and sockets are.
    #[must_use]
    pub fn agents(&self) -> PathBuf {
        self.root.join("agents")
    }

    /// Where agents' sockets are. The state directory is closed to the user that agents run as, so a
    /// daemon of root's keeps them under `/run`, one folder for each state directory.
    #[must_use]
    pub fn agent_sockets(&self) -> PathBuf {
        if !Uid::effective().is_root() {
            return self.root.join("agents/sockets");
        }
        let mut hasher = DefaultHasher::new();
        self.root.hash(&mut hasher);
        PathBuf::from(format!("/run/ostler-agents-{:016x}", hasher.finish()))
    }

    /// Where the proxy's line and log are.
    #[must_use]
    pub fn proxy(&self) -> PathBuf {
        self.root.join("proxy")
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("ostler.db")
    }

    /// Where it is written down what agents spent on language models.
    #[must_use]
    pub fn budgets(&self) -> PathBuf {
        self.root.join("budgets.json")
    }

    /// Where it is written down when versions in registries were first seen.
    #[must_use]
    pub fn versions(&self) -> PathBuf {
        self.root.join("versions.json")
    }

    /// Where it is written down what was counted before promotions.
    #[must_use]
    pub fn promotions(&self) -> PathBuf {
        self.root.join("promotions.json")
    }

    /// Where it is written down what webhooks were told.
    #[must_use]
    pub fn notify(&self) -> PathBuf {
        self.root.join("notify")
    }

    /// Where keys are.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Where instances, images and volumes are.
    #[must_use]
    pub fn runtime(&self) -> PathBuf {
        self.root.join("runtime")
    }

    /// The door for people and programs of this machine.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.root.join("ostler.sock")
    }

    fn pid_file(&self) -> PathBuf {
        self.root.join("daemon.pid")
    }
}

/// Takes the lock of this process, which ends with it. A lock of the file (`flock`) would be shared
/// with children, and one that was forked but had not yet executed its program would hold it after
/// the daemon was killed.
fn lock(file: &File) -> nix::Result<()> {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_SETLK(&whole)).map(|_| ())
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // Best effort: a stale file is overwritten by the next daemon.
        let _ = fs::remove_file(self.pid_file());
    }
}
