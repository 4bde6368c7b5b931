//! One instance as the daemon knows it: what is on disk about it, and what it does now.

use std::{
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
};

use ostler_core::{
    id::{Generation, InstanceId, ServiceKey},
    observed::{EXITS_LIMIT, Exit, Phase},
    spec::{Resources, Volume},
    time::{Span, Time},
    units::{Bytes, MilliCpu},
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    shim::write_whole,
    wire::{ExitRecord, Running, names},
};
use crate::backend::Seen;

/// File of the record inside an instance's directory.
const RECORD: &str = "instance.json";

/// What is on disk about an instance. Only its size changes while it exists: see [`Size`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    /// Which.
    pub(super) instance: InstanceId,
    /// Whose.
    pub(super) service: ServiceKey,
    /// From which generation.
    pub(super) generation: Generation,
    /// When it was first placed.
    pub(super) created_at: Time,
    /// CPU it reserves.
    pub(super) cpu: MilliCpu,
    /// Memory it reserves.
    pub(super) memory: Bytes,
    /// Limits and requests.
    pub(super) resources: Resources,
    /// When it got these; absent when it was made with them.
    #[serde(default)]
    pub(super) resized_at: Option<Time>,
    /// Its image's digest.
    pub(super) image: String,
    /// The image's layers, top-most last.
    pub(super) layers: Vec<PathBuf>,
    /// Its address.
    pub(super) address: Option<Ipv4Addr>,
    /// User and group of its processes.
    pub(super) user: (u32, u32),
    /// Their further groups.
    #[serde(default)]
    pub(super) groups: Vec<u32>,
    /// Where its processes start.
    pub(super) cwd: String,
    /// The signal by which its image wants to be stopped.
    #[serde(default)]
    pub(super) stop_signal: Option<i32>,
    /// Its volumes.
    pub(super) volumes: Vec<Volume>,
}

impl Record {
    /// Reads it back.
    pub(super) fn read(dir: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&fs::read(dir.join(RECORD))?)?)
    }

    /// Writes it whole.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        write_whole(&dir.join(RECORD), &serde_json::to_vec(self)?)
    }
}

/// What an instance may use, and whose generation's resources these are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    /// The generation that it counts as made from.
    pub(super) generation: Generation,
    /// Limits and requests.
    pub(super) resources: Resources,
    /// When it got them; absent when it was made with them.
    pub(super) resized_at: Option<Time>,
}

impl Size {
    fn of(record: &Record) -> Self {
        Self {
            generation: record.generation,
            resources: record.resources,
            resized_at: record.resized_at,
        }
    }

    fn write_to(self, record: &mut Record) {
        record.generation = self.generation;
        record.resources = self.resources;
        record.resized_at = self.resized_at;
        (record.cpu, record.memory) = self.resources.reserved();
    }
}

/// An instance and what it does.
pub(super) struct Instance {
    /// Its directory.
    pub(super) dir: PathBuf,
    /// What it was when this daemon first saw it; its size may have changed since.
    pub(super) record: Record,
    size: Mutex<Size>,
    /// Held by whoever starts, stops or removes it.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whether what does not survive a boot is still to be made again before the next attempt.
    pub(super) stale: AtomicBool,
    state: Mutex<State>,
    /// Whether an attempt runs; for those who wait for its end.
    alive: watch::Sender<bool>,
}

/// What it does now.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The last attempt that ran.
    pub(super) attempt: u32,
    /// Running, Stopping or Ended.
    pub(super) phase: Phase,
    /// The processes, while it runs.
    pub(super) running: Option<Running>,
    /// When the last attempt began to run.
    pub(super) started_at: Option<Time>,
    /// Ends, oldest first.
    pub(super) exits: Vec<Exit>,
}

impl Instance {
    /// One that does not run.
    pub(super) fn new(dir: PathBuf, record: Record) -> Self {
        let exits = read_exits(&dir);
        let last = exits.last();
        let state = State {
            attempt: last.map_or(0, |exit| exit.attempt),
            phase: Phase::Ended,
            running: None,
            started_at: last.map(|exit| exit.at - exit.ran),
            exits,
        };
        Self {
            dir,
            size: Mutex::new(Size::of(&record)),
            record,
            turn: tokio::sync::Mutex::default(),
            stale: AtomicBool::new(false),
            state: Mutex::new(state),
            alive: watch::Sender::new(false),
        }
    }

    /// A look at what it does.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it may use now.
    pub(super) fn size(&self) -> Size {
        *self.size.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has another size: on disk first, so that a new daemon knows. Its caller has its turn.
    pub(super) fn resized(&self, size: Size) -> io::Result<()> {
        let mut record = self.record.clone();
        size.write_to(&mut record);
        record.write(&self.dir)?;
        *self.size.lock().unwrap_or_else(PoisonError::into_inner) = size;
        Ok(())
    }

    /// An attempt runs.
    pub(super) fn began(&self, running: &Running) {
        {
            let mut state = self.state();
            state.attempt = running.attempt;
            state.phase = Phase::Running;
            state.started_at = Some(Time(running.at));
            state.running = Some(running.clone());
        }
        self.alive.send_replace(true);
    }

    /// It was signalled.
    pub(super) fn stopping(&self) {
        let mut state = self.state();
        if state.running.is_some() {
            state.phase = Phase::Stopping;
        }
    }

    /// An attempt ended; how is on disk.
    pub(super) fn ended(&self) {
        let exits = read_exits(&self.dir);
        {
            let mut state = self.state();
            state.phase = Phase::Ended;
            state.running = None;
            state.exits = exits;
        }
        self.alive.send_replace(false);
    }

    /// Waits until nothing runs.
    pub(super) async fn wait_for_end(&self) {
        // The sender is ours, so the channel cannot close.
        drop(self.alive.subscribe().wait_for(|alive| !alive).await);
    }

    /// As the backend's users see it.
    pub(super) fn seen(&self) -> Seen {
        let (state, size) = (self.state().clone(), self.size());
        let (cpu, memory) = size.resources.reserved();
        Seen {
            instance: self.record.instance.clone(),
            service: self.record.service.clone(),
            generation: size.generation,
            phase: state.phase,
            attempt: state.attempt,
            created_at: self.record.created_at,
            started_at: state.started_at,
            exits: state.exits,
            address: self.record.address,
            pid: state
                .running
                .and_then(|running| u32::try_from(running.pid).ok()),
            cpu,
            memory,
            resized_at: size.resized_at,
        }
    }

    /// Records an end that nobody saw, of an attempt whose shim was killed.
    pub(super) fn record_unseen_end(&self, running: &Running, now: Time) -> io::Result<()> {
        let exits = self.dir.join(names::EXITS);
        let path = exits.join(format!("{}.json", running.attempt));
        if read_exit(&path).is_some() {
            return Ok(());
        }
        let record = ExitRecord {
            attempt: running.attempt,
            at: now.0,
            ran: now.since(Time(running.at)).0,
            code: None,
            signal: None,
            oom: false,
            asked: self.state().phase == Phase::Stopping,
            liveness: false,
        };
        // Not its parent: an instance that was taken away meanwhile is not brought back by this.
        match fs::create_dir(&exits) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        write_whole(&path, &serde_json::to_vec(&record)?)
    }
}

/// What an earlier shim said runs, perhaps before the machine's last boot: its pid means nothing
/// any more, but that it ran does.
pub(super) fn read_running(dir: &Path) -> Option<Running> {
    serde_json::from_slice(&fs::read(dir.join(names::RUNNING)).ok()?).ok()
}

/// The last ends, oldest first; older files are removed.
fn read_exits(dir: &Path) -> Vec<Exit> {
    let entries = fs::read_dir(dir.join(names::EXITS))
        .into_iter()
        .flatten()
        .flatten();
    let mut files: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let path = entry.path();
            let attempt = path
                .file_name()?
                .to_str()?
                .strip_suffix(".json")?
                .parse()
                .ok()?;
            Some((attempt, path))
        })
        .collect();
    files.sort_unstable();
    let old = files.len().saturating_sub(EXITS_LIMIT);
    for (_, path) in files.drain(..old) {
        drop(fs::remove_file(path));
    }
    files
        .iter()
        .filter_map(|(_, path)| read_exit(path).as_ref().map(exit))
        .collect()
}

/// One end, if it was written whole.
pub(super) fn read_exit(path: &Path) -> Option<ExitRecord> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn exit(record: &ExitRecord) -> Exit {
    Exit {
        attempt: record.attempt,
        at: Time(record.at),
        ran: Span(record.ran),
        code: record.code,
        signal: record.signal,
        out_of_memory: record.oom,
        asked: record.asked,
        liveness: record.liveness,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_str, json, to_value};

    use super::{
        super::wire::{Reply, Report, Request},
        ExitRecord, Record, Running,
    };

    /// What runs outlives the daemon's program: these are lines and files of version 0.1.0, with a field
    /// that a later one may have added. They never change; what is told may only gain fields.
    #[test]
    fn what_other_versions_left_or_tell_is_understood() {
        let running =
            r#"{"attempt":2,"pid":41,"start_ticks":7,"boot":"b","shim":40,"at":9,"later":1}"#;
        assert_eq!(from_str::<Running>(running).unwrap().pid, 41);
        let told = running.replacen('{', r#"{"is":"running","#, 1);
        assert!(matches!(from_str(&told).unwrap(), Report::Running(found) if found.shim == 40));
        let failed = r#"{"is":"failed","kind":"disk_full","detail":"x","later":1}"#;
        assert!(matches!(from_str(failed).unwrap(), Report::Failed(_)));
        let exit = r#"{"attempt":2,"at":9,"ran":3,"code":null,"signal":9,"oom":true,"asked":false,"liveness":false,"later":1}"#;
        assert!(from_str::<ExitRecord>(exit).unwrap().oom);
        let ran = r#"{"is":"ran","code":0,"stdout":1,"stderr":2,"later":1}"#;
        assert!(matches!(
            from_str(ran).unwrap(),
            Reply::Ran { stderr: 2, .. }
        ));
        let record = r#"{"instance":"web-1","service":"default/web","generation":1,"created_at":5,"cpu":"100m","memory":"96Mi",
            "resources":{},"image":"sha256:x","layers":["/l"],"address":"10.0.0.2","user":[0,0],"cwd":"/","volumes":[],"later":1}"#;
        assert_eq!(from_str::<Record>(record).unwrap().cwd, "/");

        // What this version asks an older shim.
        let stop = Request::Stop {
            signal: 15,
            grace_ms: 1,
            liveness: false,
        };
        let asked = json!({"do": "stop", "signal": 15, "grace_ms": 1, "liveness": false});
        assert_eq!(to_value(stop).unwrap(), asked);
        assert_eq!(to_value(Request::Watch).unwrap(), json!({"do": "watch"}));
    }
}
