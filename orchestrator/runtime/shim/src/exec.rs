//! Commands inside the container: a helper process of its own for each, which answers on the
//! connection that asked. The shim neither waits nor grows.

#![expect(unsafe_code, reason = "a pidfd has no safe wrapper")]

use std::{
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, fcntl},
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{
    cgroup::{self, Exec, Side, Way},
    container::{self, Stdio, io_failure},
    launch, rootfs,
    wire::{Failure, Reply, ShimOrder},
};

/// What to run.
pub struct Command {
    /// The command and its arguments.
    pub args: Vec<String>,
    /// What of the standard input arrived already.
    pub input: Vec<u8>,
    /// Bytes of standard input in all.
    pub input_length: usize,
    /// Longest time.
    pub timeout: Duration,
    /// Most bytes kept of each stream.
    pub limit: usize,
}

/// Forks the helper, which owns the connection from then on, in a group of its own below the
/// instance's: whatever the command leaves running is found there.
pub fn begin(
    dir: &Path,
    order: &ShimOrder,
    way: Way,
    command: Command,
    connection: UnixStream,
) -> io::Result<Exec> {
    let group = cgroup::make_exec(&order.cgroups)?;
    let mut order = order.clone();
    order.cgroups = group.cgroups;
    match cgroup::fork_into(&order.cgroups, way)? {
        Side::Parent(pid) => Ok(Exec {
            pid,
            dir: group.dir,
        }),
        Side::Child => launch::child([connection.as_raw_fd(), -1, -1], || {
            answer(dir, &order, way, &group.dir, command, connection)
        }),
    }
}

fn answer(
    dir: &Path,
    order: &ShimOrder,
    way: Way,
    group: &Path,
    command: Command,
    mut connection: UnixStream,
) {
    // Opened now: later the groups are out of sight.
    let members = File::open(group.join("cgroup.procs"));
    let ran = members
        .map_err(|error| io_failure("opening the command's cgroup", &error))
        .and_then(|members| run(dir, order, way, &members, command, &mut connection));
    let (reply, out, err) = match ran {
        Ok(Some(ran)) => (
            Reply::Ran {
                code: ran.code,
                stdout: ran.out.len(),
                stderr: ran.err.len(),
            },
            ran.out,
            ran.err,
        ),
        Ok(None) => (Reply::TimedOut, Vec::new(), Vec::new()),
        Err(failure) => (
            Reply::Refused {
                detail: failure.detail,
            },
            Vec::new(),
            Vec::new(),
        ),
    };
    let mut bytes = serde_json::to_vec(&reply).unwrap_or_default();
    bytes.push(b'\n');
    bytes.extend(out);
    bytes.extend(err);
    drop(connection.write_all(&bytes));
}

struct Ran {
    code: i32,
    out: Vec<u8>,
    err: Vec<u8>,
}

fn run(
    dir: &Path,
    order: &ShimOrder,
    way: Way,
    members: &File,
    command: Command,
    connection: &mut UnixStream,
) -> Result<Option<Ran>, Failure> {
    let deadline = Instant::now() + command.timeout;
    let io = |what: &'static str| move |error: io::Error| io_failure(what, &error);
    let mut input = command.input;
    let missing = command.input_length.saturating_sub(input.len());
    connection
        .set_nonblocking(false)
        .map_err(io("reading the input"))?;
    connection
        .set_read_timeout(Some(command.timeout))
        .map_err(io("reading the input"))?;
    connection
        .take(missing as u64)
        .read_to_end(&mut input)
        .map_err(io("reading the input"))?;
    cgroup::join(&order.cgroups, way).map_err(io("joining the cgroup"))?;
    rootfs::enter().map_err(io("making a mount namespace"))?;

    let pipe = || container::pipe().map_err(io("making a pipe"));
    let ((stdin, feed), (out, stdout), (err, stderr), (mut said, verdict)) =
        (pipe()?, pipe()?, pipe()?, pipe()?);
    let stdio = Stdio {
        stdin: stdin.into(),
        stdout: stdout.into(),
        stderr: stderr.into(),
    };
    let pid = container::join(dir, order, command.args, stdio, verdict.as_raw_fd())?;
    drop(verdict);
    let mut text = String::new();
    said.read_to_string(&mut text)
        .map_err(io("waiting for the command"))?;
    if let Some(failure) = container::verdict(&text) {
        return Err(failure);
    }
    let process = pidfd(pid).map_err(io("watching the command"))?;
    let streams = [
        Capture::new(out, command.limit),
        Capture::new(err, command.limit),
    ];
    let ended = follow(process, deadline, Feed::new(feed, input), streams)
        .map_err(io("following the command"))?;
    let Some([out, err]) = ended else {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        cgroup::kill_others(members);
        return Ok(None);
    };
    let code = match waitpid(Pid::from_raw(pid), None) {
        Ok(WaitStatus::Exited(_, code)) => code,
        Ok(WaitStatus::Signaled(_, signal, _)) => 128 + signal as i32,
        _ => return Err(container::other("the command's exit status is not known")),
    };
    Ok(Some(Ran {
        code,
        out: out.kept,
        err: err.kept,
    }))
}

/// Moves bytes until the process ends; `None` when its time is up first.
fn follow(
    process: OwnedFd,
    deadline: Instant,
    mut feed: Feed,
    mut streams: [Capture; 2],
) -> io::Result<Option<[Capture; 2]>> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds = vec![PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            streams
                .iter()
                .filter_map(|s| s.pipe.as_ref())
                .map(|p| PollFd::new(p.as_fd(), PollFlags::POLLIN)),
        );
        fds.extend(
            feed.pipe
                .as_ref()
                .map(|p| PollFd::new(p.as_fd(), PollFlags::POLLOUT)),
        );
        match poll(&mut fds, timeout) {
            Ok(0) if left.is_zero() => return Ok(None),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let ended = fds.first().and_then(PollFd::any).unwrap_or(false);
        feed.push();
        streams.iter_mut().for_each(Capture::pull);
        if ended {
            return Ok(Some(streams));
        }
    }
}

/// Standard input on its way to the command.
struct Feed {
    pipe: Option<File>,
    bytes: Vec<u8>,
    sent: usize,
}

impl Feed {
    fn new(pipe: File, bytes: Vec<u8>) -> Self {
        no_wait(&pipe);
        let mut feed = Self {
            pipe: Some(pipe),
            bytes,
            sent: 0,
        };
        feed.push();
        feed
    }

    fn push(&mut self) {
        while let (Some(pipe), Some(rest)) = (&mut self.pipe, self.bytes.get(self.sent..)) {
            match if rest.is_empty() {
                Ok(0)
            } else {
                pipe.write(rest)
            } {
                Ok(0) => self.pipe = None,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// One output stream; read to the end, kept up to the limit.
struct Capture {
    pipe: Option<File>,
    kept: Vec<u8>,
    limit: usize,
}

impl Capture {
    fn new(pipe: File, limit: usize) -> Self {
        no_wait(&pipe);
        Self {
            pipe: Some(pipe),
            kept: Vec::new(),
            limit,
        }
    }

    fn pull(&mut self) {
        let mut buffer = [0; 16 * 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(count) => {
                    let room = self.limit.saturating_sub(self.kept.len()).min(count);
                    self.kept
                        .extend_from_slice(buffer.get(..room).unwrap_or_default());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => self.pipe = None,
            }
        }
    }
}

/// Reads and writes return at once.
pub fn no_wait(file: &impl AsFd) {
    let _ = fcntl(file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK));
}

fn pidfd(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: takes two integers and returns a new file or -1.
    let fd = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    let fd = i32::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
