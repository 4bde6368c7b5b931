//! The launcher: a child of a moment that enters the cgroups and a mount namespace, lets the library
//! make the container, tells the shim, and is gone. What it allocated goes with it.

#![expect(
    unsafe_code,
    reason = "ending a forked child without running the parent's destructors"
)]

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::Path,
};

use nix::{
    sys::{prctl, signal::Signal},
    unistd::Pid,
};

use crate::{
    cgroup::{self, Side, Way},
    container::{self, Stdio, io_failure},
    cwd, rootfs,
    wire::{Failure, ShimOrder},
};

/// A launcher at work.
pub struct Launch {
    /// Its process.
    pub pid: Pid,
    /// Where its result arrives: one JSON value, then end of file.
    pub result: File,
}

/// What a launcher tells: the container's pid, or why there is none.
pub type Launched = Result<i32, Failure>;

/// Forks the launcher. `stdout` and `stderr` become the container's.
pub fn begin(
    dir: &Path,
    order: &ShimOrder,
    way: Way,
    stdout: File,
    stderr: File,
) -> io::Result<Launch> {
    let (result, mut tell) = container::pipe()?;
    match cgroup::fork_into(&order.cgroups, way)? {
        Side::Parent(pid) => Ok(Launch { pid, result }),
        Side::Child => child(
            [tell.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()],
            || {
                let launched = launch(dir, order, way, stdout, stderr);
                drop(tell.write_all(&serde_json::to_vec(&launched).unwrap_or_default()));
            },
        ),
    }
}

/// Runs `work` in a forked child and ends it. Of the shim's files only `keep` stay open, so that
/// nobody who waits for the shim's end waits for this process.
pub fn child(mut keep: [RawFd; 3], work: impl FnOnce()) -> ! {
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    container::calm_signals();
    keep.sort_unstable();
    let mut first = 3;
    for fd in keep.into_iter().filter(|fd| *fd >= 3) {
        close_range(first, fd - 1);
        first = fd + 1;
    }
    close_range(first, RawFd::MAX);
    work();
    // SAFETY: ends this process at once; destructors would close files that are closed already.
    unsafe { libc::_exit(0) }
}

fn close_range(first: RawFd, last: RawFd) {
    if first <= last {
        // SAFETY: the files in this range belong to the parent's objects, which this child never uses again
        // and never drops.
        unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    }
}

fn launch(dir: &Path, order: &ShimOrder, way: Way, stdout: File, stderr: File) -> Launched {
    cgroup::join(&order.cgroups, way).map_err(|error| io_failure("joining the cgroup", &error))?;
    rootfs::enter().map_err(|error| io_failure("making a mount namespace", &error))?;
    rootfs::mount_layers(dir, order).map_err(|error| io_failure("mounting the image", &error))?;
    cwd::make(dir, &order.cwd)
        .map_err(|error| io_failure("making the working directory", &error))?;
    fresh_state(dir).map_err(|error| io_failure("preparing the container's state", &error))?;
    let stdin = File::open("/dev/null").map_err(|error| io_failure("opening /dev/null", &error))?;
    let (mut read, verdict) =
        container::pipe().map_err(|error| io_failure("making a pipe", &error))?;
    let stdio = Stdio {
        stdin: stdin.into(),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let verdict: OwnedFd = verdict.into();
    let pid = container::run(dir, order, stdio, verdict.as_raw_fd())?;
    drop(verdict);
    let mut text = String::new();
    read.read_to_string(&mut text)
        .map_err(|error| io_failure("waiting for the workload", &error))?;
    container::verdict(&text).map_or(Ok(pid), Err)
}

/// What an earlier attempt left would be taken for a living container.
fn fresh_state(dir: &Path) -> io::Result<()> {
    let state = dir.join(container::STATE);
    match fs::remove_dir_all(&state) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(state)
}
