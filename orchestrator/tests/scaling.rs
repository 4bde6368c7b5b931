//! Services that follow their load, in real containers: the demo's shop under a load that rises and
//! falls, and a service whose load a real Prometheus knows, until it is cut off.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    cmp::Ordering,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Daemon, can_run_containers, free_port, hello, import_busybox, import_shop};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const LATER: Duration = Duration::from_secs(180);
const SHOP: &str = include_str!("../../evals/shop/shop.yaml");
const TRAFFIC: &str = include_str!("../../evals/shop/traffic.yaml");

/// The shop's promise: see the frontend's objectives.
const OBJECTIVE_MS: f64 = 500.0;
/// Each frontend can serve 50 a second: its till takes 20 ms.
const RISES_AND_FALLS: &str =
    "20x15,30x12,40x12,50x12,60x12,70x12,80x12,90x12,100x30,80x12,60x12,40x12,20";

fn wanted(daemon: &Daemon, service: &str) -> u64 {
    let detail = daemon.json(&["describe", "service", service]);
    detail["summary"]["wanted"].as_u64().unwrap()
}

fn hold(daemon: &Daemon, service: &str) -> Value {
    daemon.json(&["describe", "service", service])["scaling"]["held"]["hold"].clone()
}

/// The shop with one frontend that may become eight, each with a till of its own.
fn shop() -> String {
    let changed = SHOP
        .replace(", publish: 8088", "")
        .replace(
            "CART_URL: \"http://cart:8080\"",
            "CART_URL: \"http://cart:8080\", TILL_MS: \"20\"",
        )
        .replace(
            "replicas: { min: 2, max: 6 }",
            "replicas: { min: 1, max: 8 }
  scaling:
    targets: [{ signal: requestRate, perInstance: 25 }]
    down: { window: 30s, every: 10s, factor: 2 }",
        );
    assert!(changed.contains("TILL_MS") && changed.contains("scaling:"));
    changed
}

fn traffic() -> String {
    let told = format!("RATE: \"{RISES_AND_FALLS}\", REPORT_MS: \"60000\"");
    let changed = TRAFFIC.replace("RATE: \"20\"", &told);
    assert!(changed.contains(RISES_AND_FALLS));
    changed
}

/// How often a series of numbers turned from rising to falling or back.
fn turns(series: &[u64]) -> usize {
    let mut ways: Vec<Ordering> = series
        .windows(2)
        .map(|pair| pair[1].cmp(&pair[0]))
        .collect();
    ways.retain(|way| way.is_ne());
    ways.dedup();
    ways.len().saturating_sub(1)
}

/// What the traffic said of each minute: 99th percentile in milliseconds, and failures.
fn reports(daemon: &Daemon) -> Vec<(f64, u64)> {
    let log = daemon.cli(&["logs", "traffic", "--tail", "500"]);
    let lines = log.lines().filter_map(|line| {
        let line = line.get(line.find('{')?..)?;
        serde_json::from_str::<Value>(line).ok()
    });
    let told = lines.filter(|line| line["ok"].as_u64().is_some_and(|ok| ok > 0));
    told.map(|line| {
        (
            line["p99_ms"].as_f64().unwrap(),
            line["failed"].as_u64().unwrap(),
        )
    })
    .collect()
}

#[test]
fn the_shop_follows_a_load_that_rises_and_falls() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_shop(&daemon);
    let file = daemon.file("shop.yaml", &shop());
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until_state("frontend", "healthy", SOON);
    let file = daemon.file("traffic.yaml", &traffic());
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    let mut seen = vec![wanted(&daemon, "frontend")];
    daemon.until("the peak is carried by four", LATER + SOON, || {
        seen.push(wanted(&daemon, "frontend"));
        (*seen.last().unwrap() >= 4).then_some(())
    });
    daemon.until("one carries what is left", LATER + SOON, || {
        seen.push(wanted(&daemon, "frontend"));
        (*seen.last().unwrap() == 1).then_some(())
    });
    assert_eq!(seen[0], 1);
    assert_eq!(turns(&seen), 1, "it flapped: {seen:?}");
    assert!(seen.iter().all(|wanted| *wanted <= 5), "{seen:?}");
    let reports = reports(&daemon);
    assert!(reports.len() >= 3, "{reports:?}");
    let kept = reports.iter().all(|(p99, _)| *p99 <= OBJECTIVE_MS);
    assert!(kept, "out of the objective: {reports:?}");
    let failed: u64 = reports.iter().map(|(_, failed)| failed).sum();
    assert_eq!(failed, 0, "{reports:?}");
    let by = daemon
        .json(&["audit", "list", "--limit", "500"])
        .to_string();
    assert!(by.contains("system-scales"), "{by}");
    daemon.cli(&["audit", "verify"]);
    eprintln!("replicas: {:?}; by the minute {reports:?}", dedup(seen));
}

fn dedup(mut series: Vec<u64>) -> Vec<u64> {
    series.dedup();
    series
}

/// A counter that grows at a rate that can be set, told as a Prometheus exposition.
struct Counter {
    rate: Arc<AtomicU64>,
    port: u16,
}

impl Counter {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let rate = Arc::new(AtomicU64::new(0));
        let (set, began) = (Arc::clone(&rate), Instant::now());
        thread::spawn(move || {
            let (mut count, mut last) = (0.0, began.elapsed());
            for stream in listener.incoming() {
                let now = began.elapsed();
                count += (now - last).as_secs_f64() * set.load(Relaxed) as f64;
                last = now;
                answer(&mut stream.unwrap(), count);
            }
        });
        Self { rate, port }
    }
}

fn answer(stream: &mut TcpStream, count: f64) {
    let mut asked = [0; 4096];
    let _ = stream.read(&mut asked);
    let body = format!("# TYPE orders_total counter\norders_total {count}\n");
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
}

/// A real Prometheus that scrapes the counter every second.
struct Prometheus {
    child: Child,
}

impl Prometheus {
    fn start(daemon: &Daemon, port: u16, counter: u16) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: orders, static_configs: [{{targets: ['127.0.0.1:{counter}']}}]}}]
"
        );
        let config = daemon.file("prometheus.yml", &config);
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                daemon.path("prometheus").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const FROM_PROMETHEUS: &str = "  scaling:
    targets: [{signal: requestRate, perInstance: 25}]
    queries: {requestRate: 'sum(rate(orders_total[15s]))'}
    down: {window: 30s, every: 5s, factor: 10}
";

#[test]
fn what_a_prometheus_knows_is_followed_and_a_cut_line_shrinks_nothing() {
    if !can_run_containers() {
        return;
    }
    if Command::new("prometheus")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: `prometheus` is not installed");
        return;
    }
    let (counter, port) = (Counter::start(), free_port());
    let daemon = Daemon::start_configured(&format!("prometheus: http://127.0.0.1:{port}\n"), "");
    let prometheus = Prometheus::start(&daemon, port, counter.port);
    counter.rate.store(90, Relaxed);
    import_busybox(&daemon);
    let file = daemon.file("hello.yaml", &hello("hello", 1, 6, FROM_PROMETHEUS));
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until("four carry the load", LATER, || {
        (wanted(&daemon, "hello") == 4).then_some(())
    });
    daemon.until_state("hello", "healthy", SOON);

    drop(prometheus);
    counter.rate.store(5, Relaxed);
    daemon.until("the cut is noticed", SOON, || {
        (hold(&daemon, "hello") == "stale").then_some(())
    });
    let told = daemon.json(&["status"]).to_string();
    assert!(told.contains("Prometheus cannot be asked"), "{told}");
    // Longer than the window that shrinking looks at.
    let until = Instant::now() + Duration::from_secs(45);
    while Instant::now() < until {
        assert_eq!(wanted(&daemon, "hello"), 4, "it shrank on nothing");
        thread::sleep(Duration::from_secs(1));
    }

    let _again = Prometheus::start(&daemon, port, counter.port);
    daemon.until("one is enough, now that it is known", LATER, || {
        (wanted(&daemon, "hello") == 1).then_some(())
    });
}
