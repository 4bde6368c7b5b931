//! A bound on everything: sizes, numbers, waits.

use std::time::Duration;

/// What is allowed.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Clients' connections to one front; more wait to be accepted.
    pub connections: usize,
    /// Requests under way through one front, tunnels included; more are answered 503.
    pub requests: usize,
    /// Bytes of a head, of requests and of answers.
    pub head_bytes: usize,
    /// Lines of a head.
    pub head_lines: usize,
    /// How long a client may take for a head, and between two of them.
    pub head: Duration,
    /// How long connecting to an instance may take.
    pub connect: Duration,
    /// How long an instance may take to begin its answer, from the last byte that it was sent.
    pub answer: Duration,
    /// How long nothing may come of a body under way.
    pub still: Duration,
    /// How long a connection to an instance is kept unused.
    pub idle: Duration,
    /// How long it may have been unused to carry a request that must not be sent twice: whoever serves may
    /// be closing it.
    pub fresh: Duration,
    /// Unused connections kept to one instance.
    pub idle_connections: usize,
    /// How long an instance that refused a connection is asked only when there is no other.
    pub rest: Duration,
    /// How long what is under way may take when a front closes.
    pub drain: Duration,
    /// How long one that is replaced goes on as before: so long may it take until traffic goes to the other.
    pub hand_over: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            requests: 1_024,
            head_bytes: 32 << 10,
            head_lines: 100,
            head: Duration::from_secs(30),
            connect: Duration::from_secs(1),
            answer: Duration::from_secs(60),
            still: Duration::from_secs(300),
            idle: Duration::from_secs(4),
            fresh: Duration::from_millis(500),
            idle_connections: 64,
            rest: Duration::from_secs(1),
            drain: Duration::from_secs(30),
            hand_over: Duration::from_secs(5),
        }
    }
}
