//! Agents as plain processes under a user who owns nothing: no sandbox, so only where the operator
//! asked for it.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::ExitStatusExt,
    },
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use nix::unistd::Uid;
use ostler_core::id::AgentName;
use ostler_runtime::backend::Usage;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::UnixStream,
    process::{Child, ChildStderr, Command},
    sync::{Notify, watch},
};

use super::{
    NOBODY,
    lodging::{Cause, End, Lodging, Outfit, Started},
};
use crate::broker::Access;

/// Most lines that wait to be passed on.
const LINES_LIMIT: usize = 1_000;

/// Plain processes, each given its line as standard input and output.
pub struct Bare {
    runs: Mutex<BTreeMap<AgentName, Run>>,
}

#[derive(Clone)]
struct Run {
    ended: watch::Receiver<Option<End>>,
    kill: Arc<Notify>,
    lines: Lines,
}

type Lines = Arc<Mutex<VecDeque<String>>>;

impl Bare {
    /// No run yet.
    pub const fn new() -> Self {
        Self {
            runs: Mutex::new(BTreeMap::new()),
        }
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<AgentName, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run_of(&self, agent: &AgentName) -> Option<Run> {
        self.runs().get(agent).cloned()
    }
}

#[async_trait]
impl Lodging for Bare {
    fn name(&self) -> &'static str {
        "bare"
    }

    async fn start(
        &self,
        agent: &AgentName,
        outfit: &Outfit,
        _run: u32,
    ) -> Result<Started, String> {
        if outfit.guest.is_some() {
            return Err("an agent of your own runs only in a sandbox".to_owned());
        }
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let theirs = theirs.into_std().map_err(|error| error.to_string())?;
        let blocking = theirs.set_nonblocking(false).map(|()| theirs.into());
        let spawned = blocking.and_then(|line| spawn(agent, line, outfit.models.as_ref()));
        let mut child = spawned.map_err(|error| format!("cannot be started: {error}"))?;
        let pid = child.id();
        let (tell, ended) = watch::channel(None);
        let (kill, lines) = (Arc::new(Notify::new()), Lines::default());
        if let Some(log) = child.stderr.take() {
            tokio::spawn(collect(log, lines.clone()));
        }
        let killed = kill.clone();
        tokio::spawn(async move {
            let status = tokio::select! {
                status = child.wait() => status,
                () = killed.notified() => {
                    drop(child.start_kill());
                    child.wait().await
                }
            };
            tell.send_replace(Some(end_of(status)));
        });
        let run = Run { ended, kill, lines };
        self.runs().insert(agent.clone(), run);
        let line = Some(ours);
        Ok(Started { pid, line })
    }

    async fn ended(&self, agent: &AgentName) -> End {
        let gone = || End {
            cause: Cause::Exited,
            words: "it is gone".to_owned(),
        };
        let Some(mut run) = self.run_of(agent) else {
            return gone();
        };
        let end = run.ended.wait_for(Option::is_some).await;
        end.ok().and_then(|end| end.clone()).unwrap_or_else(gone)
    }

    async fn kill(&self, agent: &AgentName) {
        if let Some(run) = self.run_of(agent) {
            run.kill.notify_one();
            self.ended(agent).await;
        }
    }

    async fn close(&self, agent: &AgentName) {
        self.runs().remove(agent);
    }

    async fn leave(&self) {}

    async fn usage(&self, _agent: &AgentName) -> Option<Usage> {
        None
    }

    async fn new_lines(&self, agent: &AgentName) -> Vec<String> {
        let Some(run) = self.run_of(agent) else {
            return Vec::new();
        };
        let mut lines = run.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.drain(..).collect()
    }
}

/// The running program itself, even if its file was replaced meanwhile.
fn spawn(agent: &AgentName, line: OwnedFd, models: Option<&Access>) -> std::io::Result<Child> {
    let program = File::open("/proc/self/exe")?;
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    if Uid::effective().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
        .arg0("ostler")
        .args(["agent", agent.as_str()])
        .current_dir("/")
        .env_clear()
        .env("RUST_LOG", "info")
        .envs(
            models
                .into_iter()
                .flat_map(Access::sockets)
                .map(|(seat, socket)| (seat.variable(), socket)),
        )
        .stdin(line.try_clone()?)
        .stdout(line)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

fn end_of(status: std::io::Result<ExitStatus>) -> End {
    let (cause, words) = match status {
        Ok(status) if status.signal().is_some() => (Cause::Killed, status.to_string()),
        Ok(status) => (Cause::Exited, status.to_string()),
        Err(error) => (Cause::Exited, error.to_string()),
    };
    End { cause, words }
}

async fn collect(log: ChildStderr, lines: Lines) {
    let mut reader = BufReader::new(log).lines();
    while let Ok(Some(line)) = reader.next_line().await {
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() >= LINES_LIMIT {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
