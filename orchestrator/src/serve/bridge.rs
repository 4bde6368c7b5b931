//! `ostler mcp`: for clients that start a program and speak MCP over its standard input and output.
//! Bytes go through as they are; the daemon sees the user who started the program.

use std::{io, path::Path};

use tokio::{
    io::{AsyncWriteExt, copy, stdin, stdout},
    net::UnixStream,
};

/// Carries bytes both ways until the daemon closes, or standard input ends and the last answer came.
///
/// # Errors
/// When the socket cannot be reached or a side breaks.
pub async fn run(socket: &Path) -> io::Result<()> {
    let (mut from_daemon, mut to_daemon) = UnixStream::connect(socket).await?.into_split();
    let inward = async {
        copy(&mut stdin(), &mut to_daemon).await?;
        to_daemon.shutdown().await
    };
    let outward = async {
        let mut out = stdout();
        copy(&mut from_daemon, &mut out).await?;
        out.flush().await
    };
    tokio::pin!(inward, outward);
    tokio::select! {
        done = &mut outward => done,
        sent = &mut inward => {
            sent?;
            outward.await
        }
    }
}
