//! One bounded HTTP GET: plain HTTP/1.1 to an instance's address, with a time and a size limit.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What a GET brought.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The body, at most the limit.
    pub body: Bytes,
}

/// Why a GET brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// Nobody listens, or the network refuses.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// Not within the time.
    #[error("no answer within {0} ms")]
    Timeout(u128),
    /// Not HTTP, broken off, or larger than accepted.
    #[error("the answer is not acceptable: {0}")]
    Broken(String),
}

/// GETs `path` from `address`.
///
/// # Errors
/// [`GetError`] in words that a probe can show.
pub async fn get(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
    limit: usize,
) -> Result<Reply, GetError> {
    tokio::time::timeout(timeout, exchange(address, path, limit))
        .await
        .unwrap_or_else(|_| Err(GetError::Timeout(timeout.as_millis())))
}

async fn exchange(address: SocketAddr, path: &str, limit: usize) -> Result<Reply, GetError> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| GetError::Connect { address, source })?;
    let broken = |error: &dyn std::fmt::Display| GetError::Broken(error.to_string());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .header(header::USER_AGENT, "ostler")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let reply = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), limit)
            .collect()
            .await
            .map_err(|error| broken(&error))?;
        Ok(Reply {
            status,
            body: body.to_bytes(),
        })
    };
    // The connection is driven here and dropped with this future: nothing is left running.
    tokio::pin!(connection);
    tokio::pin!(reply);
    let mut connected = true;
    loop {
        tokio::select! {
            reply = &mut reply => return reply,
            _ = &mut connection, if connected => connected = false,
        }
    }
}
