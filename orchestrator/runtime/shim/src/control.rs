//! The shim's ear: connections of the daemon, one request each.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::Path,
};

use crate::wire::{REQUEST_LIMIT, Reply, Report, Request, names};

/// Someone who asks.
pub struct Connection {
    /// The way to them.
    pub stream: UnixStream,
    /// What was read and not used yet.
    pub bytes: Vec<u8>,
}

/// What a connection said.
pub enum Heard {
    /// Not enough yet.
    Nothing,
    /// A whole request.
    Request(Request),
    /// No request, and why.
    Nonsense(String),
    /// It left.
    End,
}

impl Connection {
    /// Reads what is there.
    pub fn read(&mut self) -> Heard {
        let mut buffer = [0; 4096];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Heard::End,
                Ok(count) => self
                    .bytes
                    .extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
                Err(_) => return Heard::End,
            }
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let rest = self.bytes.split_off(end + 1);
                let line = std::mem::replace(&mut self.bytes, rest);
                return serde_json::from_slice(&line)
                    .map_or_else(|error| Heard::Nonsense(error.to_string()), Heard::Request);
            }
            if self.bytes.len() > REQUEST_LIMIT {
                return Heard::Nonsense("the request is too long".to_owned());
            }
        }
    }

    /// Answers.
    pub fn reply(&mut self, reply: &Reply) {
        let mut bytes = serde_json::to_vec(reply).unwrap_or_default();
        bytes.push(b'\n');
        drop(self.stream.write_all(&bytes));
    }
}

/// One line to a watcher; one that left is no loss.
pub fn tell(watcher: &mut File, report: &Report) {
    let mut bytes = serde_json::to_vec(report).unwrap_or_default();
    bytes.push(b'\n');
    drop(watcher.write_all(&bytes));
}

/// Listens in the instance's directory, whatever the length of its path.
pub fn listen(dir: &Path) -> io::Result<UnixListener> {
    drop(fs::remove_file(dir.join(names::CONTROL)));
    let handle = File::open(dir)?;
    let listener = UnixListener::bind(format!(
        "/proc/self/fd/{}/{}",
        handle.as_raw_fd(),
        names::CONTROL
    ))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
