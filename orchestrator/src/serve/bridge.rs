//! `ostler mcp`: for clients that start a program and speak MCP over its standard input and output.
//! Bytes go through as they are. The daemon sees the assistant of the user who started the program;
//! or that user, if they said so.

use std::{io, path::Path};

use ostler_tools::principal::Role;
use tokio::{
    io::{AsyncWriteExt, copy, stdin, stdout},
    net::UnixStream,
};

use super::attenuate;

/// Carries bytes both ways until the daemon closes, or standard input ends and the last answer came.
/// With a role, the connection is that of the user's assistant; without, it is the user's own.
///
/// # Errors
/// When the socket cannot be reached or a side breaks.
pub async fn run(socket: &Path, assistant: Option<Role>) -> io::Result<()> {
    let (mut from_daemon, mut to_daemon) = UnixStream::connect(socket).await?.into_split();
    if let Some(role) = assistant {
        to_daemon.write_all(&attenuate::line(role)?).await?;
    }
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
