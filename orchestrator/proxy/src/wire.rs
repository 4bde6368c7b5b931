//! What the daemon and the proxy's process say to each other: one line of JSON each, a reply to every
//! request. The first line is the proxy's: who it is.

use std::{io, net::SocketAddr};

use ostler_core::{
    golden::Golden,
    id::{Generation, InstanceId, ServiceKey},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::table::{FrontKey, Table};

/// Longest line.
const LINE_LIMIT: u64 = 16 << 20;

/// The proxy's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who it is.
    pub run: Run,
    /// Fronts that it serves already.
    pub open: Vec<Open>,
}

/// One run of the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Which program it is: one of another build is replaced.
    pub build: String,
    /// Which run of it: counts of another run begin anew.
    pub id: String,
    /// Its process.
    pub pid: u32,
}

/// What the daemon asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Serve by this table from now on.
    Set(Table),
    /// What was counted?
    Look,
    /// Another takes over: end when what is under way has ended.
    Retire,
}

/// What the proxy answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// The table is in force.
    Set(Vec<Open>),
    /// The counts.
    Look(Look),
    /// It will end.
    Retiring,
}

/// A front that listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// Which.
    pub key: FrontKey,
    /// Where.
    pub address: SocketAddr,
}

/// What was counted since the run began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// By version.
    pub counted: Vec<Counted>,
    /// Requests that no instance was asked about.
    pub turned_away: Vec<TurnedAway>,
    /// Instances that are out of the table and still answer something.
    pub under_way: Vec<InstanceId>,
}

/// One version's counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Whose.
    pub service: ServiceKey,
    /// Which version.
    pub generation: Generation,
    /// The counts.
    pub golden: Golden,
}

/// Requests that were answered 503 without asking an instance: none was ready, or too many were under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnedAway {
    /// Whose.
    pub service: ServiceKey,
    /// How many.
    pub requests: u64,
}

/// Writes a line.
///
/// # Errors
/// When the other side is gone.
pub async fn write<T: Serialize>(to: &mut (impl AsyncWrite + Unpin), what: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    to.flush().await
}

/// Reads a line; `None` at the end.
///
/// # Errors
/// When it is too long or says nothing known.
pub async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let count = from.take(LINE_LIMIT).read_until(b'\n', &mut line).await?;
    if count == 0 {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long or not whole",
        ));
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, to_string};

    use super::{Hello, Look, Reply, Request};

    /// A proxy may be of another version than the daemon that replaces it. These lines of version 0.1.0
    /// never change; what is told may only gain fields.
    #[test]
    fn a_proxy_of_another_version_is_understood_and_can_be_sent_away() {
        let hello = r#"{"run":{"build":"b","id":"i","pid":7,"later":1},"open":[{"key":{"service":"default/web","port":80,"later":1},"address":"10.0.0.1:9"}],"later":1}"#;
        let hello: Hello = from_str(hello).unwrap();
        assert_eq!((hello.run.pid, hello.open.len()), (7, 1));
        assert_eq!(to_string(&Request::Retire).unwrap(), "\"retire\"");
        assert_eq!(from_str::<Reply>("\"retiring\"").unwrap(), Reply::Retiring);
        let look = r#"{"look":{"counted":[],"turned_away":[],"under_way":["web-1"],"later":1}}"#;
        let Reply::Look(Look { under_way, .. }) = from_str(look).unwrap() else {
            unreachable!("it is a look");
        };
        assert_eq!(under_way.len(), 1);
    }
}
