//! The proxy's process: found where an earlier daemon left it, or started. It outlives the daemon.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    net::IpAddr,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{fs::PermissionsExt, net::UnixListener},
    },
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::unistd::Uid;
use ostler_proxy::wire::{self, Hello, Reply, Request};
use tokio::{io::BufReader, net::UnixStream, process::Command};

use super::USER;

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Its socket's name in its directory, which nobody else may enter.
const SOCKET: &str = "line.sock";
/// Its log's name.
const LOG: &str = "proxy.log";
/// Size above which the log begins anew with the next start.
const LOG_LIMIT: u64 = 1 << 20;

/// The line to a proxy.
#[derive(Debug)]
pub struct Line {
    stream: BufReader<UnixStream>,
    /// What it said of itself.
    pub hello: Hello,
}

impl Line {
    /// To one that runs already.
    ///
    /// # Errors
    /// When none does.
    pub async fn find(dir: &Path) -> io::Result<Self> {
        timely(async {
            // Through the directory's handle: a socket's path may have 108 bytes only.
            let handle = File::open(dir)?;
            let mut stream = BufReader::new(UnixStream::connect(short(&handle)).await?);
            let hello = wire::read(&mut stream).await?.ok_or_else(ended)?;
            Ok(Self { stream, hello })
        })
        .await
    }

    /// To one that is started: this program itself, even if its file was replaced meanwhile. The socket is
    /// handed to it, since it may do nothing that a file's owner may.
    ///
    /// # Errors
    /// When it cannot be started or does not answer.
    pub async fn start(dir: &Path, address: IpAddr, build: &str) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let handle = File::open(dir)?;
        match fs::remove_file(dir.join(SOCKET)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short(&handle))?;
        fs::set_permissions(dir.join(SOCKET), Permissions::from_mode(0o600))?;
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(dir.join(LOG))?;
        if log.metadata()?.len() > LOG_LIMIT {
            log.set_len(0)?;
        }
        let program = File::open("/proc/self/exe")?;
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        if Uid::effective().is_root() {
            command.uid(USER).gid(USER);
        }
        let mut child = command
            .arg0("ostler")
            .args(["proxy", "--address", &address.to_string()])
            .args(["--build", build])
            .current_dir("/")
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(log)
            // A terminal's Ctrl-C ends the daemon, not what it leaves running.
            .process_group(0)
            .spawn()?;
        drop(command);
        tokio::spawn(async move {
            let status = child.wait().await;
            tracing::info!(?status, "a proxy's process has ended");
        });
        Self::find(dir).await
    }

    /// Asks it something.
    ///
    /// # Errors
    /// When it is gone or does not answer.
    pub async fn ask(&mut self, request: &Request) -> io::Result<Reply> {
        let stream = &mut self.stream;
        timely(async move {
            wire::write(stream, request).await?;
            wire::read(stream).await?.ok_or_else(ended)
        })
        .await
    }

    /// Returns when it is gone. It says nothing unasked.
    pub async fn gone(&mut self) {
        let unasked = wire::read::<Reply>(&mut self.stream).await;
        tracing::debug!(?unasked, "the proxy's line");
    }
}

/// Which program this is: another file, another build.
pub fn build() -> io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let file = fs::metadata("/proc/self/exe")?;
    let (device, number) = (file.dev(), file.ino());
    Ok(format!(
        "{device:x}.{number:x}.{:x}.{:x}",
        file.size(),
        file.mtime()
    ))
}

fn short(dir: &File) -> PathBuf {
    format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()).into()
}

fn ended() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("the proxy ended; its log `{LOG}` may say why"),
    )
}

async fn timely<T>(done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(PATIENCE, done).await;
    done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
