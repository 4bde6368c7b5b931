//! A daemon of its own for each test: temp state, own bridge, own subnet; taken down whatever happens.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test may stop at the first surprise; each test file uses a part of this"
)]

pub mod call;
pub mod certs;
pub mod door;
pub mod fleet;
pub mod load;
pub mod npm;
pub mod registry;

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// Whether this machine may run containers; says loudly when not.
pub fn can_run_containers() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    let nft = Command::new("nft").arg("--version").output().is_ok();
    if !root || !nft {
        eprintln!(
            "\n!!! SKIPPED: real containers need root (have: {root}) and nft (have: {nft}) !!!\n"
        );
    }
    root && nft
}

/// A daemon that belongs to one test.
pub struct Daemon {
    dir: tempfile::TempDir,
    child: Option<Child>,
    bridge: String,
    subnet: String,
    agents: bool,
    configured: bool,
}

static NEXT: AtomicU8 = AtomicU8::new(0);
static OCTET: OnceLock<u8> = OnceLock::new();

/// The second number of subnets `10.N.0.0/16` in which this machine has no address (a run that was killed may have
/// left its bridge) and which no other process of tests has, as a lock says for as long as this one lives.
fn free_octet() -> u8 {
    let addresses = Command::new("ip").args(["-4", "-o", "addr"]).output();
    let addresses = addresses.map_or_else(|_| Vec::new(), |output| output.stdout);
    let addresses = String::from_utf8_lossy(&addresses);
    let first = std::process::id();
    let mut octets = (0..100).map(|number| ((first + number) % 100) as u8 + 100);
    let free = octets.find(|octet| !addresses.contains(&format!(" 10.{octet}.")) && locked(*octet));
    free.unwrap()
}

fn locked(octet: u8) -> bool {
    let path = std::env::temp_dir().join(format!("ostler-test-subnet-{octet}.lock"));
    let file = std::fs::File::create(path).unwrap();
    let ours = file.try_lock().is_ok();
    if ours {
        std::mem::forget(file);
    }
    ours
}

impl Daemon {
    /// Starts one and waits until it answers.
    pub fn start(agents: bool) -> Self {
        Self::start_on(agents, |_| ())
    }

    /// Starts one whose state directory is prepared first.
    pub fn start_on(agents: bool, prepare: impl FnOnce(&Path)) -> Self {
        let mut daemon = Self::new(agents);
        prepare(&daemon.state());
        daemon.run();
        daemon
    }

    /// Starts one with agents and this configuration; `KEYFILE` in it is replaced by a file that holds
    /// the key.
    pub fn start_configured(config: &str, key: &str) -> Self {
        let mut daemon = Self::new(true);
        let key = daemon.file("key", key);
        daemon.file(
            "config.yaml",
            &config.replace("KEYFILE", key.to_str().unwrap()),
        );
        daemon.configured = true;
        daemon.run();
        daemon
    }

    /// Starts one with the configuration that `write` makes, beside files of its own in the same folder.
    pub fn start_written(agents: bool, write: impl FnOnce(&Path) -> String) -> Self {
        let mut daemon = Self::new(agents);
        let config = write(daemon.dir.path());
        daemon.file("config.yaml", &config);
        daemon.configured = true;
        daemon.run();
        daemon
    }

    fn new(agents: bool) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let octet = *OCTET.get_or_init(free_octet);
        Self {
            dir: tempfile::tempdir().unwrap(),
            child: None,
            bridge: format!("ot{pid:x}{number}"),
            subnet: format!("10.{octet}.{}.0/22", number.wrapping_mul(4)),
            agents,
            configured: false,
        }
    }

    /// Starts the daemon's process (again) and waits until it answers.
    pub fn run(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.dir.path().join("daemon.log"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command
            .arg("up")
            .args(["--state-dir", self.state().to_str().unwrap()])
            .args(["--socket", self.socket().to_str().unwrap()])
            .args([
                "--listen",
                "127.0.0.1:0",
                "--bridge",
                &self.bridge,
                "--subnet",
                &self.subnet,
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        if !self.agents {
            command.args(["--agents", "none"]);
        }
        if self.configured {
            command.arg("--config").arg(self.path("config.yaml"));
        }
        self.child = Some(command.spawn().unwrap());
        self.until("the daemon answers", Duration::from_secs(20), || {
            self.try_cli(&["status"]).status.success().then_some(())
        });
    }

    /// The daemon's process.
    pub fn pid(&self) -> i32 {
        self.child.as_ref().unwrap().id().cast_signed()
    }

    /// SIGKILL, as an unlucky machine would.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// The Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("ostler.sock")
    }

    /// A place for the test's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file for the test.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file that nobody else may read.
    pub fn secret(&self, name: &str, content: &str) -> PathBuf {
        write_secret(&self.path(name), content);
        self.path(name)
    }

    /// The port of its HTTP door.
    pub fn port(&self) -> u16 {
        let status = self.json(&["status"]);
        let url = reqwest::Url::parse(status["http"].as_str().unwrap()).unwrap();
        url.port().unwrap()
    }

    /// The secret of a new token.
    pub fn token(&self, name: &str, role: &str) -> String {
        let made = self.json(&["token", "create", name, "--role", role]);
        made["token"].as_str().unwrap().to_owned()
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("daemon.log")).unwrap_or_default()
    }

    /// Runs a client command.
    pub fn try_cli(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// A client command, to be run by the test.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
        command
            .args(args)
            .env("OSTLER_SOCKET", self.socket())
            .env("NO_COLOR", "1");
        command
    }

    /// Runs a client command that must succeed; its standard output.
    pub fn cli(&self, args: &[&str]) -> String {
        let output = self.try_cli(args);
        assert!(
            output.status.success(),
            "ostler {args:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a client command with input that must succeed.
    pub fn cli_with_input(&self, args: &[&str], input: &str) -> String {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "ostler {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a client command with JSON output.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.extend(["--output", "json"]);
        let text = self.cli(&args);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"))
    }

    /// Waits for a condition; fails with the daemon's log.
    pub fn until<T>(&self, what: &str, within: Duration, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            if began.elapsed() > within {
                let log = self.log();
                let tail = log.len().saturating_sub(6_000);
                panic!(
                    "not within {within:?}: {what}\n--- daemon's log, last part\n{}",
                    log.get(tail..).unwrap_or(&log)
                );
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until a service has this state.
    pub fn until_state(&self, service: &str, state: &str, within: Duration) {
        self.until(&format!("{service} is {state}"), within, || {
            let output = self.try_cli(&["get", "services", service, "--output", "json"]);
            String::from_utf8_lossy(&output.stdout)
                .contains(&format!("\"state\": \"{state}\""))
                .then_some(())
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.is_none() {
            self.run();
        }
        let down = self.try_cli(&[
            "down",
            "--remove-services",
            "--state-dir",
            self.state().to_str().unwrap(),
        ]);
        if !down.status.success() {
            eprintln!(
                "cleaning up failed: {}",
                String::from_utf8_lossy(&down.stderr)
            );
        }
        if let Some(mut child) = self.child.take() {
            let began = Instant::now();
            while child.try_wait().is_ok_and(|status| status.is_none())
                && began.elapsed() < Duration::from_secs(20)
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Writes a file that nobody else may read, in one moment as far as readers can tell.
pub fn write_secret(path: &Path, content: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("draft");
    let mut options = std::fs::File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(&draft)
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
    std::fs::rename(draft, path).unwrap();
}

/// Imports the demo shop's images from a layout written by the binary itself.
pub fn import_shop(daemon: &Daemon) {
    let layout = daemon.path("shop-layout");
    ostler::demo::images::write(Path::new(&layout)).unwrap();
    daemon.cli(&["image", "import", layout.to_str().unwrap()]);
}

/// Imports a busybox image called `busybox:test`, made on the spot.
pub fn import_busybox(daemon: &Daemon) {
    use ostler_runtime::image::{Content, LayoutFile, LayoutSpec, write_layout};
    let program = LayoutFile {
        path: "/bin/busybox".to_owned(),
        content: Content::File("/bin/busybox".into()),
        mode: 0o755,
    };
    let image = LayoutSpec {
        files: vec![program],
        dirs: vec![("/tmp".to_owned(), 0o1777), ("/www".to_owned(), 0o755)],
        entrypoint: vec!["/bin/busybox".to_owned()],
        env: vec!["PATH=/bin".to_owned()],
        ..LayoutSpec::default()
    };
    let layout = daemon.path("busybox-layout");
    write_layout(&layout, "busybox:test", &image).unwrap();
    daemon.cli(&["image", "import", layout.to_str().unwrap()]);
}

/// A small web server as a manifest.
pub fn hello(name: &str, min: u32, max: u32, extra: &str) -> String {
    format!(
        "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: {name}}}
spec:
  image: busybox:test
  args: [httpd, -f, -p, '8080', -h, /www]
  ports: [{{name: http, port: 8080}}]
  replicas: {{min: {min}, max: {max}}}
  stop: {{grace: 500ms}}
  probes:
    readiness: {{tcp: {{port: 8080}}, period: 500ms}}
{extra}"
    )
}

/// Whether a process exists.
pub fn alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

/// A port of this machine for a service to publish.
pub fn free_port() -> u16 {
    ostler_runtime::network::unused_port().unwrap()
}

/// What a server of this machine answers over plain HTTP, head and all.
pub fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
