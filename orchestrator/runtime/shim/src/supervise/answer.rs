//! What the shim answers to those who connect: one request each.

use std::{
    fs::File,
    time::{Duration, Instant},
};

use super::{Shim, Stopping};
use crate::{
    control::{Connection, Heard, tell},
    exec,
    wire::{REQUEST_LIMIT, Reply, Report, Request},
};

/// Most connections at a time.
const CONNECTIONS: usize = 64;

impl Shim {
    pub(super) fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() < CONNECTIONS && stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection {
                    stream,
                    bytes: Vec::new(),
                });
            }
        }
    }

    pub(super) fn serve(&mut self) {
        for mut connection in std::mem::take(&mut self.connections) {
            match connection.read() {
                Heard::Nothing => self.connections.push(connection),
                Heard::Request(request) => self.answer(request, connection),
                Heard::Nonsense(detail) => connection.reply(&Reply::Refused { detail }),
                Heard::End => {}
            }
        }
    }

    fn answer(&mut self, request: Request, mut connection: Connection) {
        match request {
            Request::Watch => {
                let mut watcher = File::from(std::os::fd::OwnedFd::from(connection.stream));
                if let Some((running, _)) = &self.running {
                    tell(&mut watcher, &Report::Running(running.clone()));
                }
                self.watchers.push(watcher);
            }
            Request::Stop {
                signal,
                grace_ms,
                liveness,
            } => {
                let kill_at = Instant::now() + Duration::from_millis(grace_ms.min(86_400_000));
                let earlier = self.stop.take();
                let liveness = earlier.as_ref().map_or(liveness, |stop| stop.liveness);
                let kill_at = earlier.map_or(kill_at, |stop| stop.kill_at.min(kill_at));
                self.stop = Some(Stopping {
                    signal,
                    kill_at,
                    liveness,
                    sent: false,
                });
                connection.reply(&Reply::Done);
            }
            Request::Exec {
                command,
                input,
                timeout_ms,
                limit,
            } => self.execute(connection, command, input, timeout_ms, limit),
        }
    }

    fn execute(
        &mut self,
        mut connection: Connection,
        args: Vec<String>,
        input_length: usize,
        timeout_ms: u64,
        limit: usize,
    ) {
        let refuse = |detail: String| Reply::Refused { detail };
        if self.running.is_none() {
            return connection.reply(&refuse("the container does not run yet".to_owned()));
        }
        if input_length > REQUEST_LIMIT {
            return connection.reply(&refuse(format!(
                "standard input is limited to {REQUEST_LIMIT} bytes"
            )));
        }
        let timeout = Duration::from_millis(timeout_ms);
        let command = exec::Command {
            args,
            input: connection.bytes,
            input_length,
            timeout,
            limit,
        };
        let begun = exec::begin(&self.dir, &self.order, self.way, command, connection.stream);
        self.execs.extend(begun);
    }
}
