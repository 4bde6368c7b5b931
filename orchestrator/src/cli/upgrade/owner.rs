//! Whose daemon it is. Its environment and the program kept beside its state are used to start programs, so
//! they must be the caller's own: another user could have them run as root.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    os::unix::{fs::MetadataExt, net::UnixStream},
    path::Path,
};

use nix::{
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    unistd::{Pid, Uid},
};

use crate::cli::error::CliError;

/// Who listens at a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) pid: Pid,
    user: Uid,
}

impl Listener {
    pub(super) fn at(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        let peer = getsockopt(&stream, PeerCredentials).ok()?;
        Some(Self {
            pid: Pid::from_raw(peer.pid()),
            user: Uid::from_raw(peer.uid()),
        })
    }

    /// Refuses a daemon that is not the caller's.
    pub(super) fn must_be_own(self) -> Result<(), CliError> {
        let process = fs::metadata(format!("/proc/{}", self.pid));
        let process = process.map_err(CliError::io("look at the daemon's process"))?;
        let me = Uid::effective();
        let other = [self.user, Uid::from_raw(process.uid())];
        match other.into_iter().find(|user| *user != me) {
            None => Ok(()),
            Some(user) => Err(CliError::Failed(format!(
                "the daemon (process {}) is user {user}'s and you are user {me}: its owner upgrades it, since programs are started with what that user gave it",
                self.pid
            ))),
        }
    }
}

/// Refuses a file or directory that another user owns or may change.
pub(super) fn must_be_own(path: &Path) -> Result<(), CliError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(missing(path, &error));
        }
        found => found.map_err(CliError::io(format!("look at `{}`", path.display())))?,
    };
    let me = Uid::effective();
    if found.file_type().is_symlink() {
        return Err(CliError::Failed(format!(
            "`{}` is a link: only what lies there itself is used",
            path.display()
        )));
    }
    strangers(Uid::from_raw(found.uid()), found.mode(), me).map_or(Ok(()), |why| {
        Err(CliError::Failed(format!(
            "`{}` {why}: nothing of it is run as user {me}",
            path.display()
        )))
    })
}

fn missing(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!("there is nothing at `{}`: {error}", path.display()))
}

/// Why others could have put there what they like.
fn strangers(owner: Uid, mode: u32, me: Uid) -> Option<String> {
    if owner != me {
        return Some(format!("is user {owner}'s"));
    }
    (mode & 0o022 != 0).then(|| format!("may be changed by others (mode {:o})", mode & 0o777))
}

/// What a daemon's environment hands on: all but what tells the loader to load more.
pub(super) fn handed_on(environment: Vec<(OsString, OsString)>) -> Vec<(OsString, OsString)> {
    let loads = |name: &OsString| name.as_encoded_bytes().starts_with(b"LD_");
    let mut kept = environment;
    kept.retain(|(name, _)| !loads(name));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_else_may_change_is_own() {
        let (me, other) = (Uid::from_raw(1000), Uid::from_raw(1001));
        for (owner, mode, own) in [
            (me, 0o40700, true),
            (me, 0o40755, true),
            (me, 0o40775, false),
            (me, 0o41777, false),
            (me, 0o100702, false),
            (other, 0o40700, false),
            (Uid::from_raw(0), 0o40700, false),
        ] {
            assert_eq!(
                strangers(owner, mode, me).is_none(),
                own,
                "{owner} {mode:o}"
            );
        }
    }

    #[test]
    fn nothing_that_loads_code_is_handed_on() {
        let pair = |name: &str| (OsString::from(name), OsString::from("x"));
        let all = [
            "PATH",
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "LD_AUDIT",
            "OLD_HOME",
        ]
        .map(pair);
        let kept = handed_on(all.to_vec());
        assert_eq!(kept, ["PATH", "OLD_HOME"].map(pair));
    }
}
