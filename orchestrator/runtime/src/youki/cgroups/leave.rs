//! Emptying groups and taking them away.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{CgroupError, Tree, refused};

/// Between two looks at a group that is not empty yet.
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LAST_PAUSE: Duration = Duration::from_millis(5);

impl Tree {
    /// Kills everything inside and waits until it is gone, two seconds at most. Blocks. Not by
    /// `cgroup.kill`: the kernel may kill the next attempt's processes too (see the shim's `cgroup.rs`).
    pub(in crate::youki) fn kill(&self, instance: &str) -> Result<(), CgroupError> {
        let groups = self.of(instance);
        // Whoever is in one of the v1 hierarchies is, or is about to be, in the others.
        let dirs: Vec<&String> = groups.unified.iter().chain(groups.v1.first()).collect();
        let deadline = Instant::now() + Duration::from_secs(2);
        let mut pause = FIRST_PAUSE;
        while Instant::now() < deadline {
            let mut alive = Vec::new();
            for dir in &dirs {
                members(Path::new(dir), &mut alive);
            }
            if alive.is_empty() {
                return Ok(());
            }
            for pid in alive {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LAST_PAUSE);
        }
        let path = PathBuf::from(dirs.first().map(|dir| dir.as_str()).unwrap_or_default());
        Err(CgroupError::Refused {
            path,
            source: io::Error::other("processes survive SIGKILL"),
        })
    }

    /// Takes an ended instance's groups away. Blocks for a moment: a group stays busy until the
    /// kernel has let go of its last process.
    pub(in crate::youki) fn remove(&self, instance: &str) -> Result<(), CgroupError> {
        let groups = self.of(instance);
        for dir in groups.unified.iter().chain(&groups.v1) {
            remove_group(Path::new(dir))?;
        }
        Ok(())
    }

    /// Takes our place away, if nothing is in it.
    pub(in crate::youki) fn remove_parent(&self) {
        for place in self
            .parent
            .ancestors()
            .filter(|place| !place.as_os_str().is_empty())
        {
            let unified = self.unified.as_ref().map(|root| root.join(place));
            for dir in self.v1_dirs(place).into_iter().chain(unified) {
                // One that others are in stays.
                drop(fs::remove_dir(dir));
            }
        }
    }
}

/// Processes of this pid namespace in a group and below it.
fn members(dir: &Path, into: &mut Vec<i32>) {
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    let pids = procs.lines().filter_map(|line| line.parse::<i32>().ok());
    into.extend(pids.filter(|pid| *pid > 0));
    for below in groups_below(dir) {
        members(&below, into);
    }
}

fn groups_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove_group(dir: &Path) -> Result<(), CgroupError> {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut pause = FIRST_PAUSE;
    loop {
        match fs::remove_dir(dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.raw_os_error() == Some(libc::EBUSY) && Instant::now() < deadline =>
            {
                for below in groups_below(dir) {
                    remove_group(&below)?;
                }
                std::thread::sleep(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
            Err(error) => return Err(refused(dir)(error)),
        }
    }
}
