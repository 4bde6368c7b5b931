//! The daemon's side of the shim: its program in sealed memory, its start, its control socket.

#![expect(
    unsafe_code,
    reason = "memfd sealing and asking who holds a lock have no safe wrapper"
)]

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixStream, unix::pipe},
};

use super::wire::{Reply, Report, Request, names};

/// The program, built by `build.rs`.
static PROGRAM: &[u8] = include_bytes!(env!("OSTLER_SHIM"));

/// The shim's program in memory that nobody can write: a container that reaches its init's
/// executable finds nothing it could change (CVE-2019-5736).
pub(super) struct Program(File);

impl Program {
    /// Copies and seals.
    pub(super) fn load() -> io::Result<Self> {
        // SAFETY: the name is a C string; the call returns a new file or -1.
        let fd = Errno::result(unsafe {
            libc::memfd_create(
                c"ostler-shim".as_ptr(),
                libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
            )
        })?;
        // SAFETY: just opened, owned by nobody else.
        let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        file.write_all(PROGRAM)?;
        let seals =
            libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
        // SAFETY: takes integers only.
        Errno::result(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
        Ok(Self(file))
    }

    /// Starts a shim on the order in `dir`; its reports arrive on the child's standard output.
    pub(super) fn start(&self, dir: &Path) -> io::Result<Child> {
        let errors = OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join("shim.err"))?;
        Command::new(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
            .arg0("ostler-shim")
            .arg(dir)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
    }
}

/// Where a shim's reports come from; end of file is its last word.
pub(super) struct Reports(BufReader<Box<dyn tokio::io::AsyncRead + Send + Unpin>>);

impl Reports {
    /// From a shim that this daemon started.
    pub(super) fn from_pipe(stdout: std::process::ChildStdout) -> io::Result<Self> {
        let pipe = pipe::Receiver::from_owned_fd(OwnedFd::from(stdout))?;
        Ok(Self(BufReader::with_capacity(1024, Box::new(pipe))))
    }

    /// From a living shim that somebody else started.
    pub(super) async fn watch(dir: &Path) -> io::Result<Self> {
        let mut socket = connect(dir).await?;
        send(&mut socket, &Request::Watch, &[]).await?;
        Ok(Self(BufReader::with_capacity(1024, Box::new(socket))))
    }

    /// The next report, `None` at the end.
    pub(super) async fn next(&mut self) -> io::Result<Option<Report>> {
        let mut line = String::new();
        let count = self.0.read_line(&mut line).await?;
        if count == 0 {
            Ok(None)
        } else {
            Ok(Some(serde_json::from_str(&line)?))
        }
    }
}

/// Asks a living shim something and returns its reply with the bytes that follow.
pub(super) async fn ask(
    dir: &Path,
    request: &Request,
    input: &[u8],
    patience: Duration,
) -> io::Result<(Reply, Vec<u8>)> {
    let answer = async {
        let mut socket = connect(dir).await?;
        send(&mut socket, request, input).await?;
        let mut socket = BufReader::new(socket);
        let mut line = String::new();
        if socket.read_line(&mut line).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the shim ended before it answered",
            ));
        }
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).await?;
        Ok((serde_json::from_str(&line)?, rest))
    };
    tokio::time::timeout(patience, answer)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn connect(dir: &Path) -> io::Result<UnixStream> {
    // Through the directory's handle: a socket's path may have 108 bytes only.
    let handle = File::open(dir)?;
    UnixStream::connect(format!(
        "/proc/self/fd/{}/{}",
        handle.as_raw_fd(),
        names::CONTROL
    ))
    .await
}

async fn send(socket: &mut UnixStream, request: &Request, input: &[u8]) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(request)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(input);
    socket.write_all(&bytes).await
}

/// The pid of the living shim that holds an instance, if there is one.
pub(super) fn holder(dir: &Path) -> io::Result<Option<i32>> {
    let file = match OpenOptions::new()
        .read(true)
        .write(true)
        .open(dir.join(names::LOCK))
    {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((lock.l_type != libc::F_UNLCK as libc::c_short).then_some(lock.l_pid))
}

/// Writes a file so that a reader sees all of it or the one before.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    fs::write(&part, bytes)?;
    fs::rename(part, path)
}
