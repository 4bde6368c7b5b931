//! The built shop on loopback: it sells through all four roles, and breaks as told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running shop, ended when dropped.
struct Shop {
    child: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

fn command(dir: &Path, role: &str, env: &[(&str, &str)]) -> Command {
    let config = dir.join("config.json");
    if !config.exists() {
        fs::write(&config, r#"{ "name": "Test Arms" }"#).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostler-shop"));
    command
        .arg(role)
        .env_clear()
        .env("PORT", "0")
        .env("SHOP_CONFIG", config)
        .env("DATA_DIR", dir.join("data"))
        .envs(env.iter().copied())
        .stdout(Stdio::piped());
    command
}

impl Shop {
    fn start(dir: &Path, role: &str, env: &[(&str, &str)]) -> Self {
        let mut child = command(dir, role, env).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut shop = Self {
            child,
            lines,
            port: 0,
        };
        let listening = shop.line("listening");
        shop.port = u16::try_from(listening["port"].as_u64().unwrap()).unwrap();
        shop
    }

    /// The next log line with that message.
    fn line(&mut self, message: &str) -> Value {
        loop {
            let mut text = String::new();
            assert!(
                self.lines.read_line(&mut text).unwrap() > 0,
                "ended before `{message}`"
            );
            let line: Value = serde_json::from_str(&text).unwrap();
            if line["message"] == message {
                return line;
            }
        }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), std::io::Error> {
        self.ask_within(method, path, body, PATIENCE)
    }

    fn ask_within(
        &self,
        method: &str,
        path: &str,
        body: &str,
        limit: Duration,
    ) -> Result<(u16, String), std::io::Error> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(limit))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let code = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        Ok((code, body.to_owned()))
    }

    fn switch(&self, fault: &str) {
        assert_eq!(self.ask("POST", "/fault", fault).unwrap().0, 200);
    }

    fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn ended(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().unwrap())
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_purchase_goes_through_all_four_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = Shop::start(dir.path(), "store", &[]);
    let catalog = Shop::start(dir.path(), "catalog", &[("STORE_URL", &store.url())]);
    let cart = Shop::start(dir.path(), "cart", &[("CATALOG_URL", &catalog.url())]);
    let frontend = Shop::start(
        dir.path(),
        "frontend",
        &[("CART_URL", &cart.url()), ("VERSION", "7")],
    );
    let (code, body) = frontend.ask("POST", "/", "").unwrap();
    assert_eq!(code, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["version"], "7");
    assert_eq!(answer["own"]["shop"], "Test Arms");
    assert_eq!(answer["below"]["below"]["below"]["stock"]["sold"], 1);
    drop(store);
    assert_eq!(
        frontend.ask("GET", "/", "").unwrap().0,
        502,
        "what needs the store fails without it"
    );
    assert_eq!(frontend.ask("GET", "/readyz", "").unwrap().0, 200);
    let (_, metrics) = frontend.ask("GET", "/metrics", "").unwrap();
    for line in [
        "http_requests_total{code=\"200\"} 1",
        "http_requests_total{code=\"502\"} 1",
        "http_request_duration_seconds_count 2",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let again = Shop::start(dir.path(), "store", &[]);
    let (_, body) = again.ask("GET", "/", "").unwrap();
    assert!(body.contains("\"sold\":1"), "the volume kept it: {body}");
}

#[test]
fn a_wrong_configuration_ends_it_with_78_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let malformed = dir.path().join("malformed.json");
    fs::write(&malformed, "{ \"name\": ").unwrap();
    let unknown = dir.path().join("unknown.json");
    fs::write(&unknown, r#"{ "name": "x", "nmae": 1 }"#).unwrap();
    let malformed = malformed.to_str().unwrap();
    let unknown = unknown.to_str().unwrap();
    for (name, value, said) in [
        (
            "SHOP_CONFIG",
            "/nonexistent/config.json",
            "cannot read configuration",
        ),
        ("SHOP_CONFIG", malformed, "malformed"),
        ("SHOP_CONFIG", unknown, "nmae"),
        ("FAULT", "fire", "accepted"),
        ("PORT", "many", "whole number"),
    ] {
        let output = command(dir.path(), "cart", &[(name, value)])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}={value}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(said), "{text}");
    }
    let output = command(dir.path(), "stable", &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn it_ends_with_the_code_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    for (fault, code) in [("crash_at_start", 1), ("exit_code:42", 42)] {
        let output = command(dir.path(), "store", &[("FAULT", fault)])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(code), "{fault}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("fatal"));
    }
    let mut shop = Shop::start(dir.path(), "store", &[("FAULT", "crash_after:200ms")]);
    assert_eq!(shop.ended().code(), Some(1));
}

#[test]
fn a_deadlocked_shop_lives_but_is_not_ready() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path(), "store", &[]);
    assert_eq!(shop.ask("GET", "/readyz", "").unwrap().0, 200);
    shop.switch("deadlock_after:0s");
    let brief = Duration::from_millis(300);
    eventually("it no longer answers", || {
        shop.ask_within("GET", "/readyz", "", brief).err()
    });
    assert!(shop.ask_within("GET", "/", "", brief).is_err());
    assert_eq!(shop.ask("GET", "/healthz", "").unwrap().0, 200);
    shop.switch("none");
    assert_eq!(shop.ask("GET", "/readyz", "").unwrap().0, 200);
}

#[test]
fn errors_come_in_the_share_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path(), "store", &[("FAULT", "errors:0.25")]);
    let failed = (0..40)
        .filter(|_| shop.ask("GET", "/", "").unwrap().0 == 500)
        .count();
    assert_eq!(failed, 10);
    assert_eq!(shop.ask("POST", "/fault", "fire").unwrap().0, 400);
}

#[test]
fn a_leak_takes_real_memory_and_gives_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path(), "store", &[]);
    let before = shop.resident_kib();
    shop.switch("leak:64Mi");
    eventually("it grew by 48 MiB", || {
        (shop.resident_kib() > before + (48 << 10)).then_some(())
    });
    shop.switch("none");
    eventually("it shrank", || {
        (shop.resident_kib() < before + (16 << 10)).then_some(())
    });
}

#[test]
fn a_slow_shop_is_slow() {
    let dir = tempfile::tempdir().unwrap();
    let shop = Shop::start(dir.path(), "store", &[("FAULT", "slow:300ms")]);
    let began = Instant::now();
    assert_eq!(shop.ask("GET", "/", "").unwrap().0, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn sigterm_ends_it_politely() {
    let dir = tempfile::tempdir().unwrap();
    let mut shop = Shop::start(dir.path(), "store", &[]);
    let killed = Command::new("kill")
        .arg(shop.child.id().to_string())
        .status()
        .unwrap();
    assert!(killed.success());
    shop.line("ended");
    assert_eq!(shop.ended().code(), Some(0));
}

#[test]
fn traffic_counts_what_works_and_what_fails() {
    let dir = tempfile::tempdir().unwrap();
    let store = Shop::start(dir.path(), "store", &[]);
    let target = store.url();
    let env = [
        ("TARGET", target.as_str()),
        ("RATE", "50"),
        ("REPORT_MS", "200"),
    ];
    let mut child = command(dir.path(), "traffic", &env).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    let mut traffic = Shop {
        child,
        lines,
        port: 0,
    };
    let worked = traffic.line("traffic");
    assert!(
        worked["ok"].as_u64().unwrap() > 0 && worked["p99_ms"].as_f64().unwrap() > 0.0,
        "{worked}"
    );
    assert_eq!(worked["failed"], 0);
    drop(store);
    let began = Instant::now();
    while traffic.line("traffic")["failed"] == 0 {
        assert!(began.elapsed() < PATIENCE, "failures are counted");
    }
}
