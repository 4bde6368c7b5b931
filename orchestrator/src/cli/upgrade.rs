//! `ostler self-upgrade`: another program takes the daemon's place with its arguments, and the old one comes
//! back when that does not work. What runs is not touched. `ostler check-upgrade` is what the new one is
//! asked first. Like `ostler down`, this is about a process of this machine and goes past the gate.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions},
    io,
    os::unix::{ffi::OsStringExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use self::owner::Listener;
use super::{Global, client::socket_path, down, error::CliError, out::Out};
use crate::rehearsal::Report;

mod owner;

/// Arguments of `upgrade`.
#[derive(Debug, Clone, Args)]
pub struct UpgradeArgs {
    /// The new program [default: the one that is typed]
    #[arg(value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Go back to the program that the last upgrade replaced
    #[arg(long, conflicts_with = "program")]
    back: bool,
    /// Also where the version that runs could not come back afterwards
    #[arg(long)]
    no_way_back: bool,
}

/// What was replaced, in the state directory.
const PREVIOUS: &str = "ostler.previous";
/// The same while it is the one that runs.
const RESTORED: &str = "ostler.restored";
/// What is being replaced, until that is done.
const KEPT: &str = "ostler.replaced";
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
    let program = running.program(args)?;
    let report = running.rehearse(&program)?;
    out.note(&plain(report.says.join("\n").as_bytes()));
    if !report.can_come_back && !args.no_way_back {
        return Err(CliError::Failed(format!(
            "`{}` would leave no way back, and nothing was changed: with --no-way-back it is put in place all the same",
            program.display()
        )));
    }
    running.keep_program()?;
    let away = Instant::now();
    kill(running.pid, Signal::SIGTERM)
        .map_err(|error| CliError::Failed(format!("cannot end the daemon: {error}")))?;
    down::until_gone(running.pid).await?;
    let runs = match running.take_place(&program, args.back) {
        Ok(runs) => runs,
        Err(failed) => return Err(running.old_again(&failed, args.back, &report)),
    };
    let away = away.elapsed().as_millis();
    running.rename(KEPT, PREVIOUS)?;
    let back = match report.can_come_back {
        true => "`ostler self-upgrade --back` takes it back.",
        false => "There is no way back to the version before.",
    };
    out.note(&format!(
        "`{}` runs; the daemon was away for {away} ms, what it runs was not. {back}",
        runs.display()
    ));
    Ok(())
}

impl Running {
    fn find(global: &Global) -> Result<Self, CliError> {
        let doing = format!("find the directory `{}`", global.state_dir.display());
        let state = fs::canonicalize(&global.state_dir).map_err(CliError::io(doing))?;
        owner::must_be_own(&state)?;
        let pid = down::daemon(&state)?;
        let look = |what: &'static str| {
            move |error: io::Error| {
                CliError::Failed(format!("cannot read {what} of the daemon: {error}"))
            }
        };
        let socket = socket_path(global);
        let listener = Listener::at(&socket).filter(|listener| listener.pid == pid);
        let Some(listener) = listener else {
            return Err(CliError::Failed(format!(
                "the daemon of `{}` (process {pid}) does not answer at `{}`: give its --socket",
                state.display(),
                socket.display()
            )));
        };
        listener.must_be_own()?;
        let of = |part: &str| PathBuf::from(format!("/proc/{pid}/{part}"));
        let args = words(&fs::read(of("cmdline")).map_err(look("the arguments"))?);
        let environment = words(&fs::read(of("environ")).map_err(look("the environment"))?);
        let log = fs::read_link(of("fd/2")).ok().filter(|path| path.is_file());
        let folder = fs::read_link(of("cwd")).map_err(look("the folder"))?;
        Ok(Self {
            pid,
            environment: owner::handed_on(
                environment.iter().filter_map(|pair| split(pair)).collect(),
            ),
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
        if args.back {
            let previous = self.state.join(PREVIOUS);
            owner::must_be_own(&previous)?;
            return Ok(previous);
        }
        let named = match &args.program {
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

    /// Asks the new program whether it could take over; nothing was changed then.
    fn rehearse(&self, program: &Path) -> Result<Report, CliError> {
        let mut args = self.args.clone();
        if let Some(up) = args.iter_mut().find(|word| *word == "up") {
            *up = "check-upgrade".into();
        }
        args.extend(["--output".into(), "json".into()]);
        let mut command = self.command(program);
        let answer = command.args(args).stdin(Stdio::null()).output();
        let answer = answer.map_err(|error| {
            CliError::Failed(format!("cannot start `{}`: {error}", program.display()))
        })?;
        if !answer.status.success() {
            let why = plain(&answer.stderr);
            return Err(CliError::Failed(format!(
                "`{}` would not take over, and nothing was changed: {}",
                program.display(),
                why.rsplit("ERROR ostler: ").next().unwrap_or(&why)
            )));
        }
        serde_json::from_slice(&answer.stdout).map_err(|error| {
            CliError::Failed(format!(
                "`{}` does not say whether it could take over, and nothing was changed: {error}",
                program.display()
            ))
        })
    }

    /// Keeps the program that runs, wherever its file went meanwhile.
    fn keep_program(&self) -> Result<(), CliError> {
        let place = self.state.join(KEPT);
        let keep = || {
            // A new file: what lies there may be running.
            match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::copy(format!("/proc/{}/exe", self.pid), &place)?;
            fs::set_permissions(&place, Permissions::from_mode(0o700))?;
            File::open(&place)?.sync_all()
        };
        keep().map_err(|error: io::Error| {
            drop(fs::remove_file(&place));
            CliError::Failed(format!(
                "cannot keep the program that runs at `{}`, and nothing was changed: {error}",
                place.display()
            ))
        })
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), CliError> {
        let (from, to) = (self.state.join(from), self.state.join(to));
        let doing = format!("rename `{}` to `{}`", from.display(), to.display());
        fs::rename(from, to).map_err(CliError::io(doing))
    }

    /// Starts the new program; what runs then. One that was kept leaves its place to the one that it
    /// replaces.
    fn take_place(&self, program: &Path, back: bool) -> Result<PathBuf, String> {
        let mut program = program.to_owned();
        if back {
            let moved = self.rename(PREVIOUS, RESTORED);
            moved.map_err(|error| error.to_string())?;
            program = self.state.join(RESTORED);
        }
        self.start(&program).map(|()| program)
    }

    /// Starts the old program after a new one did not; what was kept earlier is where it was.
    fn old_again(&self, failed: &str, back: bool, report: &Report) -> CliError {
        if back && let Err(error) = self.rename(RESTORED, PREVIOUS) {
            tracing::warn!(%error, "the program before is not where it was");
        }
        let place = match self.rename(KEPT, RESTORED) {
            Ok(()) => self.state.join(RESTORED),
            Err(_) => self.state.join(KEPT),
        };
        let Err(error) = self.start(&place) else {
            return CliError::Failed(format!("{failed}; the old program runs again"));
        };
        let mut words = format!(
            "{failed}; and the old program, `{}`, does not start either: {error}",
            place.display()
        );
        let copy = self
            .state
            .join(format!("ostler.db.schema-{}", report.found));
        if !report.can_come_back && copy.exists() {
            let database = self.state.join("ostler.db");
            let (copy, database) = (copy.display(), database.display());
            words.push_str(&format!(
                ". The state as it was before is `{copy}`. If the new program cannot be mended: move `{database}`, `{database}-wal` and `{database}-shm` away, copy `{copy}` to `{database}`, and start the old program with the arguments of before (`up …`)"
            ));
        }
        CliError::Failed(words)
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
            if born.is_some() && Listener::at(&self.socket).map(|listener| listener.pid) == born {
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

/// What another program said, fit to be shown.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.chars().filter(|c| !c.is_control() || *c == '\n');
    plain.take(4_000).collect::<String>().trim().to_owned()
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
