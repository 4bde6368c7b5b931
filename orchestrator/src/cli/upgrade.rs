//! `ostler upgrade`: another program takes the daemon's place with its arguments, and the old one comes
//! back when that does not work. What runs is not touched. `ostler check-upgrade` is what the new one is
//! asked first. Like `ostler down`, this is about a process of this machine and goes past the gate.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions},
    io,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt, net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{getsockopt, sockopt::PeerCredentials},
    },
    unistd::Pid,
};

use super::{Global, client::socket_path, down, error::CliError, out::Out};

/// Arguments of `upgrade`.
#[derive(Debug, Clone, Args)]
pub struct UpgradeArgs {
    /// The new program [default: the one that is typed]
    #[arg(value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Go back to the program that the last upgrade replaced
    #[arg(long, conflicts_with = "program")]
    back: bool,
}

/// What was replaced, in the state directory.
const PREVIOUS: &str = "ostler.previous";
/// The same while it is the one that runs.
const RESTORED: &str = "ostler.restored";
/// How long a daemon may take until it answers: it adopts everything first.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(10);

/// A daemon that runs: what it takes to start another in its place.
struct Running {
    pid: Pid,
    /// Its arguments behind the program's name.
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    folder: PathBuf,
    log: PathBuf,
    socket: PathBuf,
    state: PathBuf,
}

/// Runs it.
pub async fn run(args: &UpgradeArgs, global: &Global, out: &mut Out) -> Result<(), CliError> {
    let running = Running::find(global)?;
    if running.is_of_systemd() {
        return Err(CliError::Failed(
            "systemd runs this daemon: install the new program in the old one's place and `systemctl restart` its unit (with KillMode=process); `ostler check-upgrade` says beforehand whether that will work".to_owned(),
        ));
    }
    let named = running.program(args)?;
    running.rehearse(&named, out)?;
    let program = match args.back {
        true => running.restore(&named)?,
        false => named,
    };
    let previous = running.keep_program()?;
    let away = Instant::now();
    kill(running.pid, Signal::SIGTERM)
        .map_err(|error| CliError::Failed(format!("cannot end the daemon: {error}")))?;
    down::until_gone(running.pid).await?;
    let failed = match running.start(&program) {
        Ok(()) => {
            let away = away.elapsed().as_millis();
            out.note(&format!(
                "`{}` runs; the daemon was away for {away} ms, what it runs was not. `ostler upgrade --back` takes it back.",
                program.display()
            ));
            return Ok(());
        }
        Err(failed) => failed,
    };
    match running.start(&previous) {
        Ok(()) => Err(CliError::Failed(format!(
            "{failed}; the old program runs again"
        ))),
        Err(error) => Err(CliError::Failed(format!(
            "{failed}; and the old program does not start either: {error}"
        ))),
    }
}

impl Running {
    fn find(global: &Global) -> Result<Self, CliError> {
        let pid = down::daemon(&global.state_dir)?;
        let look = |what: &'static str| {
            move |error: io::Error| {
                CliError::Failed(format!("cannot read {what} of the daemon: {error}"))
            }
        };
        let of = |part: &str| PathBuf::from(format!("/proc/{pid}/{part}"));
        let args = words(&fs::read(of("cmdline")).map_err(look("the arguments"))?);
        let environment = words(&fs::read(of("environ")).map_err(look("the environment"))?);
        let log = fs::read_link(of("fd/2")).ok().filter(|path| path.is_file());
        let state = fs::canonicalize(&global.state_dir).map_err(look("the directory"))?;
        let socket = socket_path(global);
        if answering(&socket) != Some(pid) {
            return Err(CliError::Failed(format!(
                "the daemon of `{}` (process {pid}) does not answer at `{}`: give its --socket",
                state.display(),
                socket.display()
            )));
        }
        let folder = fs::read_link(of("cwd")).map_err(look("the folder"))?;
        Ok(Self {
            pid,
            environment: environment.iter().filter_map(|pair| split(pair)).collect(),
            socket,
            log: log.unwrap_or_else(|| state.join("daemon.log")),
            folder,
            args: args.into_iter().skip(1).collect(),
            state,
        })
    }

    /// Whether systemd started it as the process of a unit: then systemd would start another.
    fn is_of_systemd(&self) -> bool {
        let value = |name: &str| {
            let mut all = self.environment.iter();
            all.find(|(known, _)| known == name).map(|(_, value)| value)
        };
        match value("SYSTEMD_EXEC_PID") {
            Some(pid) => *pid == *self.pid.to_string(),
            None => value("INVOCATION_ID").is_some(),
        }
    }

    /// The program to start.
    fn program(&self, args: &UpgradeArgs) -> Result<PathBuf, CliError> {
        let named = match &args.program {
            _ if args.back => self.state.join(PREVIOUS),
            Some(program) => program.clone(),
            None => std::env::current_exe()
                .map_err(|error| CliError::Failed(format!("where is this program? {error}")))?,
        };
        fs::canonicalize(&named).map_err(|error| {
            CliError::Failed(format!(
                "there is no program `{}`: {error}",
                named.display()
            ))
        })
    }

    /// Puts the program before where the next one that is kept does not take its place.
    fn restore(&self, previous: &Path) -> Result<PathBuf, CliError> {
        let place = self.state.join(RESTORED);
        let moved = fs::rename(previous, &place);
        moved.map_err(CliError::io("put the program before in its place"))?;
        Ok(place)
    }

    /// Asks the new program whether it could take over; nothing was changed then.
    fn rehearse(&self, program: &Path, out: &mut Out) -> Result<(), CliError> {
        let mut args = self.args.clone();
        if let Some(up) = args.iter_mut().find(|word| *word == "up") {
            *up = "check-upgrade".into();
        }
        let mut command = self.command(program);
        let answer = command.args(args).stdin(Stdio::null()).output();
        let answer = answer.map_err(|error| {
            CliError::Failed(format!("cannot start `{}`: {error}", program.display()))
        })?;
        let said = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes);
            let plain = text.chars().filter(|c| !c.is_control() || *c == '\n');
            plain.take(4_000).collect::<String>().trim().to_owned()
        };
        if !answer.status.success() {
            let why = said(&answer.stderr);
            return Err(CliError::Failed(format!(
                "`{}` would not take over, and nothing was changed: {}",
                program.display(),
                why.rsplit("ERROR ostler: ").next().unwrap_or(&why)
            )));
        }
        out.note(&said(&answer.stdout));
        Ok(())
    }

    /// Keeps the program that runs, wherever its file went meanwhile.
    fn keep_program(&self) -> Result<PathBuf, CliError> {
        let place = self.state.join(PREVIOUS);
        let draft = self.state.join("ostler.previous.draft");
        let keep = || {
            fs::copy(format!("/proc/{}/exe", self.pid), &draft)?;
            fs::set_permissions(&draft, Permissions::from_mode(0o700))?;
            File::open(&draft)?.sync_all()?;
            fs::rename(&draft, &place)
        };
        keep().map_err(|error: io::Error| {
            drop(fs::remove_file(&draft));
            CliError::Failed(format!(
                "cannot keep the program that runs at `{}`, and nothing was changed: {error}",
                place.display()
            ))
        })?;
        Ok(place)
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder);
        command
    }

    /// Starts a daemon and waits until it answers; one that does not is ended.
    fn start(&self, program: &Path) -> Result<(), String> {
        let shown = program.display();
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| format!("cannot write `{}`: {error}", self.log.display()))?;
        let mut command = self.command(program);
        command.arg0("ostler").args(&self.args);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
        let began = Instant::now();
        loop {
            let born = i32::try_from(child.id()).ok().map(Pid::from_raw);
            if born.is_some() && answering(&self.socket) == born {
                return Ok(());
            }
            if let Ok(Some(status)) = child.try_wait() {
                let last = crate::launch::last_line(&self.log);
                return Err(format!("`{shown}` ended at once ({status}): {last}"));
            }
            if began.elapsed() > ANSWERS_WITHIN {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("`{shown}` did not answer in time and was ended"));
            }
            std::thread::sleep(POLL);
        }
    }
}

/// Who listens at a socket.
fn answering(socket: &Path) -> Option<Pid> {
    let stream = UnixStream::connect(socket).ok()?;
    let peer = getsockopt(&stream, PeerCredentials).ok()?;
    Some(Pid::from_raw(peer.pid()))
}

/// Words that end with a zero byte each.
fn words(bytes: &[u8]) -> Vec<OsString> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    bytes
        .split(|byte| *byte == 0)
        .map(|word| OsString::from_vec(word.to_vec()))
        .collect()
}

fn split(pair: &OsStr) -> Option<(OsString, OsString)> {
    let bytes = pair.as_encoded_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=')?;
    let (name, value) = bytes.split_at_checked(at)?;
    let value = value.get(1..)?;
    let owned = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Some((owned(name), owned(value)))
}
