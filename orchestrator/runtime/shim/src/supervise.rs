//! The shim's life: launch, watch, answer, write down the end. One thread, one poll loop.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::{fd::AsFd, unix::net::UnixListener},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{Signal, kill},
        signalfd::SignalFd,
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{
    cgroup::{self, Exec, Way},
    container::{self, io_failure},
    control::{Connection, Heard, listen, tell},
    exec::{self, no_wait},
    launch::{self, Launch, Launched},
    log::{Log, Stream},
    memory, record,
    wire::{ExitRecord, Failure, REQUEST_LIMIT, Reply, Report, Request, Running, ShimOrder, names},
};

/// Most connections at a time.
const CONNECTIONS: usize = 64;

/// One shim with its container.
pub struct Shim {
    dir: PathBuf,
    order: ShimOrder,
    children: SignalFd,
    listener: UnixListener,
    log: Log,
    streams: [Stream; 2],
    launch: Option<Launch>,
    running: Option<(Running, Instant)>,
    ended: Option<WaitStatus>,
    early: Vec<WaitStatus>,
    way: Way,
    execs: Vec<Exec>,
    stop: Option<Stopping>,
    watchers: Vec<File>,
    connections: Vec<Connection>,
    oom_before: u64,
}

struct Stopping {
    signal: i32,
    kill_at: Instant,
    liveness: bool,
    sent: bool,
}

impl Shim {
    /// Begins the launch and opens what the shim needs meanwhile.
    pub fn begin(
        dir: &Path,
        order: ShimOrder,
        children: SignalFd,
        tell: File,
    ) -> Result<Self, Failure> {
        let io = |what: &'static str| move |error: io::Error| io_failure(what, &error);
        let oom_before = cgroup::oom_kills(&order.cgroups);
        let (launch, streams) = begin_launch(dir, &order, Way::Born)?;
        let rest = Log::open(&dir.join(names::LOG), order.log, order.attempt)
            .map_err(io("opening the log"));
        let rest =
            rest.and_then(|log| Ok((log, listen(dir).map_err(io("opening the control socket"))?)));
        let (log, listener) = rest.inspect_err(|_| {
            let _ = kill(launch.pid, Signal::SIGKILL);
            cgroup::kill_strays(&order.cgroups);
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            order,
            children,
            listener,
            log,
            streams,
            launch: Some(launch),
            running: None,
            ended: None,
            early: Vec::new(),
            way: Way::Born,
            execs: Vec::new(),
            stop: None,
            watchers: vec![tell],
            connections: Vec::new(),
            oom_before,
        })
    }

    /// Until the container has ended and its end is on disk.
    pub fn run(mut self) -> io::Result<()> {
        while self.ended.is_none() {
            self.wait()?;
            self.accept();
            self.serve();
            self.pump();
            if let Err(failure) = self.hear_launcher() {
                return self.give_up(failure);
            }
            self.reap();
            self.press();
        }
        self.finish()
    }

    fn wait(&self) -> io::Result<()> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = vec![
            readable(self.children.as_fd()),
            readable(self.listener.as_fd()),
        ];
        fds.extend(
            self.launch
                .as_ref()
                .map(|launch| readable(launch.result.as_fd())),
        );
        fds.extend(self.streams.iter().filter_map(Stream::pipe).map(readable));
        fds.extend(
            self.connections
                .iter()
                .map(|connection| readable(connection.stream.as_fd())),
        );
        let patience = self
            .stop
            .as_ref()
            .map(|stop| stop.kill_at.saturating_duration_since(Instant::now()));
        let timeout = match patience {
            // Rounded up: waking early would spin.
            Some(left) => {
                PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        };
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    fn pump(&mut self) {
        for stream in &mut self.streams {
            stream.pump(&mut self.log);
        }
    }

    /// Reads the launcher's result once it is whole.
    fn hear_launcher(&mut self) -> Result<(), Failure> {
        let Some(launch) = &mut self.launch else {
            return Ok(());
        };
        let mut fds = [PollFd::new(launch.result.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::ZERO).unwrap_or(0) == 0 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = launch.result.read_to_end(&mut bytes);
        self.launch = None;
        read.map_err(|error| io_failure("reading from the launcher", &error))?;
        // Killed before it could say anything: not by its own fault where newborns are killed.
        if bytes.is_empty() && self.way == Way::Born && self.order.cgroups.unified.is_some() {
            self.way = Way::Moved;
            let (launch, streams) = begin_launch(&self.dir, &self.order, self.way)?;
            (self.launch, self.streams) = (Some(launch), streams);
            return Ok(());
        }
        let launched: Launched = serde_json::from_slice(&bytes)
            .map_err(|_| container::other("the launcher died before it could tell why"))?;
        self.started(launched?)
    }

    fn started(&mut self, pid: i32) -> Result<(), Failure> {
        let running = Running {
            attempt: self.order.attempt,
            pid,
            start_ticks: record::start_ticks(pid).unwrap_or(0),
            boot: record::boot_id(),
            shim: i32::try_from(std::process::id()).unwrap_or(0),
            at: record::now_ms(),
        };
        record::write(&self.dir, names::RUNNING, &running)
            .map_err(|error| io_failure("writing what runs", &error))?;
        for watcher in &mut self.watchers {
            tell(watcher, &Report::Running(running.clone()));
        }
        self.running = Some((running, Instant::now()));
        // Without it the end is written as well, while there is space.
        drop(record::reserve(
            &self.dir.join(names::EXITS),
            &exit_name(self.order.attempt),
        ));
        let early = std::mem::take(&mut self.early);
        early.into_iter().for_each(|status| self.note(status));
        memory::trim();
        Ok(())
    }

    fn give_up(mut self, failure: Failure) -> io::Result<()> {
        cgroup::kill_strays(&self.order.cgroups);
        self.pump();
        for watcher in &mut self.watchers {
            tell(watcher, &Report::Failed(failure.clone()));
        }
        Ok(())
    }

    fn reap(&mut self) {
        while let Ok(Some(_)) = self.children.read_signal() {}
        while let Ok(status) = waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
            if status == WaitStatus::StillAlive {
                return;
            }
            self.note(status);
        }
    }

    /// An end may be seen before the launcher told whose it is.
    fn note(&mut self, status: WaitStatus) {
        self.execs
            .retain(|exec| !exec.over(status.pid().map_or(0, Pid::as_raw)));
        match &self.running {
            Some((running, _)) if status.pid() == Some(Pid::from_raw(running.pid)) => {
                self.ended = Some(status)
            }
            Some(_) => {}
            None => self.early.push(status),
        }
    }

    /// Sends the polite signal once there is someone to receive it, and the other when time is up.
    fn press(&mut self) {
        let (Some(stop), Some((running, _))) = (&mut self.stop, &self.running) else {
            return;
        };
        let pid = Pid::from_raw(running.pid);
        if !stop.sent {
            stop.sent = true;
            if let Ok(signal) = Signal::try_from(stop.signal) {
                let _ = kill(pid, signal);
            }
        }
        if Instant::now() >= stop.kill_at {
            let _ = kill(pid, Signal::SIGKILL);
            stop.kill_at = Instant::now() + Duration::from_secs(1);
        }
    }

    /// Writes the end where the daemon finds it, then lets the watchers go, then makes it durable.
    fn finish(mut self) -> io::Result<()> {
        let record = self.exit_record();
        cgroup::kill_strays(&self.order.cgroups);
        self.pump();
        for stream in &mut self.streams {
            stream.finish(&mut self.log);
        }
        let exits = self.dir.join(names::EXITS);
        let file = record::write_reserved(&exits, &exit_name(record.attempt), &record);
        drop(fs::remove_file(self.dir.join(names::CONTROL)));
        crate::lock::release();
        self.watchers.clear();
        self.connections.clear();
        file?.sync_all()?;
        File::open(exits)?.sync_all()
    }

    fn exit_record(&self) -> ExitRecord {
        let (code, signal) = match self.ended {
            Some(WaitStatus::Exited(_, code)) => (Some(code), None),
            Some(WaitStatus::Signaled(_, signal, _)) => (None, Some(signal as i32)),
            _ => (None, None),
        };
        let killed =
            signal == Some(Signal::SIGKILL as i32) || code == Some(128 + Signal::SIGKILL as i32);
        let ran = self
            .running
            .as_ref()
            .map(|(_, since)| since.elapsed())
            .unwrap_or_default();
        ExitRecord {
            attempt: self.order.attempt,
            at: record::now_ms(),
            ran: u64::try_from(ran.as_millis()).unwrap_or(u64::MAX),
            code,
            signal,
            oom: killed && cgroup::oom_kills(&self.order.cgroups) > self.oom_before,
            asked: self.stop.is_some(),
            liveness: self.stop.as_ref().is_some_and(|stop| stop.liveness),
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() < CONNECTIONS && stream.set_nonblocking(true).is_ok() {
                self.connections.push(Connection {
                    stream,
                    bytes: Vec::new(),
                });
            }
        }
    }

    fn serve(&mut self) {
        for mut connection in std::mem::take(&mut self.connections) {
            match connection.read() {
                Heard::Nothing => self.connections.push(connection),
                Heard::Request(request) => self.answer(request, connection),
                Heard::Nonsense(detail) => connection.reply(&Reply::Refused { detail }),
                Heard::End => {}
            }
        }
    }

    fn answer(&mut self, request: Request, mut connection: Connection) {
        match request {
            Request::Watch => {
                let mut watcher = File::from(std::os::fd::OwnedFd::from(connection.stream));
                if let Some((running, _)) = &self.running {
                    tell(&mut watcher, &Report::Running(running.clone()));
                }
                self.watchers.push(watcher);
            }
            Request::Stop {
                signal,
                grace_ms,
                liveness,
            } => {
                let kill_at = Instant::now() + Duration::from_millis(grace_ms.min(86_400_000));
                let earlier = self.stop.take();
                let liveness = earlier.as_ref().map_or(liveness, |stop| stop.liveness);
                let kill_at = earlier.map_or(kill_at, |stop| stop.kill_at.min(kill_at));
                self.stop = Some(Stopping {
                    signal,
                    kill_at,
                    liveness,
                    sent: false,
                });
                connection.reply(&Reply::Done);
            }
            Request::Exec {
                command,
                input,
                timeout_ms,
                limit,
            } => self.execute(connection, command, input, timeout_ms, limit),
        }
    }

    fn execute(
        &mut self,
        mut connection: Connection,
        args: Vec<String>,
        input_length: usize,
        timeout_ms: u64,
        limit: usize,
    ) {
        let refuse = |detail: String| Reply::Refused { detail };
        if self.running.is_none() {
            return connection.reply(&refuse("the container does not run yet".to_owned()));
        }
        if input_length > REQUEST_LIMIT {
            return connection.reply(&refuse(format!(
                "standard input is limited to {REQUEST_LIMIT} bytes"
            )));
        }
        let timeout = Duration::from_millis(timeout_ms);
        let command = exec::Command {
            args,
            input: connection.bytes,
            input_length,
            timeout,
            limit,
        };
        let begun = exec::begin(&self.dir, &self.order, self.way, command, connection.stream);
        self.execs.extend(begun);
    }
}

fn exit_name(attempt: u32) -> String {
    format!("{attempt}.json")
}

/// Forks the launcher; what the container writes arrives in the streams.
fn begin_launch(dir: &Path, order: &ShimOrder, way: Way) -> Result<(Launch, [Stream; 2]), Failure> {
    let pipe = || container::pipe().map_err(|error| io_failure("making a pipe", &error));
    let ((out, stdout), (err, stderr)) = (pipe()?, pipe()?);
    no_wait(&out);
    no_wait(&err);
    let launch = launch::begin(dir, order, way, stdout, stderr)
        .map_err(|error| io_failure("forking the launcher", &error))?;
    Ok((launch, [Stream::new(out, 1), Stream::new(err, 2)]))
}
