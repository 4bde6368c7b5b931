//! Faults that can be switched on: at the start, after a while, or while running.
//!
//! They are real: a leak allocates and touches memory, a deadlock holds a lock that every request
//! needs, a full disk is filled with a file. Switching to `none` ends what can be ended.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tokio::{sync::Mutex, task::JoinHandle};

use crate::log::Log;

const ACCEPTED: &str = "none, leak:BYTES_PER_S (such as 8Mi), errors:RATIO (0 to 1), crash_at_start, \
    crash_after:TIME (such as 5s), deadlock_after:TIME, slow:TIME, exit_code:N, disk_fill:DIRECTORY, \
    burn:ROUNDS, complain:RATIO";

/// What is done after an answer begins so much later, when whoever asked has it.
const AFTERWARDS: Duration = Duration::from_millis(20);

/// A way to break.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Fault {
    /// Works.
    #[default]
    None,
    /// Memory that grows by so many bytes a second.
    Leak(usize),
    /// That share of requests fails, in millionths.
    Errors(u64),
    /// Ends at once with exit code 1.
    CrashAtStart,
    /// Ends with exit code 1 after a while.
    CrashAfter(Duration),
    /// Lives, but answers no request any more, after a while.
    DeadlockAfter(Duration),
    /// Every request takes so much longer.
    Slow(Duration),
    /// Ends at once with that exit code.
    ExitCode(u8),
    /// Fills the file system that holds a directory.
    DiskFill(PathBuf),
    /// Every request costs so many rounds of arithmetic more, after it was answered.
    Burn(u64),
    /// That share of requests, in millionths, logs an error and is answered all the same.
    Complain(u64),
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        let parsed = match (kind, value) {
            ("none" | "", "") => Some(Self::None),
            ("leak", value) => bytes(value).map(Self::Leak),
            ("errors", value) => ratio(value).map(Self::Errors),
            ("crash_at_start", "") => Some(Self::CrashAtStart),
            ("crash_after", value) => time(value).map(Self::CrashAfter),
            ("deadlock_after", value) => time(value).map(Self::DeadlockAfter),
            ("slow", value) => time(value).map(Self::Slow),
            ("exit_code", value) => value.parse().ok().map(Self::ExitCode),
            ("burn", value) => value.parse().ok().map(Self::Burn),
            ("complain", value) => ratio(value).map(Self::Complain),
            ("disk_fill", value) if value.starts_with('/') => Some(Self::DiskFill(value.into())),
            _ => None,
        };
        let shown: String = text.chars().take(80).collect();
        parsed.ok_or_else(|| format!("fault `{shown}` is unknown; accepted: {ACCEPTED}"))
    }
}

fn bytes(text: &str) -> Option<usize> {
    let scales = [("Gi", 1usize << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];
    let scaled = scales
        .iter()
        .find_map(|(unit, scale)| Some((text.strip_suffix(unit)?, *scale)));
    let (number, scale) = scaled.unwrap_or((text, 1));
    number.parse::<usize>().ok()?.checked_mul(scale)
}

/// A share from 0 to 1 as millionths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and 1,000,000"
)]
fn ratio(text: &str) -> Option<u64> {
    let share = text
        .parse::<f64>()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))?;
    Some((share * 1_000_000.0).round() as u64)
}

fn time(text: &str) -> Option<Duration> {
    if let Some(ms) = text.strip_suffix("ms") {
        return ms.parse().ok().map(Duration::from_millis);
    }
    if let Some(minutes) = text.strip_suffix('m') {
        return Some(Duration::from_secs(
            minutes.parse::<u64>().ok()?.checked_mul(60)?,
        ));
    }
    text.strip_suffix('s')?
        .parse()
        .ok()
        .map(Duration::from_secs)
}

/// The fault that is on, and what keeps it going.
pub struct Faults {
    log: Log,
    /// Every request passes here; a deadlock never gives it back.
    gate: Arc<Mutex<()>>,
    current: std::sync::Mutex<(Fault, Option<JoinHandle<()>>)>,
    /// Millionths of failed requests carried over, so that the share is exact.
    carried: AtomicU64,
}

impl Faults {
    /// None yet.
    pub fn new(log: Log) -> Self {
        Self {
            log,
            gate: Arc::default(),
            current: std::sync::Mutex::default(),
            carried: AtomicU64::new(0),
        }
    }

    /// Ends the fault that is on and begins another.
    pub fn switch(&self, fault: Fault) {
        if fault != Fault::None {
            self.log.error(
                "a fault was switched on",
                json!({ "fault": format!("{fault:?}") }),
            );
        }
        let task = self.begin(&fault);
        let mut current = self
            .current
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(earlier) = std::mem::replace(&mut *current, (fault, task)).1 {
            // What it held (memory, the gate) goes with it.
            earlier.abort();
        }
    }

    fn begin(&self, fault: &Fault) -> Option<JoinHandle<()>> {
        let log = self.log.clone();
        match fault.clone() {
            Fault::None
            | Fault::Errors(_)
            | Fault::Slow(_)
            | Fault::Burn(_)
            | Fault::Complain(_) => None,
            Fault::CrashAtStart => crash(&log, 1),
            Fault::ExitCode(code) => crash(&log, code),
            Fault::Leak(rate) => Some(tokio::spawn(leak(rate))),
            Fault::DiskFill(dir) => Some(tokio::spawn(fill(dir, log))),
            Fault::CrashAfter(wait) => Some(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                crash(&log, 1);
            })),
            Fault::DeadlockAfter(wait) => {
                let gate = Arc::clone(&self.gate);
                Some(tokio::spawn(async move {
                    tokio::time::sleep(wait).await;
                    let _held = gate.lock().await;
                    std::future::pending::<()>().await;
                }))
            }
        }
    }

    /// What every request goes through. Returns whether it shall fail.
    pub async fn pass(&self) -> bool {
        drop(self.gate.lock().await);
        match self.on() {
            Fault::Slow(wait) => {
                tokio::time::sleep(wait).await;
                false
            }
            Fault::Errors(millionths) => self.is_one_of(millionths),
            _ => false,
        }
    }

    /// What a request leaves behind that whoever asked does not see.
    pub fn afterwards(&self) {
        match self.on() {
            // Beside the requests, as a program does that ends its work after it has answered.
            Fault::Burn(rounds) => drop(tokio::spawn(async move {
                tokio::time::sleep(AFTERWARDS).await;
                tokio::task::spawn_blocking(move || burn(rounds)).await
            })),
            Fault::Complain(millionths) if self.is_one_of(millionths) => {
                self.log
                    .error("the till rang twice", json!({ "cause": "a sticky key" }));
            }
            _ => {}
        }
    }

    fn on(&self) -> Fault {
        let current = self.current.lock();
        let current = current.unwrap_or_else(std::sync::PoisonError::into_inner);
        current.0.clone()
    }

    /// Whether it is this request's turn, where so many of a million are.
    fn is_one_of(&self, millionths: u64) -> bool {
        let sum = self.carried.load(Ordering::Relaxed) + millionths;
        self.carried.store(sum % 1_000_000, Ordering::Relaxed);
        sum >= 1_000_000
    }
}

/// Uses CPU, a nanosecond or so a round.
fn burn(rounds: u64) {
    let mix = |sum: u64, round: u64| std::hint::black_box(sum.rotate_left(5) ^ round);
    std::hint::black_box((0..rounds).fold(1, mix));
}

fn crash(log: &Log, code: u8) -> Option<JoinHandle<()>> {
    log.error(
        "fatal: the shop's till is on fire",
        json!({ "exit_code": code }),
    );
    std::process::exit(i32::from(code))
}

/// Holds on to more memory every second, and touches it, so that it counts.
async fn leak(rate: usize) {
    let mut lost: Vec<Vec<u8>> = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_millis(250));
    loop {
        tick.tick().await;
        lost.push(vec![lost.len().to_le_bytes()[0] | 1; rate / 4]);
    }
}

/// Writes one file until there is no room, and takes room again whenever some is made.
async fn fill(dir: PathBuf, log: Log) {
    let path = dir.join("core.dump");
    let _removed = Removed(path.clone());
    let mut said = false;
    loop {
        let room = tokio::task::spawn_blocking({
            let path = path.clone();
            move || append(&path)
        });
        match room.await {
            Ok(Ok(())) => tokio::task::yield_now().await,
            Ok(Err(error)) => {
                if !said {
                    log.error(
                        "cannot write",
                        json!({ "path": path, "error": error.to_string() }),
                    );
                }
                said = true;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(_) => return,
        }
    }
}

fn append(path: &Path) -> std::io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(&vec![b'x'; 1 << 20])?;
    file.sync_data()
}

/// Takes the file away when the fault ends.
struct Removed(PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_as_written() {
        for (text, fault) in [
            ("none", Fault::None),
            ("", Fault::None),
            ("leak:8Mi", Fault::Leak(8 << 20)),
            ("errors:0.5", Fault::Errors(500_000)),
            ("crash_at_start", Fault::CrashAtStart),
            ("crash_after:5s", Fault::CrashAfter(Duration::from_secs(5))),
            (
                "deadlock_after:2m",
                Fault::DeadlockAfter(Duration::from_secs(120)),
            ),
            ("slow:250ms", Fault::Slow(Duration::from_millis(250))),
            ("exit_code:3", Fault::ExitCode(3)),
            ("disk_fill:/data", Fault::DiskFill("/data".into())),
            ("burn:1000", Fault::Burn(1_000)),
            ("complain:0.1", Fault::Complain(100_000)),
        ] {
            assert_eq!(text.parse::<Fault>().unwrap(), fault, "{text}");
        }
        for text in [
            "fire",
            "leak:",
            "leak:-1",
            "errors:2",
            "errors:NaN",
            "slow:5",
            "exit_code:256",
            "disk_fill:x",
            "none:1",
        ] {
            assert!(
                text.parse::<Fault>().unwrap_err().contains("accepted"),
                "{text}"
            );
        }
    }
}
