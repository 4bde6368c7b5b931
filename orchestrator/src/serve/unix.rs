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
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{attenuate, peers::Peers, quiet::Quiet};

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
    let quiet = Arc::new(Quiet::default());
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
        let quiet = Arc::clone(&quiet);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = serve_one(stream, door, &peers, &quiet) => {}
            }
            drop(place);
        });
    }
}

async fn serve_one(mut stream: UnixStream, door: Arc<dyn Door>, peers: &Peers, quiet: &Quiet) {
    let peer = match stream.peer_cred() {
        Ok(peer) => peer,
        Err(error) => {
            return tracing::warn!(%error, "the kernel does not say who connected to the socket");
        }
    };
    let Some(person) = peers.principal(&peer) else {
        if let Some(unsaid) = quiet.may_say() {
            tracing::warn!(
                uid = peer.uid(),
                unsaid,
                "a user who may not use the socket was turned away"
            );
        }
        // It may have gone already; then nobody is there to read the words.
        let _gone = stream.write_all(TURNED_AWAY.as_bytes()).await;
        return;
    };
    let (mut read, mut write) = stream.into_split();
    let (caller, first) = match attenuate::arrive(person, &mut read).await {
        Ok(arrived) => arrived,
        Err(error) => {
            let _gone = write.write_all(problem(&error).as_bytes()).await;
            return tracing::debug!(%error, "a connection to the socket was turned away");
        }
    };
    let io = tokio::io::join(io::Cursor::new(first).chain(read), write);
    if let Err(error) = serve_pipe(door, caller.clone(), io).await {
        tracing::debug!(%caller, %error, "a connection on the socket ended early");
    }
}

/// Words for a client that speaks JSON-RPC.
fn problem(error: &io::Error) -> String {
    let message = error.to_string();
    let error = serde_json::json!({ "code": -32_001, "message": message });
    format!(
        "{}\n",
        serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": error })
    )
}
