//! An agent's line to the gate: a Unix socket of its own, which only its user may use, one
//! connection at a time, paced, and asked now and then whether somebody is still there.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use nix::unistd::Uid;
use ostler_core::time::Time;
use ostler_gate::{Gate, mcp};
use ostler_tools::principal::Principal;
use tokio::net::{UnixListener, UnixStream};

use super::{NOBODY, paced::Paced, sockets};
use crate::clock;

/// The socket's name in the agent's directory.
pub const SOCKET: &str = "mcp.sock";
/// Time between two questions whether the agent lives.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// The daemon's end of an agent's socket.
pub struct Line {
    listener: UnixListener,
    heard: Arc<AtomicU64>,
}

impl Line {
    /// Makes the socket in the folder that the agent will be shown.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let path = dir.join(SOCKET);
        // One that an earlier daemon left; nobody else writes here.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        sockets::give(&path)?;
        Ok(Self {
            listener,
            heard: Arc::default(),
        })
    }

    /// When the agent last answered; a new run counts as heard.
    pub fn heard_at(&self) -> Time {
        Time(self.heard.load(Ordering::Relaxed))
    }

    /// A run begins.
    pub fn begin(&self) {
        self.heard.store(clock::now().0, Ordering::Relaxed);
    }

    /// Serves the agent's connections, one at a time, until dropped. The first may be there already.
    pub async fn serve(&self, first: Option<UnixStream>, gate: &Arc<Gate>, caller: &Principal) {
        if let Some(stream) = first {
            self.serve_one(stream, gate.clone(), caller.clone()).await;
        }
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) if is_agent(&stream) => {
                    self.serve_one(stream, gate.clone(), caller.clone()).await;
                }
                Ok(_) => tracing::warn!(%caller, "another user tried an agent's socket"),
                Err(error) => {
                    tracing::warn!(%caller, %error, "cannot accept on an agent's socket");
                    tokio::time::sleep(HEARTBEAT).await;
                }
            }
        }
    }

    async fn serve_one(&self, stream: UnixStream, gate: Arc<Gate>, caller: Principal) {
        let (read, write) = stream.into_split();
        let io = tokio::io::join(Paced::new(read), write);
        let heard = self.heard.clone();
        let beat = move || heard.store(clock::now().0, Ordering::Relaxed);
        let ended = mcp::serve_with_heartbeat(gate, caller.clone(), io, HEARTBEAT, beat).await;
        if let Err(error) = ended {
            tracing::debug!(%caller, %error, "an agent's connection ended early");
        }
    }
}

/// The kernel says whose process connected.
fn is_agent(stream: &UnixStream) -> bool {
    let expected = if Uid::effective().is_root() {
        NOBODY
    } else {
        Uid::effective().as_raw()
    };
    stream.peer_cred().is_ok_and(|peer| peer.uid() == expected)
}
