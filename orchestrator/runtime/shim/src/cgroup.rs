//! Control groups as the shim uses them: be born in them, see kills for memory, end strays.
//!
//! Joining an existing process to a cgroup takes a lock that waits for an RCU grace period, 7 to
//! 16 ms on a quiet machine. Two ways are free of it: `clone3` with CLONE_INTO_CGROUP (v2), and a
//! single-threaded process that writes `0` to `tasks` (v1).

#![expect(unsafe_code, reason = "clone3 into a cgroup has no safe wrapper")]

use std::{
    fs::{self, File},
    io,
    os::fd::AsRawFd,
    path::Path,
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

/// Forks with the child inside the v2 cgroup, if there is one. The caller has one thread only.
pub fn fork_into(cgroups: &Cgroups) -> io::Result<Side> {
    let dir = cgroups.unified.as_ref().map(File::open).transpose()?;
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

/// Joins the v1 hierarchies. The caller has one thread only.
pub fn join_v1(cgroups: &Cgroups) -> io::Result<()> {
    for dir in &cgroups.v1 {
        let tasks = Path::new(dir).join("tasks");
        fs::write(&tasks, "0").map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", tasks.display()))
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
        let pids: Vec<i32> = dirs().flat_map(|dir| members(dir)).collect();
        if pids.is_empty() || Instant::now() > deadline {
            return;
        }
        if let Some(dir) = &cgroups.unified {
            drop(fs::write(Path::new(dir).join("cgroup.kill"), "1"));
        }
        for pid in pids {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes of this pid namespace that are inside; a zombie no longer counts.
fn members(dir: &str) -> Vec<i32> {
    let text = fs::read_to_string(Path::new(dir).join("cgroup.procs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| *pid > 0)
        .collect()
}
