//! The demo's stage: a daemon of its own in a temporary directory, and the commands a person would type.

use std::{
    fs::File,
    io::{BufRead, IsTerminal, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;

use super::Options;

/// A daemon of its own and a terminal.
pub struct Stage {
    /// How the demo is run.
    pub options: Options,
    /// The port at which the shop is reached.
    pub port: u16,
    dir: PathBuf,
    daemon: Child,
    colour: bool,
}

impl Stage {
    /// Starts the daemon in a new directory and waits until it answers.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            bail!("the demo runs real containers: run it as root");
        }
        let dir = std::env::temp_dir().join(format!("ostler-demo-{}", std::process::id()));
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot create `{}`", dir.display()))?;
        let log = File::create(dir.join("daemon.log"))?;
        let octet = 100 + std::process::id() % 100;
        let daemon = Command::new(std::env::current_exe()?)
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--bridge",
                &format!("od{}", std::process::id()),
            ])
            .args(["--subnet", &format!("10.{octet}.0.0/16")])
            .arg("--state-dir")
            .arg(dir.join("state"))
            .arg("--socket")
            .arg(dir.join("ostler.sock"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot start the daemon")?;
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let port = ostler_runtime::network::unused_port()?;
        let mut stage = Self {
            options,
            port,
            dir,
            daemon,
            colour,
        };
        stage.clean_up_on_signals()?;
        let answers = stage.until("the daemon answers", Duration::from_secs(20), || {
            Ok(stage.json(&["status"]).ok())
        });
        if answers.is_err() {
            stage.daemon.kill().context("cannot end the daemon")?;
        }
        answers.map(|_status| stage)
    }

    /// Ctrl-C at any moment leaves nothing behind either.
    fn clean_up_on_signals(&self) -> anyhow::Result<()> {
        let (dir, socket, pid) = (
            self.dir.clone(),
            self.dir.join("ostler.sock"),
            self.daemon.id(),
        );
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::spawn(move || {
            let signalled = runtime.block_on(async {
                let mut terminate =
                    tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
                        .ok()?;
                tokio::select! {
                    interrupted = tokio::signal::ctrl_c() => interrupted.ok(),
                    terminated = terminate.recv() => terminated,
                }
            });
            if signalled.is_some() {
                interrupted(&dir, &socket, pid);
            }
        });
        Ok(())
    }

    /// A file of the demo.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Writes a file of the demo; its path as text.
    pub fn file(&self, name: &str, content: &str) -> anyhow::Result<String> {
        let path = self.path(name);
        std::fs::write(&path, content)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// A heading.
    pub fn heading(&self, text: &str) -> anyhow::Result<()> {
        let line = if self.colour {
            format!("\n\u{1b}[1;36m── {text}\u{1b}[0m")
        } else {
            format!("\n── {text}")
        };
        self.say(&line)
    }

    /// A line for the reader.
    #[expect(
        clippy::unused_self,
        reason = "everything that is shown goes through the stage"
    )]
    pub fn say(&self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}")?;
        Ok(out.flush()?)
    }

    /// Shows a command and runs it with its output shown.
    pub fn show(&self, args: &[&str]) -> anyhow::Result<()> {
        let typed = args.join(" ");
        self.say(&if self.colour {
            format!("\u{1b}[2m$ ostler {typed}\u{1b}[0m")
        } else {
            format!("$ ostler {typed}")
        })?;
        let status = self.command(args).status()?;
        if !status.success() {
            bail!("`ostler {typed}` ended with {status}");
        }
        Ok(())
    }

    /// Runs a command quietly.
    pub fn quiet(&self, args: &[&str]) -> anyhow::Result<()> {
        let output = self.command(args).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            bail!(
                "`ostler {}`: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }

    /// Runs a command for its JSON.
    pub fn json(&self, args: &[&str]) -> anyhow::Result<Value> {
        let output = self
            .command(args)
            .args(["--output", "json"])
            .stdin(Stdio::null())
            .output()?;
        if !output.status.success() {
            bail!(
                "`ostler {}`: {}",
                args.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`ostler {}` did not answer JSON", args.join(" ")))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "ostler".into()));
        command
            .args(args)
            .env("OSTLER_SOCKET", self.dir.join("ostler.sock"));
        command
    }

    /// Waits for something to become true, looking several times a second.
    pub fn until<T>(
        &self,
        what: &str,
        within: Duration,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let began = Instant::now();
        loop {
            if let Some(found) = look()? {
                return Ok(found);
            }
            if began.elapsed() > within {
                bail!(
                    "not within {} s: {what}; the daemon's log is in {}",
                    within.as_secs(),
                    self.dir.display()
                );
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until every named service is healthy.
    pub fn until_healthy(&self, services: &[&str], within: Duration) -> anyhow::Result<()> {
        self.until("every service is healthy", within, || {
            let all = self.json(&["get", "services"])?;
            let healthy = |name: &&str| {
                let key = format!("default/{name}");
                list(&all, "services")
                    .iter()
                    .any(|one| text(one, "service") == key && text(one, "state") == "healthy")
            };
            Ok(services.iter().all(healthy).then_some(()))
        })
    }

    /// Asks for a yes, unless the demo was told not to ask.
    pub fn ask(&self, question: &str) -> anyhow::Result<bool> {
        if self.options.yes {
            self.say(&format!("{question} [y/N] y  (--yes)"))?;
            return Ok(true);
        }
        let mut out = std::io::stdout().lock();
        write!(out, "{question} [y/N] ")?;
        out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }

    /// Ends everything and removes the directory.
    pub fn close(&mut self) -> anyhow::Result<()> {
        self.heading("Cleaning up")?;
        let state = self.dir.join("state");
        let down = self.quiet(&[
            "down",
            "--remove-services",
            "--state-dir",
            &state.to_string_lossy(),
        ]);
        if down.is_err() {
            self.daemon.kill().context("cannot end the daemon")?;
        }
        self.daemon.wait()?;
        down?;
        std::fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove `{}`", self.dir.display()))?;
        self.say("Containers, network, files: nothing is left.")
    }

    /// Leaves everything running and says how to go on.
    pub fn leave_running(&self) -> anyhow::Result<()> {
        let dir = self.dir.display();
        self.say(&format!(
            "\nThe shop runs on: http://127.0.0.1:{}/",
            self.port
        ))?;
        self.say(&format!(
            "Look around:   export OSTLER_SOCKET={dir}/ostler.sock; ostler get services"
        ))?;
        self.say(&format!(
            "End it all:    ostler down --remove-services --state-dir {dir}/state && rm -r {dir}"
        ))
    }
}

/// Ends the demo early: services, daemon, files.
fn interrupted(dir: &Path, socket: &Path, daemon: u32) {
    tracing::warn!("interrupted; cleaning up");
    let down = Command::new(std::env::current_exe().unwrap_or_else(|_| "ostler".into()))
        .args(["down", "--remove-services", "--state-dir"])
        .arg(dir.join("state"))
        .env("OSTLER_SOCKET", socket)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    match down {
        Ok(status) if status.success() => drop(std::fs::remove_dir_all(dir)),
        _ => tracing::error!(daemon, dir = %dir.display(), "the demo's daemon could not be ended"),
    }
    std::process::exit(130);
}

/// A list inside a JSON answer; empty when it is not there.
pub fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value
        .get(field)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// A text inside a JSON answer; empty when it is not there.
pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}
