//! MCP over any byte stream whose other end is already known: newline-delimited JSON-RPC.

use std::{sync::Arc, time::Duration};

use ostler_tools::principal::Principal;
use rmcp::{
    RoleServer, ServiceExt,
    model::{PingRequest, ServerRequest},
    service::RunningService,
    transport::async_rw::AsyncRwTransport,
};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    door::Door,
    server::{McpServer, Who},
};

/// Longest message in bytes: a manifest of 4 MiB, escaped, fits.
const MESSAGE_LIMIT: usize = 16 << 20;

/// Serves one connection until its other end closes it.
///
/// # Errors
/// When the other end does not speak MCP.
pub async fn serve_pipe<Io>(door: Arc<dyn Door>, caller: Principal, io: Io) -> Result<(), PipeError>
where
    Io: AsyncRead + AsyncWrite + Send + 'static,
{
    let running = open(door, caller, io).await?;
    running
        .waiting()
        .await
        .map_err(|error| PipeError::Ended(Box::new(error)))?;
    Ok(())
}

/// As [`serve_pipe`], and asks the other end `every` so long whether it is still there; `beat` is
/// called for each answer.
///
/// # Errors
/// As [`serve_pipe`].
pub async fn serve_with_heartbeat<Io>(
    door: Arc<dyn Door>,
    caller: Principal,
    io: Io,
    every: Duration,
    beat: impl Fn(),
) -> Result<(), PipeError>
where
    Io: AsyncRead + AsyncWrite + Send + 'static,
{
    let running = open(door, caller, io).await?;
    let peer = running.peer().clone();
    let mut tick = tokio::time::interval(every);
    let waiting = running.waiting();
    tokio::pin!(waiting);
    loop {
        let ping = async {
            tick.tick().await;
            peer.send_request(ServerRequest::PingRequest(PingRequest::default()))
                .await
        };
        tokio::select! {
            ended = &mut waiting => {
                ended.map_err(|error| PipeError::Ended(Box::new(error)))?;
                return Ok(());
            }
            answer = ping => if answer.is_ok() {
                beat();
            },
        }
    }
}

/// Shakes hands.
async fn open<Io>(
    door: Arc<dyn Door>,
    caller: Principal,
    io: Io,
) -> Result<RunningService<RoleServer, McpServer>, PipeError>
where
    Io: AsyncRead + AsyncWrite + Send + 'static,
{
    let (read, write) = tokio::io::split(io);
    let transport = AsyncRwTransport::new_server(read, write).with_max_line_length(MESSAGE_LIMIT);
    McpServer::new(door, Who::Fixed(caller))
        .serve(transport)
        .await
        .map_err(|error| PipeError::Handshake(Box::new(error)))
}

/// Why a connection was not served to its end.
#[derive(Debug, thiserror::Error)]
pub enum PipeError {
    /// The first messages were not MCP's.
    #[error("cannot open an MCP session with the other end")]
    Handshake(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Serving ended by itself.
    #[error("cannot serve the MCP session any longer")]
    Ended(#[source] Box<dyn std::error::Error + Send + Sync>),
}
