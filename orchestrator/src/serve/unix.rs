//! MCP over a Unix socket: newline-delimited JSON-RPC; the kernel says who calls.

use std::{
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use ostler_gate::mcp::{Door, serve_pipe};
use tokio::{
    io::AsyncWriteExt,
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::peers::Peers;

/// Most connections at a time; more wait.
const CONNECTIONS: usize = 256;
/// What a peer reads that may not come in.
const TURNED_AWAY: &str = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32001,\"message\":\"your user may not \
    use this socket; ask an administrator for a token, or to add your group\"}}\n";

/// Binds the socket, replacing one that a daemon left behind when it died.
///
/// # Errors
/// When another daemon listens there, when something else has that name, or the directory cannot be written.
pub async fn bind(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Ok(there) = std::fs::symlink_metadata(path) {
        if !there.file_type().is_socket() {
            let problem = format!("`{}` exists and is not a socket", path.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, problem));
        }
        if UnixStream::connect(path).await.is_ok() {
            let problem = format!("another daemon listens on `{}`", path.display());
            return Err(io::Error::new(io::ErrorKind::AddrInUse, problem));
        }
        std::fs::remove_file(path)?;
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// Serves connections until told to stop; open ones end with it.
pub async fn serve(
    listener: UnixListener,
    door: Arc<dyn Door>,
    peers: Peers,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection on the socket");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (door, peers, stop) = (Arc::clone(&door), peers.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = serve_one(stream, door, &peers) => {}
            }
            drop(place);
        });
    }
}

async fn serve_one(mut stream: UnixStream, door: Arc<dyn Door>, peers: &Peers) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => {
            return tracing::warn!(%error, "the kernel does not say who connected to the socket");
        }
    };
    let Some(caller) = peers.principal(&peer) else {
        tracing::warn!(
            uid = peer.uid(),
            "a user who may not use the socket was turned away"
        );
        // It may have gone already; then nobody is there to read the words.
        let _gone = stream.write_all(TURNED_AWAY.as_bytes()).await;
        return;
    };
    if let Err(error) = serve_pipe(door, caller.clone(), stream).await {
        tracing::debug!(%caller, %error, "a connection on the socket ended early");
    }
}
