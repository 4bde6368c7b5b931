//! The one place that knows all parts: opens them, joins them, ends them.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Context;
use ostler_core::id::NodeName;
use ostler_gate::{Gate, GateConfig, Keys, Retention, UNLOADED};
use ostler_policies::{Bundle, Engine};
use ostler_runtime::{
    backend::Backend,
    network::NetworkConfig,
    process::ProcessBackend,
    youki::{YoukiBackend, YoukiConfig},
};
use ostler_store::SqliteStore;
use ostler_tools::catalogue;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Desk,
    cli::{AgentsArg, BackendArg},
    clock::{self, SystemClock},
    configured::Configured,
    drive,
    execute::Executor,
    fleet::Fleet,
    front::{self, Fronts},
    news,
    notify::Notifier,
    observe::{compare, evals, machine, prometheus, registries, scrape, usage, versions::Versions},
    retain,
    serve::{
        self,
        http::Http,
        oidc::{CodeFlow, Issuer},
        peers::Peers,
        tls::{Spoken, Tls},
    },
    settings::Settings,
    shutdown,
    state_dir::StateDir,
    supervise::{self, Household},
    witness::Witness,
};

/// What the daemon is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything durable lives.
    pub state_dir: PathBuf,
    /// The Unix socket for people and programs of this machine.
    pub socket: PathBuf,
    /// The HTTP door; `None` closes it.
    pub listen: Option<SocketAddr>,
    /// Where instances run.
    pub backend: BackendArg,
    /// The bridge of the service network.
    pub bridge: String,
    /// Its subnet.
    pub subnet: (std::net::Ipv4Addr, u8),
    /// Where agents live, if there are any.
    pub agents: AgentsArg,
    /// Language models that agents may plan with, and agents of the operator's own.
    pub settings: Settings,
    /// The file that says so, read again at SIGHUP.
    pub file: Option<PathBuf>,
    /// How long the audit log is kept.
    pub retention: Retention,
}

/// Whoever may connect is asked who they are: others than the owner are refused in words.
const SOCKET_MODE: u32 = 0o666;

/// Runs the daemon until a signal ends it. Containers keep running afterwards.
///
/// # Errors
/// When a part cannot be opened; nothing was changed then.
pub async fn up(config: Config) -> anyhow::Result<()> {
    let spoken = Spoken::open(config.listen, config.settings.tls.as_ref())?;
    match ostler_runtime::limits::raise_open_files() {
        Ok(files) => tracing::debug!(files, "the limit of open files"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it was"),
    }
    let state = StateDir::open(&config.state_dir)?;
    let backend = open_backend(&config, &state).await?;
    let fleet = Fleet::new(backend, node_name()?);
    let gate = open_gate(&state, &fleet).await?;
    let witness = Witness::of(&state, config.settings.witness.as_deref());
    witness.agrees(&gate).await?;
    describe(&fleet);
    fleet.publish(gate.intent());
    machine::look(&fleet).await;
    let (fronts, found) = Fronts::open(fleet.clone(), state.proxy()).await;

    let stop = CancellationToken::new();
    shutdown::on_signals(stop.clone())?;
    let mut parts = JoinSet::new();
    let mut configured = Configured {
        file: config.file.clone(),
        fleet: fleet.clone(),
        gate: gate.clone(),
        desk: Desk::new(&state, &fleet, &gate),
        household: Household::open(&fleet, &gate, &state, config.agents).await,
        spoken: spoken.clone(),
        notifier: Notifier::new(&state, &fleet, &gate),
    };
    configured.take_over(&config.settings).await?;
    if let Some(problem) = gate.policy_problem() {
        tracing::error!("{problem}");
        fleet.problem(UNLOADED, Some(problem));
    }
    let socket = serve::unix::bind(&config.socket, SOCKET_MODE)
        .await
        .context("cannot open the socket")?;
    parts.spawn(serve::unix::serve(
        socket,
        gate.clone(),
        Peers::owner_only(),
        stop.clone(),
    ));
    if let Some(listen) = config.listen {
        let door = (config.settings.clone(), spoken.tls().cloned());
        parts.spawn(open_http(listen, &fleet, &gate, door, &stop).await?);
    }
    if let Some(tls) = spoken.tls() {
        parts.spawn(tls.clone().watch(fleet.clone(), stop.clone()));
    }
    parts.spawn(front::keep_fed(fronts.clone(), found, stop.clone()));
    let executor = Executor::new(fleet.clone(), gate.clone(), fronts);
    start_loops(executor, &state, &fleet, &gate, &config, &stop, &mut parts);
    parts.spawn(witness.clone().watch(gate.clone(), stop.clone()));
    parts.spawn(configured.follow(stop.clone())?);
    tracing::info!(socket = %config.socket.display(), listen = ?config.listen, "ostler is up");
    stop.cancelled().await;
    while parts.join_next().await.is_some() {}
    supervise::sockets::clear(&state.agent_sockets());
    gate.close().await;
    witness.keep(&gate).await;
    leave_nothing_unused(&fleet).await;
    drop(state);
    Ok(())
}

/// Opens the HTTP door; the future serves it.
async fn open_http(
    listen: SocketAddr,
    fleet: &Arc<Fleet>,
    gate: &Arc<Gate>,
    (settings, tls): (Settings, Option<Arc<Tls>>),
    stop: &CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let listener = tokio::net::TcpListener::bind(listen)
        .await
        .with_context(|| {
            format!("cannot listen on `{listen}`; choose another address with --listen")
        })?;
    let address = listener.local_addr()?;
    let hosts = settings.tls.map(|tls| tls.names).unwrap_or_default();
    let url = match &tls {
        Some(_) => format!("https://{}/mcp", shown(address, hosts.first())),
        None => format!("http://{address}/mcp"),
    };
    fleet.write(|table| table.daemon.http = Some(url));
    let turned_away = Arc::new(AtomicU64::new(0));
    let (counted, refused) = (fleet.clone(), turned_away.clone());
    let metrics = Arc::new(move || {
        counted
            .metrics
            .set_turned_away(refused.load(Ordering::Relaxed));
        counted.metrics.encode()
    });
    let asked = fleet.clone();
    let problems = Arc::new(move || asked.read(|table| table.daemon.problems.clone()));
    let issuer = settings.oidc.map(|oidc| Arc::new(Issuer::new(oidc)));
    let elsewhere = issuer
        .as_ref()
        .and_then(|issuer| CodeFlow::of(issuer, tls.is_some()));
    let http = Http {
        door: gate.clone(),
        metrics,
        problems,
        hosts,
        issuer,
        tls,
        console: ostler_console::router(gate.clone(), elsewhere, stop.child_token()),
        turned_away,
    };
    let stop = stop.clone();
    Ok(async move {
        if let Err(error) = serve::http::serve(listener, http, stop).await {
            tracing::error!(%error, "the HTTP door closed");
        }
    })
}

/// The door's address as clients write it: by its name, where it has one.
fn shown(address: SocketAddr, name: Option<&String>) -> String {
    match name {
        Some(name) if name.contains(':') => format!("[{name}]:{}", address.port()),
        Some(name) => format!("{name}:{}", address.port()),
        None => address.to_string(),
    }
}

/// With no instance left, what the backend set up on the machine (bridge, rules) is of no use.
async fn leave_nothing_unused(fleet: &Fleet) {
    if !fleet.read(|table| table.observed.instances.is_empty()) {
        return;
    }
    if let Err(error) = fleet.backend.close().await {
        tracing::warn!(%error, "the network could not be taken down; the next start uses it again");
    }
}

fn start_loops(
    executor: Arc<Executor>,
    state: &StateDir,
    fleet: &Arc<Fleet>,
    gate: &Arc<Gate>,
    config: &Config,
    stop: &CancellationToken,
    parts: &mut JoinSet<()>,
) {
    parts.spawn(drive::drive(
        fleet.clone(),
        gate.clone(),
        executor,
        Versions::new(state.promotions()),
        stop.clone(),
    ));
    parts.spawn(usage::watch(fleet.clone(), stop.clone()));
    parts.spawn(compare::watch(fleet.clone(), stop.clone()));
    parts.spawn(scrape::watch(fleet.clone(), stop.clone()));
    parts.spawn(prometheus::watch(fleet.clone(), stop.clone()));
    parts.spawn(machine::watch(fleet.clone(), stop.clone()));
    parts.spawn(evals::watch(fleet.clone(), stop.clone()));
    let versions = state.versions();
    parts.spawn(registries::watch(fleet.clone(), versions, stop.clone()));
    parts.spawn(news::watch(fleet.clone(), gate.clone(), stop.clone()));
    parts.spawn(retain::watch(gate.clone(), config.retention, stop.clone()));
}

async fn open_backend(config: &Config, state: &StateDir) -> anyhow::Result<Arc<dyn Backend>> {
    match config.backend {
        BackendArg::Youki => {
            let network = NetworkConfig {
                state_root: state.runtime().join("network"),
                bridge: config.bridge.clone(),
                subnet: config.subnet,
            };
            let youki = YoukiConfig {
                network: Some(network),
                ..YoukiConfig::new(state.runtime())
            };
            Ok(Arc::new(
                YoukiBackend::open(youki)
                    .await
                    .context("cannot open the youki backend")?,
            ))
        }
        BackendArg::Process => {
            tracing::warn!("the process backend isolates nothing: for development only");
            Ok(Arc::new(ProcessBackend::new()))
        }
    }
}

async fn open_gate(state: &StateDir, fleet: &Arc<Fleet>) -> anyhow::Result<Arc<Gate>> {
    let store = SqliteStore::open(&state.database())
        .await
        .context("cannot open the store")?;
    let keys = Keys::open_or_create(&state.keys()).context("cannot open the keys")?;
    let engine = Engine::load(&Bundle::embedded(), &ostler_gate::actions(catalogue::ALL))
        .context("cannot load the policies")?;
    let config = GateConfig {
        store: Arc::new(store),
        world: fleet.clone(),
        clock: Arc::new(SystemClock),
        engine: Arc::new(engine),
        keys,
        catalogue: catalogue::ALL,
        priorities: priorities(),
        limits: ostler_gate::Limits::default(),
    };
    Gate::open(config).await.context("cannot open the gate")
}

/// Which agent goes before which, as their registry says.
fn priorities() -> std::collections::BTreeMap<String, u32> {
    let agents = ostler_agents::registry().iter();
    agents
        .map(|agent| (agent.name.to_owned(), agent.priority))
        .collect()
}

fn describe(fleet: &Fleet) {
    fleet.write(|table| {
        env!("CARGO_PKG_VERSION").clone_into(&mut table.daemon.version);
        table.daemon.started_at = clock::now();
        fleet.backend.name().clone_into(&mut table.daemon.backend);
    });
}

/// The machine's host name; whatever in it no node name may have becomes a hyphen.
fn node_name() -> anyhow::Result<NodeName> {
    let host = nix::unistd::gethostname()?.to_string_lossy().to_lowercase();
    let cleaned: String = host
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    Ok(NodeName::new(if cleaned.is_empty() {
        "local".to_owned()
    } else {
        cleaned
    })?)
}
