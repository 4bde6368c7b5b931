//! One try of a probe, and the counting that turns tries into an answer.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use ostler_core::{
    observed::Answer,
    spec::{Probe, ProbeAction},
    time::Time,
};
use tokio::net::TcpStream;

use crate::http;

/// What one try brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// Whether it was a yes.
    pub passed: bool,
    /// What it said, 200 characters at most; untrusted.
    pub detail: String,
}

impl Tried {
    /// A yes.
    #[must_use]
    pub fn yes(detail: impl Into<String>) -> Self {
        Self {
            passed: true,
            detail: capped(&detail.into()),
        }
    }

    /// A no.
    #[must_use]
    pub fn no(detail: impl Into<String>) -> Self {
        Self {
            passed: false,
            detail: capped(&detail.into()),
        }
    }
}

fn capped(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

const BODY_LIMIT: usize = 64 << 10;

/// Tries an HTTP or TCP probe against an address; `None` for exec, which only a backend can do.
pub async fn try_network(probe: &Probe, address: Ipv4Addr) -> Option<Tried> {
    let timeout = probe.timeout.to_std();
    match &probe.action {
        ProbeAction::Http { port, path } => {
            Some(try_http((address, *port).into(), path, timeout).await)
        }
        ProbeAction::Tcp { port } => Some(try_tcp((address, *port).into(), timeout).await),
        ProbeAction::Exec { .. } => None,
    }
}

async fn try_http(address: SocketAddr, path: &str, timeout: Duration) -> Tried {
    match http::get(address, path, timeout, BODY_LIMIT).await {
        Ok(reply) if (200..400).contains(&reply.status) => {
            Tried::yes(format!("HTTP {}", reply.status))
        }
        Ok(reply) => Tried::no(format!("HTTP {} from {path}", reply.status)),
        Err(error) => Tried::no(error.to_string()),
    }
}

async fn try_tcp(address: SocketAddr, timeout: Duration) -> Tried {
    match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Tried::yes("connected"),
        Ok(Err(error)) => Tried::no(format!("cannot connect to {address}: {error}")),
        Err(_) => Tried::no(format!("no connection within {} ms", timeout.as_millis())),
    }
}

/// Tries in a row, and the answer they stand for.
#[derive(Debug, Clone, Default)]
pub struct Count {
    passes: u32,
    failures: u32,
    answer: Answer,
}

impl Count {
    /// Counts one try; returns the standing answer.
    pub fn tried(&mut self, probe: &Probe, tried: &Tried, at: Time) -> &Answer {
        if tried.passed {
            self.failures = 0;
            self.passes = self.passes.saturating_add(1);
            let enough = self.passes >= probe.success_threshold || self.answer == Answer::Unknown;
            if enough && !matches!(self.answer, Answer::Yes { .. }) {
                self.answer = Answer::Yes { since: at };
            }
        } else {
            self.passes = 0;
            self.failures = self.failures.saturating_add(1);
            if self.failures >= probe.failure_threshold {
                let since = if let Answer::No { since, .. } = self.answer {
                    since
                } else {
                    at
                };
                self.answer = Answer::No {
                    since,
                    reason: tried.detail.clone(),
                };
            }
        }
        &self.answer
    }

    /// The standing answer.
    #[must_use]
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
}

#[cfg(test)]
mod tests {
    use ostler_core::time::Span;

    use super::*;

    fn probe() -> Probe {
        Probe {
            action: ProbeAction::Tcp { port: 1 },
            period: Span::seconds(1),
            timeout: Span::seconds(1),
            initial_delay: Span(0),
            failure_threshold: 3,
            success_threshold: 2,
        }
    }

    #[test]
    fn thresholds_turn_tries_into_answers() {
        let (probe, mut count) = (probe(), Count::default());
        let yes = Tried::yes("");
        let no = Tried::no("refused\u{1b}[31m");
        assert_eq!(*count.tried(&probe, &no, Time(1)), Answer::Unknown);
        assert_eq!(
            *count.tried(&probe, &yes, Time(2)),
            Answer::Yes { since: Time(2) }
        );
        count.tried(&probe, &no, Time(3));
        assert_eq!(
            *count.tried(&probe, &no, Time(4)),
            Answer::Yes { since: Time(2) }
        );
        let failing = Answer::No {
            since: Time(5),
            reason: "refused[31m".to_owned(),
        };
        assert_eq!(*count.tried(&probe, &no, Time(5)), failing);
        assert_eq!(*count.tried(&probe, &no, Time(6)), failing, "since stays");
        assert_eq!(
            *count.tried(&probe, &yes, Time(7)),
            failing,
            "one success is not two"
        );
        assert_eq!(
            *count.tried(&probe, &yes, Time(8)),
            Answer::Yes { since: Time(8) }
        );
    }

    #[tokio::test]
    async fn a_closed_port_says_no() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut probe = probe();
        probe.action = ProbeAction::Tcp { port };
        assert!(
            try_network(&probe, Ipv4Addr::LOCALHOST)
                .await
                .unwrap()
                .passed
        );
        drop(listener);
        assert!(
            !try_network(&probe, Ipv4Addr::LOCALHOST)
                .await
                .unwrap()
                .passed
        );
    }
}
