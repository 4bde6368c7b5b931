//! The one place that speaks to libcontainer. Called only in the launcher and in the helper that
//! runs commands: single-threaded processes of a moment.

#![expect(
    unsafe_code,
    reason = "signal dispositions and environment in a single-threaded child"
)]

use std::{
    collections::HashMap,
    ffi::CString,
    fs::File,
    io::{self, Write},
    os::{
        fd::{OwnedFd, RawFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    rc::Rc,
};

use libcontainer::{
    container::builder::ContainerBuilder,
    oci_spec::runtime::Spec,
    syscall::syscall::SyscallType,
    workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError},
};
use nix::{sys::signal, unistd};

use crate::{
    seccomp::Filters,
    wire::{Failure, FailureKind, ShimOrder},
};

/// Directory of the library's own state inside an instance's.
pub const STATE: &str = "state";
/// Marks, in the library's error texts, that the command is at fault.
const NO_COMMAND: &str = "no such command";

/// What the workload reads and writes.
pub struct Stdio {
    /// Standard input.
    pub stdin: OwnedFd,
    /// Standard output.
    pub stdout: OwnedFd,
    /// Standard error.
    pub stderr: OwnedFd,
}

/// Creates and starts the container. `verdict` is closed by the kernel once the workload is
/// executed, or carries why it was not.
pub fn run(dir: &Path, order: &ShimOrder, stdio: Stdio, verdict: RawFd) -> Result<i32, Failure> {
    let workload = Workload::new(verdict)?;
    let builder = builder(dir, order, stdio, workload)?;
    let built = builder
        .as_init(dir)
        .with_systemd(false)
        .with_detach(true)
        .build();
    let mut container = built.map_err(|error| failure(&error))?;
    container.start().map_err(|error| failure(&error))?;
    container
        .pid()
        .map(|pid| pid.as_raw())
        .ok_or_else(|| other("the library reports no pid"))
}

/// Runs a command in the living container; returns its pid, a child of this process.
pub fn join(
    dir: &Path,
    order: &ShimOrder,
    command: Vec<String>,
    stdio: Stdio,
    verdict: RawFd,
) -> Result<i32, Failure> {
    let workload = Workload::new(verdict)?;
    let builder = builder(dir, order, stdio, workload)?.as_tenant();
    let builder = builder
        .with_container_args(command)
        .with_cwd(Some(order.cwd.clone()))
        .with_detach(true);
    let built = builder
        .with_user(Some(order.uid))
        .with_group(Some(order.gid))
        .with_additional_gids(order.groups.clone())
        .build();
    built
        .map(|pid| pid.as_raw())
        .map_err(|error| failure(&error))
}

fn builder(
    dir: &Path,
    order: &ShimOrder,
    stdio: Stdio,
    workload: Workload,
) -> Result<ContainerBuilder, Failure> {
    let builder = ContainerBuilder::new(order.id.clone(), SyscallType::default());
    let builder = builder
        .with_root_path(dir.join(STATE))
        .map_err(|error| failure(&error))?;
    let builder = builder
        .with_stdin(stdio.stdin)
        .with_stdout(stdio.stdout)
        .with_stderr(stdio.stderr);
    builder
        .with_executor(workload)
        .validate_id()
        .map_err(|error| failure(&error))
}

/// The last thing that runs before the workload, inside the container.
#[derive(Clone)]
struct Workload {
    filters: Rc<Filters>,
    verdict: RawFd,
}

impl Workload {
    fn new(verdict: RawFd) -> Result<Self, Failure> {
        let filters =
            Filters::compile().map_err(|error| other(&format!("seccomp filter: {error}")))?;
        Ok(Self {
            filters: Rc::new(filters),
            verdict,
        })
    }

    /// Resets signals, installs the filters, executes. Returns only on failure.
    fn execute(&self, spec: &Spec) -> Result<std::convert::Infallible, String> {
        let args = spec
            .process()
            .as_ref()
            .and_then(|process| process.args().as_ref())
            .ok_or("no command")?;
        let args: Vec<CString> = args
            .iter()
            .map(|arg| CString::new(arg.as_str()))
            .collect::<Result<_, _>>()
            .map_err(|e| e.to_string())?;
        let command = args.first().ok_or("no command")?;
        reset_signals();
        // Without its filter the workload does not run.
        self.filters
            .install()
            .map_err(|error| format!("seccomp filter: {error}"))?;
        unistd::execvp(command, &args).map_err(|errno| {
            format!(
                "{NO_COMMAND} `{}`: {}",
                command.to_string_lossy(),
                errno.desc()
            )
        })
    }
}

impl Executor for Workload {
    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let Err(detail) = self.execute(spec);
        // SAFETY: the fd was opened by the launcher for this and is used by nothing else in this process,
        // which ends right after.
        let mut verdict = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(self.verdict) };
        drop(verdict.write_all(detail.as_bytes()));
        Err(ExecutorError::Other(detail))
    }

    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let process = spec.process().as_ref();
        let command = process
            .and_then(|process| process.args().as_ref())
            .and_then(|args| args.first());
        let env = process
            .and_then(|process| process.env().as_ref())
            .map(Vec::as_slice)
            .unwrap_or_default();
        let path = env
            .iter()
            .find_map(|entry| entry.strip_prefix("PATH="))
            .unwrap_or("/usr/bin:/bin");
        match command
            .ok_or("no command".to_owned())
            .and_then(|command| executable(command, path))
        {
            Ok(()) => Ok(()),
            Err(detail) => Err(ExecutorValidationError::ArgValidationError(detail)),
        }
    }

    fn setup_envs(&self, envs: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        let old: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
        // SAFETY: this process has a single thread, so nobody reads the environment meanwhile.
        unsafe {
            old.iter().for_each(|name| std::env::remove_var(name));
            envs.iter()
                .for_each(|(name, value)| std::env::set_var(name, value));
        }
        Ok(())
    }
}

/// Whether the command can be found and executed, said in words while there is someone to tell.
fn executable(command: &str, path: &str) -> Result<(), String> {
    let candidates: Vec<PathBuf> = if command.contains('/') {
        vec![PathBuf::from(command)]
    } else {
        path.split(':')
            .map(|dir| Path::new(dir).join(command))
            .collect()
    };
    let Some(found) = candidates.iter().find(|path| path.is_file()) else {
        return Err(format!("{NO_COMMAND} `{command}` in the image"));
    };
    let mode = found
        .metadata()
        .map(|meta| meta.permissions().mode())
        .unwrap_or(0);
    if mode & 0o111 == 0 {
        return Err(format!(
            "{NO_COMMAND}: `{}` is not executable",
            found.display()
        ));
    }
    Ok(())
}

/// Rust ignores SIGPIPE and the shim ignores more; the workload starts with nothing of that.
fn reset_signals() {
    for number in 1..=64 {
        // SAFETY: SIG_DFL is always a valid disposition; no handler of ours is running. The numbers that
        // cannot be set are refused by the kernel.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    let _ = signal::sigprocmask(
        signal::SigmaskHow::SIG_SETMASK,
        Some(&signal::SigSet::empty()),
        None,
    );
}

/// Unblocks and restores signals for the library.
pub fn calm_signals() {
    reset_signals();
    // SAFETY: SIG_IGN is a valid disposition; writing to a reader that left must not kill us.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Reads the verdict: nothing when the workload was executed.
pub fn verdict(text: &str) -> Option<Failure> {
    let kind = if text.contains(NO_COMMAND) {
        FailureKind::CommandNotFound
    } else {
        FailureKind::Other
    };
    (!text.is_empty()).then(|| Failure {
        kind,
        detail: text.to_owned(),
    })
}

/// The library's error with its causes, sorted into our kinds.
fn failure(error: &dyn std::error::Error) -> Failure {
    let mut detail = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !detail.contains(&text) {
            detail = format!("{detail}: {text}");
        }
        next = cause.source();
    }
    let kind = match &detail {
        text if text.contains(NO_COMMAND) => FailureKind::CommandNotFound,
        text if text.contains("ENOSPC") || text.contains("No space left") => FailureKind::DiskFull,
        _ => FailureKind::Other,
    };
    Failure { kind, detail }
}

/// A failure of no particular kind.
pub fn other(detail: &str) -> Failure {
    Failure {
        kind: FailureKind::Other,
        detail: detail.to_owned(),
    }
}

/// A failed operation on the machine.
pub fn io_failure(what: &str, error: &io::Error) -> Failure {
    let kind = if error.kind() == io::ErrorKind::StorageFull {
        FailureKind::DiskFull
    } else {
        FailureKind::Other
    };
    Failure {
        kind,
        detail: format!("{what}: {error}"),
    }
}

/// A pipe whose ends close on exec.
pub fn pipe() -> io::Result<(File, File)> {
    let (read, write) = unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?;
    Ok((File::from(read), File::from(write)))
}
