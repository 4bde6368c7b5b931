//! One instance as a plain process, and its ends so far.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use ostler_core::{
    id::Generation,
    observed::{EXITS_LIMIT, Exit, Phase, Problem, ProblemKind},
    spec::{Resources, ServiceSpec, Stop, StopSignal},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::{Notify, watch},
};

use super::{ADDRESS, host_dir, now, output::Output, problem};
use crate::backend::{
    BackendError, ExecOrder, ExecOutcome, Order, ResizeOrder, Seen, Started, StopCause, Stream,
};

/// An instance.
pub(super) struct Child {
    /// What it wrote.
    pub(super) output: Arc<Output>,
    spec: Arc<ServiceSpec>,
    seen: Mutex<Seen>,
    cause: Mutex<Option<StopCause>>,
    turn: tokio::sync::Mutex<()>,
    alive: watch::Sender<bool>,
    changed: Arc<Notify>,
}

impl Child {
    /// One that does not run yet.
    pub(super) fn new(order: &Order, changed: Arc<Notify>) -> Self {
        let requests = order.spec.resources.requests;
        let seen = Seen {
            instance: order.instance.clone(),
            service: order.service.clone(),
            generation: order.generation,
            phase: Phase::Ended,
            attempt: 0,
            created_at: order.created_at,
            started_at: None,
            exits: Vec::new(),
            address: Some(ADDRESS),
            pid: None,
            cpu: requests.cpu.unwrap_or_default(),
            memory: requests.memory.unwrap_or_default(),
            resized_at: None,
        };
        Self {
            output: Arc::default(),
            spec: order.spec.clone(),
            seen: Mutex::new(seen),
            cause: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            alive: watch::Sender::new(false),
            changed,
        }
    }

    fn state(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cause(&self) -> MutexGuard<'_, Option<StopCause>> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it does now.
    pub(super) fn seen(&self) -> Seen {
        self.state().clone()
    }

    /// Counts it as having these resources. Nothing enforces limits here, now or before: what changes
    /// is what it reserves.
    pub(super) fn resize(&self, order: &ResizeOrder) -> Result<(), BackendError> {
        let mut seen = self.state();
        if seen.pid.is_none() {
            return Err(BackendError::NotRunning(order.instance.clone()));
        }
        if take_size(&mut seen, order.generation, &order.resources) {
            seen.resized_at = Some(now());
        }
        Ok(())
    }

    fn started(&self) -> Started {
        let seen = self.state();
        Started {
            pid: seen.pid,
            address: seen.address,
            at: seen.started_at.unwrap_or_default(),
        }
    }

    /// Starts an attempt, or says that it runs.
    pub(super) async fn start(self: &Arc<Self>, order: &Order) -> Result<Started, Problem> {
        let _turn = self.turn.lock().await;
        let seen = self.seen();
        if seen.attempt >= order.attempt {
            let over = || {
                problem(
                    ProblemKind::Backend,
                    format!("attempt {} has ended already", order.attempt),
                )
            };
            return seen.pid.is_some().then(|| self.started()).ok_or_else(over);
        }
        let mut process = self.command(
            &self
                .spec
                .command
                .iter()
                .chain(&self.spec.args)
                .cloned()
                .collect::<Vec<_>>(),
        )?;
        let mut process = process
            .spawn()
            .map_err(|error| spawn_problem(&error, &self.spec))?;
        *self.cause() = None;
        {
            let mut seen = self.state();
            let newer = order.generation > seen.generation;
            if newer && take_size(&mut seen, order.generation, &order.spec.resources) {
                seen.resized_at = Some(now());
            }
            seen.attempt = order.attempt;
            seen.phase = Phase::Running;
            seen.pid = process.id();
            seen.started_at = Some(now());
        }
        self.alive.send_replace(true);
        let (out, err) = (process.stdout.take(), process.stderr.take());
        let (child, attempt) = (self.clone(), order.attempt);
        tokio::spawn(async move {
            let output = child.output.clone();
            let follow = async {
                let one = async {
                    if let Some(pipe) = out {
                        output.follow(pipe, Stream::Stdout, attempt).await
                    }
                };
                let two = async {
                    if let Some(pipe) = err {
                        output.follow(pipe, Stream::Stderr, attempt).await
                    }
                };
                tokio::join!(one, two)
            };
            let group = process.id().and_then(|pid| i32::try_from(pid).ok());
            let wait = async {
                let status = process.wait().await;
                // What it left behind would hold its output open.
                if let Some(group) = group {
                    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
                }
                status
            };
            let (status, _) = tokio::join!(wait, follow);
            child.ended(status.unwrap_or_default(), attempt);
        });
        Ok(self.started())
    }

    fn command(&self, words: &[String]) -> Result<Command, Problem> {
        let none = || problem(ProblemKind::CommandNotFound, "the service names no command");
        let mut command = Command::new(words.first().ok_or_else(none)?);
        let dir = self
            .spec
            .working_dir
            .as_ref()
            .map_or(host_dir(&self.spec), |dir| Ok(dir.as_ref()))?;
        command
            .args(words.iter().skip(1))
            .envs(&self.spec.env)
            .current_dir(dir);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }

    fn ended(&self, status: ExitStatus, attempt: u32) {
        let (at, cause) = (now(), self.cause().take());
        {
            let mut seen = self.state();
            let exit = Exit {
                attempt,
                at,
                ran: at.since(seen.started_at.unwrap_or(at)),
                code: status.code(),
                signal: status.signal(),
                out_of_memory: false,
                asked: cause.is_some(),
                liveness: cause == Some(StopCause::NotLive),
            };
            seen.phase = Phase::Ended;
            seen.pid = None;
            seen.exits.push(exit);
            let old = seen.exits.len().saturating_sub(EXITS_LIMIT);
            seen.exits.drain(..old);
        }
        self.alive.send_replace(false);
        self.changed.notify_one();
    }

    /// Signals the process and its children, waits, kills.
    pub(super) async fn stop(&self, stop: &Stop, why: StopCause) -> Result<(), BackendError> {
        let _turn = self.turn.lock().await;
        let Some(pid) = self.seen().pid.and_then(|pid| i32::try_from(pid).ok()) else {
            return Ok(());
        };
        *self.cause() = Some(why);
        self.state().phase = Phase::Stopping;
        // A group that is gone is what was wanted.
        let _ = killpg(Pid::from_raw(pid), signal(stop.signal));
        let mut alive = self.alive.subscribe();
        if tokio::time::timeout(stop.grace.to_std(), alive.wait_for(|alive| !alive))
            .await
            .is_err()
        {
            let _ = killpg(Pid::from_raw(pid), Signal::SIGKILL);
            drop(alive.wait_for(|alive| !alive).await);
        }
        Ok(())
    }

    /// Runs a command where the instance runs: beside it.
    pub(super) async fn exec(&self, order: &ExecOrder) -> Result<ExecOutcome, BackendError> {
        const OPERATION: &str = "run the command";
        let seen = self.seen();
        if seen.pid.is_none() {
            return Err(BackendError::NotRunning(seen.instance));
        }
        let failed = |detail: String| BackendError::Failed {
            operation: OPERATION,
            detail,
        };
        let mut command = self
            .command(&order.command)
            .map_err(|problem| failed(problem.detail))?;
        let mut process = command
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let group = process.id().and_then(|pid| i32::try_from(pid).ok());
        let limit_ms = u64::try_from(order.timeout.as_millis()).unwrap_or(u64::MAX);
        let talk = async {
            let (stdin, out, err) = (
                process.stdin.take(),
                process.stdout.take(),
                process.stderr.take(),
            );
            let feed = async {
                if let Some(mut stdin) = stdin {
                    // A command that does not read its input is free not to.
                    drop(stdin.write_all(&order.input).await);
                }
            };
            let ((), out, err) = tokio::join!(
                feed,
                capture(out, order.output_limit),
                capture(err, order.output_limit)
            );
            Ok::<_, io::Error>((process.wait().await?, out?, err?))
        };
        let result = tokio::time::timeout(order.timeout, talk).await;
        let Ok(result) = result else {
            if let Some(group) = group {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            return Err(BackendError::Timeout {
                operation: OPERATION,
                limit_ms,
            });
        };
        let (status, stdout, stderr) = result.map_err(|error| failed(error.to_string()))?;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1);
        Ok(ExecOutcome {
            code,
            stdout,
            stderr,
        })
    }
}

/// Reads to the end and keeps up to the limit.
async fn capture(
    pipe: Option<impl tokio::io::AsyncRead + Unpin>,
    limit: usize,
) -> io::Result<Vec<u8>> {
    let Some(mut pipe) = pipe else {
        return Ok(Vec::new());
    };
    let mut kept = Vec::new();
    (&mut pipe)
        .take(limit as u64)
        .read_to_end(&mut kept)
        .await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(kept)
}

/// Takes over resources of this generation or a newer one; says whether it was a newer one.
fn take_size(seen: &mut Seen, generation: Generation, resources: &Resources) -> bool {
    let newer = generation > seen.generation;
    if newer || generation == seen.generation {
        seen.generation = generation;
        (seen.cpu, seen.memory) = resources.reserved();
    }
    newer
}

fn spawn_problem(error: &io::Error, spec: &ServiceSpec) -> Problem {
    let kind = match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => ProblemKind::CommandNotFound,
        _ => ProblemKind::Backend,
    };
    problem(kind, format!("cannot run {:?}: {error}", spec.command))
}

fn signal(signal: Option<StopSignal>) -> Signal {
    match signal.unwrap_or_default() {
        StopSignal::Term => Signal::SIGTERM,
        StopSignal::Int => Signal::SIGINT,
        StopSignal::Quit => Signal::SIGQUIT,
        StopSignal::Hup => Signal::SIGHUP,
        StopSignal::Usr1 => Signal::SIGUSR1,
        StopSignal::Kill => Signal::SIGKILL,
    }
}
