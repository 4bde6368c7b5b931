//! What can go wrong with the network, and which kind of problem that is to the rules.

use std::{
    io,
    path::{Path, PathBuf},
};

use ostler_core::observed::{Problem, ProblemKind};

use super::ports;

/// Why the network could not be set up as asked.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The settings cannot work.
    #[error("network setting `{field}` is `{value}`: {accepted}")]
    Config {
        /// Which setting.
        field: &'static str,
        /// Its value.
        value: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// Another link of this machine has an address in the subnet.
    #[error("subnet {subnet} is taken: `{link}` has {address} in it; choose another with --subnet")]
    SubnetTaken {
        /// What was asked for.
        subnet: String,
        /// Whose address is in it.
        link: String,
        /// That address, with its prefix.
        address: String,
    },
    /// Every address of a kind is taken.
    #[error("no free {kind} address is left in {subnet}")]
    AddressesExhausted {
        /// `instance` or `service`.
        kind: &'static str,
        /// The range.
        subnet: String,
    },
    /// Another process of the host has a port that is to be published: it listens there, or a connection of its
    /// own began there.
    #[error("port {0} of this machine is in use by another process{hint}", hint = outgoing(*.0))]
    PortTaken(u16),
    /// The kernel refused to make or change a link, address or namespace.
    #[error("cannot {operation} `{subject}`")]
    Link {
        /// What was being done.
        operation: &'static str,
        /// To what.
        subject: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The packet filter refused the rules; the earlier ones stay in force.
    #[error("cannot set the packet filter's rules: {detail}")]
    Rules {
        /// Its words.
        detail: String,
    },
    /// A file of the network's state cannot be read or written.
    #[error("cannot {operation} `{path}`")]
    Disk {
        /// What was being done.
        operation: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What to do about a taken port that may be the near end of somebody's outgoing connection.
fn outgoing(port: u16) -> String {
    let hint = ports::outgoing(port).map(|range| {
        format!(
            ", or an outgoing connection began there: the kernel chooses those from {} to {}. Publish a port outside \
             of them, or keep this one with sysctl net.ipv4.ip_local_reserved_ports",
            range.start(),
            range.end()
        )
    });
    hint.unwrap_or_default()
}

impl NetworkError {
    /// The kind and words that the rules and people see.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let mut detail = self.to_string();
        let mut kind = ProblemKind::Network;
        match self {
            Self::PortTaken(_) => kind = ProblemKind::PortTaken,
            Self::Disk { source, .. } => {
                detail = format!("{detail}: {source}");
                if source.kind() == io::ErrorKind::StorageFull {
                    kind = ProblemKind::DiskFull;
                }
            }
            Self::Link { source, .. } => detail = format!("{detail}: {source}"),
            _ => {}
        }
        Problem {
            kind,
            detail: detail
                .chars()
                .filter(|c| !c.is_control())
                .take(500)
                .collect(),
        }
    }
}

/// Turns an I/O error into one that says what was being done to which link.
pub(super) fn link<E: Into<io::Error>>(
    operation: &'static str,
    subject: impl Into<String>,
) -> impl FnOnce(E) -> NetworkError {
    move |error| NetworkError::Link {
        operation,
        subject: subject.into(),
        source: error.into(),
    }
}

/// Turns an I/O error into one that says what was being done to which file.
pub(super) fn disk<E: Into<io::Error>>(
    operation: &'static str,
    path: &Path,
) -> impl FnOnce(E) -> NetworkError {
    move |error| NetworkError::Disk {
        operation,
        path: path.to_owned(),
        source: error.into(),
    }
}
