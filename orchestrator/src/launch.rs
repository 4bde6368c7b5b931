//! What a process of this program becomes: the daemon, an agent or a client. The runtimes are
//! started here rather than in `main`, so that what they run is compiled once, with the library.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    os::{fd::AsFd, unix::process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use ostler_gate::Retention;
use ostler_proxy::Limits;

use crate::{
    app::{self, Config},
    broker,
    cli::{Cli, Format, Global, UpArgs, run_client, socket_path},
    clock, rehearsal,
    settings::Settings,
};

/// Starts the daemon here, or leaves it running in the background.
///
/// # Errors
/// When it cannot start; the message says why and what to do.
pub fn up(args: &UpArgs, global: &Global) -> anyhow::Result<()> {
    let config = config(args, global)?;
    if args.detach {
        return detach(&config.socket, &global.state_dir);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(app::up(config))
}

/// Whether this program could take the place of the daemon with these arguments: all that it reads is
/// read, and its state is brought up to date in a copy. Says what would happen.
///
/// # Errors
/// When it could not; the message says why and what to do. Nothing was changed.
pub fn check_upgrade(args: &UpArgs, global: &Global) -> anyhow::Result<()> {
    let config = config(args, global)?;
    let report = one_thread()?.block_on(rehearsal::rehearse(&config))?;
    let text = match global.output {
        Format::Table | Format::Wide => report.says.join("\n"),
        Format::Json => serde_json::to_string_pretty(&report)?,
        Format::Yaml => serde_saphyr::to_string(&report)?,
    };
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

/// One of the agents, over a socket or over standard input and output.
///
/// # Errors
/// When there is no such agent, or its daemon goes away.
pub fn agent(name: &str, line: Option<&Path>) -> anyhow::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    let setup = ostler_agents::Setup {
        models: broker::models(),
        ..ostler_agents::Setup::default()
    };
    one_thread()?.block_on(async {
        let Some(line) = line else {
            let (input, output) = (tokio::io::stdin(), tokio::io::stdout());
            return Ok(ostler_agents::run(name, input, output, setup).await?);
        };
        let stream = tokio::net::UnixStream::connect(line).await;
        let stream = stream.with_context(|| format!("cannot connect to `{}`", line.display()))?;
        let (read, write) = stream.into_split();
        Ok(ostler_agents::run(name, read, write, setup).await?)
    })
}

/// The proxy before published HTTP ports: told by whoever connects to the socket that is its standard
/// input, and going on when nobody does.
///
/// # Errors
/// When its standard input is no such socket.
pub fn proxy(address: IpAddr, build: &str) -> anyhow::Result<()> {
    nix::sys::prctl::set_no_new_privs()?;
    // Others of the same user look into no memory that requests pass through.
    nix::sys::prctl::set_dumpable(false)?;
    let line = io::stdin().as_fd().try_clone_to_owned()?;
    let line = std::os::unix::net::UnixListener::from(line);
    line.set_nonblocking(true)?;
    let pid = std::process::id();
    let run = ostler_proxy::wire::Run {
        build: build.to_owned(),
        id: format!("{pid}-{:?}", clock::now()),
        pid,
    };
    let threads = std::thread::available_parallelism().map_or(1, |all| all.get().min(4));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let line = tokio::net::UnixListener::from_std(line).context(
            "standard input is no socket; the daemon starts the proxy, nobody else does",
        )?;
        let proxy = ostler_proxy::Proxy::new(address, Limits::default(), rand::random());
        tracing::info!(pid, %address, "the proxy is up");
        ostler_proxy::control::serve(line, Arc::new(proxy), run).await;
        tracing::info!(pid, "the proxy has ended");
        Ok(())
    })
}

/// Becomes `ostler-eval`, a program of its own beside this one: what replays incidents in virtual time
/// has no place in a daemon.
///
/// # Errors
/// When it is not there.
pub fn eval(args: &[OsString]) -> anyhow::Result<()> {
    let program = eval_program()?;
    let error = Command::new(&program).arg0("ostler eval").args(args).exec();
    Err(error).with_context(|| {
        format!(
            "cannot start `{}`; build it with `cargo build -p ostler-eval`, or install it beside `ostler`",
            program.display()
        )
    })
}

/// `ostler-eval` beside this program, else wherever programs are looked for.
///
/// # Errors
/// When it is not known where this program is.
pub fn eval_program() -> io::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("ostler-eval");
    Ok(if beside.exists() {
        beside
    } else {
        "ostler-eval".into()
    })
}

/// A command that talks to a daemon; answers with the exit code.
#[must_use]
pub fn client(cli: Cli) -> u8 {
    let runtime = match one_thread() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start");
            return 1;
        }
    };
    let code = runtime.block_on(run_client(cli));
    // A read of standard input cannot be interrupted; nobody waits for it.
    runtime.shutdown_background();
    code
}

/// Everything but the daemon is one thread.
fn one_thread() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

fn config(args: &UpArgs, global: &Global) -> anyhow::Result<Config> {
    let socket = socket_path(global);
    if let Some(dir) = socket.parent() {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot create `{}` for the socket", dir.display()))?;
    }
    Ok(Config {
        state_dir: global.state_dir.clone(),
        socket,
        listen: args.listen.0,
        backend: args.backend,
        bridge: args.bridge.clone(),
        subnet: subnet(&args.subnet)?,
        agents: args.agents,
        settings: Settings::read(args.config.as_deref())?,
        file: args.config.clone(),
        retention: Retention {
            reads: args.audit_keep_reads.0,
            all: args.audit_keep.0,
            bytes: args.audit_max.map(|size| size.0),
        },
    })
}

fn subnet(text: &str) -> anyhow::Result<(Ipv4Addr, u8)> {
    let parsed = text
        .split_once('/')
        .and_then(|(address, prefix)| Some((address.parse().ok()?, prefix.parse().ok()?)));
    parsed.with_context(|| format!("`{text}` is not a subnet: write one such as 10.217.0.0/16"))
}

/// Runs the same command without `--detach` in a session of its own and waits until it answers.
fn detach(socket: &Path, state_dir: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(state_dir)
        .with_context(|| format!("cannot create `{}`", state_dir.display()))?;
    let log_path = state_dir.join("daemon.log");
    let log = File::options().create(true).append(true).open(&log_path)?;
    let args = std::env::args_os()
        .skip(1)
        .filter(|arg| arg != "--detach" && arg != "-d");
    let mut child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()
        .context("cannot start the daemon")?;
    let began = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!(
                "the daemon ended at once ({status}): {}",
                last_line(&log_path)
            );
        }
        if began.elapsed() > Duration::from_secs(30) {
            bail!(
                "the daemon does not answer; its log is `{}`",
                log_path.display()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    tracing::info!(log = %log_path.display(), "ostler runs in the background");
    Ok(())
}

/// The last thing that a log says.
pub(crate) fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("its log is empty")
        .to_owned()
}
