//! Control groups as the shim uses them: be born in them, see kills for memory, end strays.
//!
//! Joining an existing process to a cgroup takes a lock that waits for an RCU grace period, 7 to
//! 16 ms on a quiet machine. Two ways are free of it: `clone3` with CLONE_INTO_CGROUP (v2), and a
//! single-threaded process that writes `0` to `tasks` (v1).
//!
//! `cgroup.kill` is used nowhere: Linux 6.18, for one, then kills every process that is born in that
//! group later, since it compares the group's count of such kills with that of the parent's group.

#![expect(unsafe_code, reason = "clone3 into a cgroup has no safe wrapper")]

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd, unix::fs::FileExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::wire::Cgroups;

/// linux/sched.h; the C library's constant does not fit its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// How a child gets into the v2 cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is born inside.
    Born,
    /// It moves there by itself, which may take an RCU grace period. For groups in which newborns are
    /// killed, because someone else used `cgroup.kill`.
    Moved,
}

/// Which side of a fork this is.
pub enum Side {
    /// The child, already in the v2 cgroup.
    Child,
    /// The parent, with the child's pid.
    Parent(Pid),
}

#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// Forks with the child inside the v2 cgroup, if there is one and that is the way. The caller has
/// one thread only.
pub fn fork_into(cgroups: &Cgroups, way: Way) -> io::Result<Side> {
    let group = cgroups.unified.as_ref().filter(|_| way == Way::Born);
    let dir = group.map(File::open).transpose()?;
    let mut args = CloneArgs {
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(dir) = &dir {
        args.flags = CLONE_INTO_CGROUP;
        args.cgroup = u64::try_from(dir.as_raw_fd()).unwrap_or_default();
    }
    // SAFETY: the process has a single thread, so the child inherits no lock in an unknown state;
    // without CLONE_VM the child has its own copy of the memory and returns on its own stack; `args`
    // outlives the call and its size is passed along.
    let result =
        unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) };
    match i32::try_from(Errno::result(result)?) {
        Ok(0) => Ok(Side::Child),
        Ok(pid) => Ok(Side::Parent(Pid::from_raw(pid))),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Joins the v1 hierarchies, and the v2 one where that is the way. The caller has one thread only.
pub fn join(cgroups: &Cgroups, way: Way) -> io::Result<()> {
    let v1 = cgroups.v1.iter().map(|dir| Path::new(dir).join("tasks"));
    let v2 = cgroups.unified.iter().filter(|_| way == Way::Moved);
    for file in v1.chain(v2.map(|dir| Path::new(dir).join("cgroup.procs"))) {
        fs::write(&file, "0").map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", file.display()))
        })?;
    }
    Ok(())
}

/// How often the kernel killed something inside for its memory limit.
pub fn oom_kills(cgroups: &Cgroups) -> u64 {
    let text = cgroups
        .oom
        .as_ref()
        .and_then(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

/// Kills whatever is still inside and waits until it is empty, one second at most.
pub fn kill_strays(cgroups: &Cgroups) {
    let dirs = || cgroups.unified.iter().chain(cgroups.v1.first());
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let pids: Vec<i32> = dirs().flat_map(|dir| members(Path::new(dir))).collect();
        if pids.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes of this pid namespace that are inside or below; a zombie no longer counts.
fn members(dir: &Path) -> Vec<i32> {
    let mut found = pids(&fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default());
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(members(&entry.path()));
        }
    }
    found
}

fn pids(text: &str) -> Vec<i32> {
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect()
}

/// A group for one command, below the instance's, in the hierarchy where that changes no limit.
pub struct ExecGroup {
    /// Where the command's processes are to be.
    pub cgroups: Cgroups,
    /// The one of these that is the command's own.
    pub dir: PathBuf,
}

/// A helper at work on a command, and the command's own group.
pub struct Exec {
    /// The helper.
    pub pid: Pid,
    /// The group, gone with its last process.
    pub dir: PathBuf,
}

impl Exec {
    /// Whether this was the process that ended. A group in which something goes on stays until the
    /// instance is taken away.
    pub fn over(&self, pid: i32) -> bool {
        let over = self.pid.as_raw() == pid;
        if over {
            drop(fs::remove_dir(&self.dir));
        }
        over
    }
}

/// Makes the group for one command.
pub fn make_exec(cgroups: &Cgroups) -> io::Result<ExecGroup> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = format!("exec-{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut cgroups = cgroups.clone();
    let place = match &mut cgroups.unified {
        Some(place) => Some(place),
        // Children of a `pids` group share its limit.
        None => cgroups
            .v1
            .iter_mut()
            .find(|dir| Path::new(dir.as_str()).join("pids.max").exists()),
    };
    let place = place.ok_or_else(|| io::Error::other("no hierarchy tells processes apart"))?;
    let dir = Path::new(place.as_str()).join(name);
    fs::create_dir_all(&dir)?;
    *place = dir.display().to_string();
    Ok(ExecGroup { cgroups, dir })
}

/// Kills everything but this process in a group, whose open `cgroup.procs` is given, and waits until
/// it is gone, one second at most.
pub fn kill_others(procs: &File) {
    let ours = i32::try_from(std::process::id()).unwrap_or(0);
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let mut bytes = vec![0; 64 * 1024];
        let count = procs.read_at(&mut bytes, 0).unwrap_or(0);
        bytes.truncate(count);
        let mut others = pids(&String::from_utf8_lossy(&bytes));
        others.retain(|pid| *pid != ours);
        if others.is_empty() || Instant::now() > deadline {
            return;
        }
        for pid in others {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}
