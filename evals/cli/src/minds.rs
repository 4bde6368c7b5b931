//! What the agent of a run thinks with: its rules, or models as the daemon's configuration has it.
//!
//! Each case is given a broker of its own, the daemon's, with accounts that begin at nothing: what a
//! case costs does not hang on which came before it. It runs in real time beside the case's virtual one.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, bail, ensure};
use ostler_agents::{AgentSpec, Models, make};
use ostler_agents_llm::{line::Line, settings::Settings};
use ostler_broker::{
    Before, Broker, Kept, Meter, Outcome, Parts, Spending,
    config::{Config, Recording},
};
use ostler_core::{autonomy::Make, id::AgentName};
use ostler_planning::Planning;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::args::RunArgs;

/// What asking models came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Requests that were answered, by a provider or from a recording.
    pub answered: u64,
    /// Requests that came to nothing: refused, over budget, not recorded, broken off.
    pub unanswered: u64,
    /// Tokens, in and out together; the worst case where a provider did not count.
    pub tokens: u64,
    /// Money in billionths, by the prices of the configuration.
    pub nano: u64,
}

impl Asked {
    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self {
            answered: self.answered.saturating_add(other.answered),
            unanswered: self.unanswered.saturating_add(other.unanswered),
            tokens: self.tokens.saturating_add(other.tokens),
            nano: self.nano.saturating_add(other.nano),
        }
    }
}

/// Where answers of models come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answers {
    /// From providers.
    Live,
    /// From recordings: nobody is asked.
    Recorded,
}

/// What the agent thinks with.
pub struct Minds {
    make: Make,
    open: Option<Open>,
}

/// Models, and what brokers need.
struct Open {
    config: Config,
    told: Settings,
    agent: AgentName,
    runtime: Runtime,
    folder: TempDir,
    seats: AtomicU64,
}

/// A broker at work for one case.
pub struct Seat {
    /// The way to it.
    pub models: Models,
    counted: Arc<Counted>,
    stop: CancellationToken,
    served: JoinHandle<()>,
    socket: PathBuf,
}

impl Minds {
    /// As the arguments have it: with rules alone where no configuration is named, or it names no
    /// model for this agent.
    pub fn open(args: &RunArgs) -> anyhow::Result<Self> {
        let spec = spec(&args.agent)?;
        let agent = AgentName::new(spec.name)?;
        let planning = match &args.config {
            Some(file) if args.shadow => Planning::read(file)?
                .promoted(&agent)
                .with_context(|| format!("`agents.{agent}.shadow`: there is none in that file"))?
                .of(&agent),
            Some(file) => Planning::read(file)?.of(&agent),
            None => Planning::default(),
        };
        let told = planning.settings(&agent);
        let make = make::of(spec, &told)?;
        if told.models.is_empty() {
            ensure!(
                args.record.is_none() && args.replay.is_none(),
                "agent `{agent}` asks no model: there is nothing to record or replay"
            );
            return Ok(Self { make, open: None });
        }
        let mut config = planning.models;
        if let Some(folder) = &args.record {
            config.recording = Recording::Record(folder.clone());
        }
        if let Some(folder) = &args.replay {
            config.recording = Recording::Replay(folder.clone());
        }
        // Another part of this process may have been first.
        let _first = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let folder = tempfile::tempdir().context("cannot make a folder for brokers' sockets")?;
        let open = Open {
            config,
            told,
            agent,
            runtime,
            folder,
            seats: AtomicU64::new(0),
        };
        Ok(Self {
            make,
            open: Some(open),
        })
    }

    /// The agent exactly as it is asked, and as a daemon with this configuration computes it.
    pub const fn make(&self) -> &Make {
        &self.make
    }

    /// Where answers come from; nowhere with rules alone.
    pub fn answers(&self) -> Option<Answers> {
        let recording = &self.open.as_ref()?.config.recording;
        Some(match recording {
            Recording::Replay(_) => Answers::Recorded,
            Recording::Off | Recording::Record(_) => Answers::Live,
        })
    }

    /// A broker for one case; none with rules alone. The seed makes the marks around data: the same
    /// one, the same requests.
    pub fn seat(&self, seed: u64) -> anyhow::Result<Option<Seat>> {
        self.open.as_ref().map(|open| open.seat(seed)).transpose()
    }
}

impl Open {
    fn seat(&self, seed: u64) -> anyhow::Result<Seat> {
        let number = self.seats.fetch_add(1, Ordering::Relaxed);
        let socket = self.folder.path().join(format!("{number}.sock"));
        let counted = Arc::new(Counted::default());
        let told = serde_json::to_value(&self.told)?;
        let broker = Broker::open(Parts {
            config: self.config.clone(),
            settings: [(self.agent.to_string(), told)].into(),
            secrets: Arc::new(()),
            meter: counted.clone(),
            before: Before::Kept(Kept::new()),
        })
        .context("the configuration of language models is not acceptable")?;
        let _inside = self.runtime.enter();
        let listener = UnixListener::bind(&socket)
            .with_context(|| format!("cannot open `{}`", socket.display()))?;
        let (stop, agent) = (CancellationToken::new(), self.agent.to_string());
        let stopped = stop.clone();
        let own = std::process::id();
        let served = self.runtime.spawn(async move {
            let admit = move |peer: &tokio::net::unix::UCred| {
                peer.pid().and_then(|pid| u32::try_from(pid).ok()) == Some(own)
            };
            ostler_broker::serve(broker, &agent, listener, Arc::new(admit), stopped).await;
        });
        Ok(Seat {
            models: Models {
                line: Line::new(&socket),
                seed,
                settings: None,
                shadow: None,
            },
            counted,
            stop,
            served,
            socket,
        })
    }
}

impl Seat {
    /// Ends the broker once what was asked is answered or broken off; what it came to.
    pub async fn leave(self) -> Asked {
        self.stop.cancel();
        if let Err(error) = self.served.await {
            tracing::warn!(%error, "a case's broker broke off");
        }
        if let Err(error) = std::fs::remove_file(&self.socket) {
            tracing::debug!(%error, "a broker's socket stays for now");
        }
        self.counted.sum()
    }
}

/// Counts what one case's broker tells.
#[derive(Default)]
struct Counted(Mutex<Asked>);

impl Counted {
    fn sum(&self) -> Asked {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meter for Counted {
    fn spent(&self, spending: &Spending<'_>) {
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match spending.outcome {
            Outcome::Answered | Outcome::Replayed => sum.answered += 1,
            Outcome::Refused | Outcome::OverBudget | Outcome::Failed | Outcome::Interrupted => {
                sum.unanswered += 1;
            }
        }
        sum.tokens = sum.tokens.saturating_add(spending.tokens);
        sum.nano = sum.nano.saturating_add(spending.nano);
    }
}

/// One of Ostler's agents.
fn spec(agent: &str) -> anyhow::Result<&'static AgentSpec> {
    let known = ostler_agents::registry();
    let Some(spec) = known.iter().find(|spec| spec.name == agent) else {
        let names: Vec<&str> = known.iter().map(|spec| spec.name).collect();
        bail!(
            "there is no agent `{agent}`; agents are: {}",
            names.join(", ")
        );
    };
    Ok(spec)
}
