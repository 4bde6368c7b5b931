//! Agents in containers of their own, through the same runtime as everybody's: read-only root, no
//! capability, an empty network, limits, and two directories of the host to read: the program and
//! the agent's own sockets.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context;
use async_trait::async_trait;
use ostler_core::{
    id::{AgentName, Generation, InstanceId},
    observed::{Exit, Phase},
    spec::{ServiceSpec, Stop},
};
use ostler_runtime::{
    backend::{Backend, LogQuery, Order, Seen, StopCause, Usage},
    image::{LayoutSpec, write_layout},
    youki::{YoukiBackend, YoukiConfig},
};
use serde_json::json;

use super::{
    NOBODY,
    guest::{Guest, LINE_VARIABLE},
    lodging::{Cause, End, Lodging, Outfit, Started},
    program,
};
use crate::{broker::Access, clock, state_dir::StateDir};

/// The image of a sandbox: nothing but places for mounts.
const IMAGE: &str = "ostler-agent:empty";
/// Where an agent finds its sockets.
pub(super) const LINES: &str = "/run/ostler";
/// Where it finds the program.
pub(super) const PROGRAM: &str = "/program";
/// What an agent may use.
const MEMORY: &str = "256Mi";
const CPU: &str = "500m";
const PIDS: u32 = 64;
/// Longest time until a missed change is seen.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Most lines taken over at a time.
const LINES_LIMIT: u32 = 500;

/// Containers for agents, apart from everybody else's.
pub struct Sandbox {
    backend: YoukiBackend,
    /// Where each agent has the folder of its sockets.
    sockets: PathBuf,
    /// The program's parts, as the sandbox sees them.
    command: Vec<String>,
    program: PathBuf,
    read: Mutex<BTreeMap<AgentName, u64>>,
}

impl Sandbox {
    /// Prepares everything in the state directory; ends what an earlier daemon left there.
    ///
    /// # Errors
    /// When this machine cannot run containers, or the program cannot be laid out.
    pub async fn open(state: &StateDir) -> anyhow::Result<Self> {
        let dir = state.agents();
        let backend = YoukiBackend::open(YoukiConfig::new(dir.join("runtime"))).await?;
        clear(&backend).await?;
        import_empty(&backend, &dir).await?;
        let program = dir.join("program");
        let parts = program::lay_out(&program).context("cannot lay out the agents' program")?;
        Ok(Self {
            backend,
            sockets: state.agent_sockets(),
            command: parts.command(PROGRAM),
            program,
            read: Mutex::default(),
        })
    }

    fn spec(&self, agent: &AgentName, outfit: &Outfit) -> Result<ServiceSpec, String> {
        let Run {
            command,
            mut env,
            mut volumes,
        } = match &outfit.guest {
            Some(guest) => Run::of_guest(guest),
            None => self.run_of_ours(agent),
        };
        for (seat, _) in outfit.models.iter().flat_map(Access::sockets) {
            let socket = format!("{LINES}/{}", seat.socket());
            env.insert(seat.variable().to_owned(), socket);
        }
        volumes.push(mount(&self.sockets.join(agent.as_str()), Path::new(LINES)));
        let spec = json!({
            "image": IMAGE,
            "command": command,
            "env": env,
            "user": format!("{NOBODY}:{NOBODY}"),
            "volumes": volumes,
            "resources": {"limits": {"memory": MEMORY, "cpu": CPU, "pids": PIDS}},
            "security": {"readOnlyRoot": true, "capabilities": "none"},
        });
        serde_json::from_value(spec).map_err(|error| format!("its sandbox is not valid: {error}"))
    }

    fn run_of_ours(&self, agent: &AgentName) -> Run {
        let mut command = self.command.clone();
        command.extend(["agent", agent.as_str(), "--line", &line()].map(str::to_owned));
        Run {
            command,
            env: BTreeMap::from([("RUST_LOG".to_owned(), "info".to_owned())]),
            volumes: vec![mount(&self.program, Path::new(PROGRAM))],
        }
    }

    async fn seen(&self, agent: &AgentName) -> Option<Seen> {
        let all = self.backend.list().await.ok()?;
        all.into_iter()
            .find(|seen| seen.instance.as_str() == agent.as_str())
    }
}

/// What runs in a sandbox, beside what every sandbox has.
struct Run {
    command: Vec<String>,
    env: BTreeMap<String, String>,
    volumes: Vec<serde_json::Value>,
}

impl Run {
    fn of_guest(guest: &Guest) -> Self {
        let mut env = guest.env.clone();
        env.insert(LINE_VARIABLE.to_owned(), line());
        let mounts = guest.mounts.iter();
        Self {
            command: guest.command.clone(),
            env,
            volumes: mounts.map(|(place, source)| mount(source, place)).collect(),
        }
    }
}

/// The agent's line, as the sandbox sees it.
fn line() -> String {
    format!("{LINES}/{}", super::line::SOCKET)
}

fn mount(source: &Path, place: &Path) -> serde_json::Value {
    json!({"mount": place, "readOnly": true, "source": {"host": {"path": source}}})
}

#[async_trait]
impl Lodging for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    async fn start(&self, agent: &AgentName, outfit: &Outfit, run: u32) -> Result<Started, String> {
        let order = Order {
            instance: instance(agent)?,
            service: format!("default/{agent}").parse().map_err(words)?,
            generation: Generation(1),
            attempt: run,
            created_at: clock::now(),
            spec: Arc::new(self.spec(agent, outfit)?),
            secrets: BTreeMap::new(),
        };
        let started = self.backend.start(&order).await;
        let started = started
            .map_err(|problem| format!("its sandbox cannot be started: {}", problem.detail))?;
        Ok(Started {
            pid: started.pid,
            line: None,
        })
    }

    async fn ended(&self, agent: &AgentName) -> End {
        loop {
            match self.seen(agent).await {
                None => break gone(),
                Some(seen) if seen.phase == Phase::Ended => {
                    break seen.exits.last().map_or_else(gone, end_of);
                }
                Some(_) => drop(tokio::time::timeout(LOOK_AGAIN, self.backend.changed()).await),
            }
        }
    }

    async fn kill(&self, agent: &AgentName) {
        let Ok(instance) = instance(agent) else {
            return;
        };
        if let Err(error) = self
            .backend
            .stop(&instance, &at_once(), StopCause::Asked)
            .await
        {
            tracing::warn!(%agent, %error, "an agent could not be ended");
        }
    }

    async fn close(&self, agent: &AgentName) {
        let Ok(instance) = instance(agent) else {
            return;
        };
        if let Err(error) = self.backend.remove(&instance).await {
            tracing::warn!(%agent, %error, "an agent's sandbox could not be removed");
        }
        // Its log went with it: who comes next begins one of their own.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.remove(agent);
    }

    async fn leave(&self) {
        if self.backend.list().await.is_ok_and(|all| all.is_empty())
            && let Err(error) = self.backend.close().await
        {
            tracing::warn!(%error, "the place of the agents' sandboxes could not be removed");
        }
    }

    async fn usage(&self, agent: &AgentName) -> Option<Usage> {
        self.backend.usage(&instance(agent).ok()?).await.ok()
    }

    async fn new_lines(&self, agent: &AgentName) -> Vec<String> {
        let Ok(instance) = instance(agent) else {
            return Vec::new();
        };
        let after = self.cursor(agent, None);
        let query = LogQuery {
            after,
            since: None,
            tail: LINES_LIMIT,
        };
        match self.backend.logs(&instance, &query).await {
            Ok(page) => {
                self.cursor(agent, Some(page.cursor));
                page.lines.into_iter().map(|line| line.text).collect()
            }
            Err(_) => Vec::new(),
        }
    }
}

impl Sandbox {
    /// How far the log was read; moves it when told to.
    fn cursor(&self, agent: &AgentName, to: Option<u64>) -> Option<u64> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match to {
            Some(to) => read.insert(agent.clone(), to),
            None => read.get(agent).copied(),
        }
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn instance(agent: &AgentName) -> Result<InstanceId, String> {
    agent.as_str().parse().map_err(words)
}

/// Agents hold nothing that they would have to put away.
fn at_once() -> Stop {
    Stop {
        grace: ostler_core::time::Span(0),
        ..Stop::default()
    }
}

fn gone() -> End {
    End {
        cause: Cause::Killed,
        words: "its sandbox is gone".to_owned(),
    }
}

fn end_of(exit: &Exit) -> End {
    let (cause, words) = match (exit.out_of_memory, exit.code, exit.signal) {
        (true, ..) => (
            Cause::OutOfMemory,
            format!("it used more than its {MEMORY} of memory"),
        ),
        (false, _, Some(signal)) => (Cause::Killed, format!("signal {signal} ended it")),
        (false, Some(code), None) => (Cause::Exited, format!("it exited with code {code}")),
        (false, None, None) => (Cause::Exited, "it ended".to_owned()),
    };
    End { cause, words }
}

/// Ends and removes what an earlier daemon left: agents never outlive the daemon that judges them.
async fn clear(backend: &YoukiBackend) -> anyhow::Result<()> {
    for seen in backend.list().await? {
        backend
            .stop(&seen.instance, &at_once(), StopCause::Asked)
            .await?;
        backend.remove(&seen.instance).await?;
    }
    Ok(())
}

async fn import_empty(backend: &YoukiBackend, dir: &Path) -> anyhow::Result<()> {
    let there = Backend::images(backend).await?;
    if there.iter().any(|image| image.name == IMAGE) {
        return Ok(());
    }
    let image = LayoutSpec {
        dirs: [PROGRAM, LINES]
            .map(|place| (place.to_owned(), 0o755))
            .into(),
        ..LayoutSpec::default()
    };
    let layout = dir.join("empty-image");
    remove_if_there(&layout)?;
    write_layout(&layout, IMAGE, &image)?;
    backend.import_image(&layout, None).await?;
    remove_if_there(&layout)?;
    Ok(())
}

fn remove_if_there(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
