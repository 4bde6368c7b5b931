//! Coming in as less than one is: the first line of a connection to the socket may ask for it.
//!
//! A client that acts for a person without being them (a desktop language model, through
//! `ostler mcp`) writes one line of JSON before it speaks MCP. What it asks for can only narrow what
//! the kernel says of the peer; a line that cannot be understood closes the connection.

use std::io;

use ostler_tools::principal::{Principal, Role};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How the line begins; no MCP message does.
const PREFIX: &[u8] = b"{\"ostler.dev/assistant\":";
/// Longest line in bytes.
const LINE_LIMIT: usize = 256;

/// The line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(rename = "ostler.dev/assistant")]
    assistant: Wish,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    role: Role,
}

/// The line by which a client comes in as an assistant with at most this role.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn line(role: Role) -> io::Result<Vec<u8>> {
    let line = Line {
        assistant: Wish { role },
    };
    let mut text = serde_json::to_vec(&line)?;
    text.push(b'\n');
    Ok(text)
}

/// Who comes in, and what was read of the connection that belongs to MCP.
///
/// # Errors
/// When the connection breaks, or asks for something that cannot be given.
pub async fn arrive<R: AsyncRead + Unpin>(
    peer: Principal,
    read: &mut R,
) -> io::Result<(Principal, Vec<u8>)> {
    let mut first = Vec::with_capacity(LINE_LIMIT);
    while PREFIX.starts_with(&first) && first.len() < PREFIX.len() {
        if read_byte(read, &mut first).await? == 0 {
            return Ok((peer, first));
        }
    }
    if first != PREFIX {
        return Ok((peer, first));
    }
    while first.last() != Some(&b'\n') {
        if first.len() >= LINE_LIMIT || read_byte(read, &mut first).await? == 0 {
            return Err(refused(
                "the line that asks for a role is too long or broken off",
            ));
        }
    }
    let line: Line = serde_json::from_slice(&first).map_err(|_| refused(LINE_HELP))?;
    let assistant = peer.assistant(line.assistant.role);
    let assistant = assistant.ok_or_else(|| refused("your user has no such role to lend"))?;
    Ok((assistant, Vec::new()))
}

const LINE_HELP: &str = "the line that asks for a role is not understood";

fn refused(words: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

/// A byte at a time: what follows belongs to MCP. The prefix and the line are short.
async fn read_byte<R: AsyncRead + Unpin>(read: &mut R, into: &mut Vec<u8>) -> io::Result<usize> {
    let mut byte = [0; 1];
    let count = read.read(&mut byte).await?;
    into.extend(byte.iter().take(count));
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> Principal {
        Principal::User {
            name: "root".to_owned(),
            roles: vec![Role::Viewer, Role::Operator, Role::Admin],
        }
    }

    async fn arrives(text: &[u8]) -> io::Result<(Principal, Vec<u8>)> {
        let mut read = text;
        let (who, mut first) = arrive(root(), &mut read).await?;
        first.extend_from_slice(read);
        Ok((who, first))
    }

    #[tokio::test]
    async fn who_asks_for_less_gets_less_and_no_byte_is_lost() {
        let hello = b"{\"jsonrpc\":\"2.0\"}\n";
        let (who, rest) = arrives(hello).await.unwrap();
        assert_eq!((who, rest.as_slice()), (root(), hello.as_slice()));
        for (role, roles) in [
            (Role::Viewer, vec![Role::Viewer]),
            (Role::Operator, vec![Role::Viewer, Role::Operator]),
            (Role::Admin, vec![Role::Viewer, Role::Operator]),
        ] {
            let text = [line(role).unwrap(), hello.to_vec()].concat();
            let (who, rest) = arrives(&text).await.unwrap();
            let of = "root".to_owned();
            assert_eq!(who, Principal::Assistant { of, roles });
            assert_eq!(rest, hello);
        }
        assert_eq!(arrives(b"").await.unwrap(), (root(), Vec::new()));
        assert_eq!(arrives(b"{").await.unwrap(), (root(), b"{".to_vec()));
    }

    #[tokio::test]
    async fn a_wish_that_is_not_understood_lets_nobody_in() {
        for text in [
            "{\"ostler.dev/assistant\":{\"role\":\"root\"}}\n".to_owned(),
            "{\"ostler.dev/assistant\":{}}\n".to_owned(),
            "{\"ostler.dev/assistant\":{\"role\":\"viewer\"},\"x\":1}\n".to_owned(),
            "{\"ostler.dev/assistant\":{\"role\":\"viewer\"}".to_owned(),
            format!("{{\"ostler.dev/assistant\":{}\n", " ".repeat(500)),
        ] {
            assert!(arrives(text.as_bytes()).await.is_err(), "{text}");
        }
    }
}
