//! One child process per agent, given nothing but an MCP pipe; restarted with back-off.
//!
//! With every agent dead the fleet still runs: nothing here is on the path of a restart.

use std::{
    fs::File,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    pin::Pin,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use nix::unistd::Uid;
use ostler_core::{
    event::Happening,
    id::AgentName,
    intent::Intent,
    time::{Span, Time},
};
use ostler_gate::{Gate, mcp};
use ostler_tools::{principal::Principal, view::AgentStatus};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, ReadBuf},
    process::{Child, ChildStderr, Command},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

use crate::{broker::SOCKET_VARIABLE, clock, fleet::Fleet};

/// Silence on the pipe for this long means the agent hangs.
const SILENCE: Span = Span::seconds(90);
/// Why a run ended that somebody paused: no failure.
const PAUSED: &str = "paused";
/// The user and group that own nothing.
pub(crate) const NOBODY: u32 = 65_534;
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// A run this long resets the back-off.
const GOOD_RUN: Span = Span::minutes(2);
/// Longest line of an agent's log that is passed on, in bytes.
const LOG_LINE_LIMIT: usize = 4 << 10;

/// Keeps one agent running until told to stop.
pub async fn supervise(
    fleet: Arc<Fleet>,
    gate: Arc<Gate>,
    name: AgentName,
    broker: Option<PathBuf>,
    stop: CancellationToken,
) {
    let mut backoff = FIRST_BACKOFF;
    let mut first = true;
    loop {
        if !wait_until_wanted(&fleet, &name, &stop).await {
            return;
        }
        if !std::mem::take(&mut first) {
            fleet.metrics.agent_restarted();
        }
        let began = clock::now();
        let end = run_once(&fleet, &gate, &name, broker.as_deref(), &stop).await;
        tell(&fleet, &name, format!("ended: {end}"));
        if end == PAUSED {
            first = true;
            continue;
        }
        note(&fleet, &name, |status| {
            "backing_off".clone_into(&mut status.state);
            status.pid = None;
            status.restarts += 1;
            status.last_end = Some(end);
        });
        if clock::now().since(began) >= GOOD_RUN {
            backoff = FIRST_BACKOFF;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(backoff) => {}
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Waits while the agent is paused; false when told to stop.
async fn wait_until_wanted(fleet: &Fleet, name: &AgentName, stop: &CancellationToken) -> bool {
    let mut intents = fleet.intents();
    if intents.borrow().paused_agents.contains(name) {
        note(fleet, name, |status| {
            PAUSED.clone_into(&mut status.state);
            status.pid = None;
        });
    }
    tokio::select! {
        () = stop.cancelled() => false,
        wanted = until_paused(&mut intents, name, false) => wanted,
    }
}

/// Waits until the agent is paused, or is not; false when the intent will never move again.
async fn until_paused(
    intents: &mut watch::Receiver<Arc<Intent>>,
    name: &AgentName,
    paused: bool,
) -> bool {
    intents
        .wait_for(|intent| intent.paused_agents.contains(name) == paused)
        .await
        .is_ok()
}

/// One run of the process; answers why it ended.
async fn run_once(
    fleet: &Arc<Fleet>,
    gate: &Arc<Gate>,
    name: &AgentName,
    broker: Option<&Path>,
    stop: &CancellationToken,
) -> String {
    let mut child = match spawn(name, broker) {
        Ok(child) => child,
        Err(error) => return format!("cannot be started: {error}"),
    };
    let (Some(input), Some(output), Some(log)) =
        (child.stdout.take(), child.stdin.take(), child.stderr.take())
    else {
        return "its pipes are missing".to_owned();
    };
    let pid = child.id();
    note(fleet, name, |status| {
        "running".clone_into(&mut status.state);
        status.pid = pid;
        status.heard_at = Some(clock::now());
    });
    tell(fleet, name, "started".to_owned());
    let heard = Arc::new(AtomicU64::new(clock::now().0));
    let input = Heard {
        inner: input,
        at: heard.clone(),
    };
    let principal = Principal::Agent { name: name.clone() };
    let serving = tokio::spawn(mcp::serve_pipe(
        gate.clone(),
        principal,
        tokio::io::join(input, output),
    ));
    let logging = tokio::spawn(pass_on_log(name.clone(), log));
    let end = watch_run(fleet, name, &mut child, &heard, stop).await;
    serving.abort();
    logging.abort();
    end
}

/// Starts the running program itself, even if its file was replaced meanwhile, as a user who owns
/// nothing: neither the socket nor the keys are the agent's to open. Its broker's socket is, where
/// models are configured for it.
fn spawn(name: &AgentName, broker: Option<&Path>) -> std::io::Result<Child> {
    let program = File::open("/proc/self/exe")?;
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    if Uid::effective().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .arg0("ostler")
        .args(["agent", name.as_str()])
        .current_dir("/")
        .env_clear()
        .env("RUST_LOG", "info")
        .envs(broker.map(|socket| (SOCKET_VARIABLE, socket)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Watches one run: its end, its silence, a pause, the daemon's end.
async fn watch_run(
    fleet: &Fleet,
    name: &AgentName,
    child: &mut Child,
    heard: &AtomicU64,
    stop: &CancellationToken,
) -> String {
    let mut intents = fleet.intents();
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            status = child.wait() => return status.map_or_else(|error| error.to_string(), |status| status.to_string()),
            () = stop.cancelled() => return kill(child, "the daemon ends").await,
            true = until_paused(&mut intents, name, true) => return kill(child, PAUSED).await,
            _ = tick.tick() => {
                let at = Time(heard.load(Ordering::Relaxed));
                note(fleet, name, |status| status.heard_at = Some(at));
                if clock::now().since(at) > SILENCE {
                    return kill(child, "it was silent for too long").await;
                }
            }
        }
    }
}

async fn kill(child: &mut Child, why: &str) -> String {
    match child.kill().await {
        Ok(()) => why.to_owned(),
        Err(error) => format!("{why}; it could not be killed: {error}"),
    }
}

async fn pass_on_log(name: AgentName, log: ChildStderr) {
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let line: String = line
            .chars()
            .filter(|c| !c.is_control())
            .take(LOG_LINE_LIMIT)
            .collect();
        tracing::info!(target: "ostler::agent", agent = %name, line);
    }
}

fn note(fleet: &Fleet, name: &AgentName, change: impl FnOnce(&mut AgentStatus)) {
    fleet.write(|table| change(table.agents.entry(name.clone()).or_default()));
}

fn tell(fleet: &Fleet, name: &AgentName, what: String) {
    fleet.tell(
        None,
        None,
        Happening::Agent {
            agent: name.to_string(),
            what,
        },
    );
}

/// A reader that remembers when it last brought something.
struct Heard<R> {
    inner: R,
    at: Arc<AtomicU64>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Heard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.at.store(clock::now().0, Ordering::Relaxed);
        }
        result
    }
}
