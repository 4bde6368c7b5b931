//! The shim: one small single-threaded process per running container. Its parent and reaper, keeper
//! of its log, and writer of its end. It outlives the daemon and decides nothing.
//!
//! Started as `ostler-shim DIR` with an order in `DIR`; tells what happened on standard output.

mod cgroup;
mod container;
mod control;
mod cwd;
mod exec;
mod launch;
mod lock;
mod log;
mod memory;
mod overlay;
mod record;
mod rootfs;
mod seccomp;
mod supervise;
mod wire;

use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::ExitCode,
};

use nix::{
    sys::{
        prctl,
        signal::{SigSet, SigmaskHow, Signal, sigprocmask},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd,
};

use crate::{
    container::{io_failure, other},
    control::tell,
    supervise::Shim,
    wire::{Failure, FailureKind, Report, ShimOrder, names},
};

fn main() -> ExitCode {
    let Some(dir) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return ExitCode::from(2);
    };
    let Ok((children, mut report)) = detach() else {
        return ExitCode::from(3);
    };
    let begun = take_order(&dir).and_then(|order| {
        let ours = report
            .try_clone()
            .map_err(|error| io_failure("keeping the report pipe", &error))?;
        Shim::begin(&dir, order, children, ours)
    });
    let result = match begun {
        Ok(shim) => {
            drop(report);
            shim.run()
        }
        Err(failure) => {
            tell(&mut report, &Report::Failed(failure));
            Ok(())
        }
    };
    if result.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn take_order(dir: &Path) -> Result<ShimOrder, Failure> {
    lock::take(dir).map_err(|error| match error.raw_os_error() {
        Some(libc::EAGAIN | libc::EACCES) => Failure {
            kind: FailureKind::Busy,
            detail: "another shim holds the instance".to_owned(),
        },
        _ => io_failure("locking the instance", &error),
    })?;
    let order: ShimOrder = record::read(&dir.join(names::ORDER))
        .map_err(|error| io_failure("reading the order", &error))?;
    if order.lower.is_empty() {
        return Err(other("the order names no image layers"));
    }
    Ok(order)
}

/// A session of its own, deaf to what is sent to the daemon's group, reaper of whatever the
/// container leaves; child signals become readable. Returns those and the pipe to the daemon.
fn detach() -> io::Result<(SignalFd, File)> {
    let _ = prctl::set_name(c"ostler-shim");
    // Fails when it leads a group already, which is as good.
    let _ = unistd::setsid();
    prctl::set_child_subreaper(true)?;
    let mut blocked = SigSet::empty();
    [
        Signal::SIGCHLD,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
    ]
    .into_iter()
    .for_each(|signal| blocked.add(signal));
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), None)?;
    let mut watched = SigSet::empty();
    watched.add(Signal::SIGCHLD);
    let children = SignalFd::with_flags(&watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let report = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let null = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    unistd::dup2_stdin(&null)?;
    unistd::dup2_stdout(&null)?;
    Ok((children, report))
}
