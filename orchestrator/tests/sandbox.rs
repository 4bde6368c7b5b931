//! Agents that try to get out, and agents that are a burden, in the sandbox that every agent has: this
//! file's own program is brought along as an agent and does what [`inside`] says.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test may stop at the first surprise, and the agent tells by its log"
)]

mod common;
mod inside;

use std::{
    fs,
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr, UnixListener},
        },
    },
    path::Path,
    time::{Duration, Instant},
};

use common::{Daemon, can_run_containers, hello, import_busybox};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);

/// A daemon with this program as the agent `prober`, told what to do by `doing`.
fn daemon_with_prober(doing: &str, host: &[(&str, String)]) -> Daemon {
    let mut env = json!({"PROBER_DOES": doing});
    for (name, value) in host {
        env[name] = json!(value);
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("prober");
    fs::create_dir_all(&folder).unwrap();
    // Under another name first: the program of another test's prober may be running.
    let fresh = tempfile::NamedTempFile::new_in(&folder).unwrap();
    fs::copy(std::env::current_exe().unwrap(), fresh.path()).unwrap();
    fs::set_permissions(fresh.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(
        fresh.into_temp_path().keep().unwrap(),
        folder.join("prober"),
    )
    .unwrap();
    let mut mounts = json!({"/prober": folder});
    // What it is linked with.
    for dir in ["/usr/lib", "/lib", "/lib64"] {
        if let Ok(source) = fs::canonicalize(dir) {
            mounts[dir] = json!(source);
        }
    }
    let program = json!({
        "command": ["/prober/prober", "--ignored", "--exact", "what_the_prober_does", "--nocapture", "--test-threads", "1"],
        "mounts": mounts,
        "env": env,
    });
    let config = json!({"agents": {"prober": {"program": program}}});
    Daemon::start_configured(&config.to_string(), "")
}

/// Not a test: the agent's program.
#[test]
#[ignore = "runs inside the sandbox that the other tests make"]
fn what_the_prober_does() {
    inside::run();
}

fn prober(daemon: &Daemon) -> Value {
    daemon.json(&["agents", "describe", "prober"])
}

fn ends(daemon: &Daemon, cause: &str) -> i64 {
    prober(daemon)["status"]["ends"][cause]
        .as_i64()
        .unwrap_or(0)
}

/// What the agent wrote so far that begins with `word`.
fn said(daemon: &Daemon, word: &str) -> Vec<String> {
    let logs = daemon.json(&["agents", "logs", "prober", "--tail", "500"]);
    let lines = logs["untrusted_lines"].as_array().unwrap();
    let texts = lines.iter().filter_map(|line| line["text"].as_str());
    texts
        .filter_map(|text| text.strip_prefix(word))
        .map(|rest| rest.trim().to_owned())
        .collect()
}

#[test]
fn nothing_leads_out_of_the_sandbox() {
    if !can_run_containers() {
        return;
    }
    // Things of the host that anybody here may use.
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("ostler-test-{}", std::process::id());
    let _socket = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
    let host = [
        ("PROBER_HOST_PID", std::process::id().to_string()),
        ("PROBER_HOST_DOOR", door.local_addr().unwrap().to_string()),
        ("PROBER_HOST_SOCKET", name),
        ("PROBER_HOST_FILE", file.path().display().to_string()),
    ];
    let daemon = daemon_with_prober("escape", &host);
    daemon.until("the prober is through", SOON, || {
        (!said(&daemon, "THROUGH").is_empty()).then_some(())
    });
    let (got_out, refused) = (said(&daemon, "GOT OUT"), said(&daemon, "REFUSED"));
    assert!(got_out.is_empty(), "{got_out:#?}\n{refused:#?}");
    let tried: usize = said(&daemon, "THROUGH").first().unwrap().parse().unwrap();
    assert_eq!(refused.len(), tried, "{refused:#?}");
    eprintln!(
        "{tried} ways out tried, all refused:\n{}",
        refused.join("\n")
    );
    assert!(tried >= 40, "{tried}");
}

/// A fleet beside a burdensome agent: one service that runs.
fn with_a_service(daemon: &Daemon) {
    import_busybox(daemon);
    let manifest = daemon.file("hello.yaml", &hello("hello", 1, 1, ""));
    daemon.cli(&["apply", "--yes", "-f", manifest.to_str().unwrap()]);
    daemon.until_state("hello", "healthy", SOON);
}

/// The service runs as it did, the daemon answers and did not grow with what it was sent.
fn nobody_noticed(daemon: &Daemon) {
    daemon.until_state("hello", "healthy", SOON);
    let instances = daemon.json(&["get", "instances"]);
    assert_eq!(instances["instances"][0]["attempt"], 1, "{instances}");
    let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: u64 = resident
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap()
        .parse()
        .unwrap();
    assert!(kib < 512 << 10, "the daemon grew to {kib} KiB");
}

fn burdened(doing: &str, cause: &str) {
    if !can_run_containers() {
        return;
    }
    let daemon = daemon_with_prober(doing, &[]);
    let began = Instant::now();
    let ended = |times: i64| {
        daemon.until(&format!("it ended as `{cause}`"), SOON, || {
            (ends(&daemon, cause) >= times).then_some(())
        });
    };
    ended(1);
    eprintln!("{doing}: ended as `{cause}` after {:?}", began.elapsed());
    with_a_service(&daemon);
    // Once more, while the service runs.
    ended(ends(&daemon, cause) + 1);
    nobody_noticed(&daemon);
}

#[test]
fn who_takes_more_memory_than_it_may_is_ended() {
    burdened("memory", "out_of_memory");
}

#[test]
fn who_is_too_busy_to_answer_is_ended() {
    burdened("busy", "hung");
}

#[test]
fn a_flood_waits_in_the_agents_own_buffers() {
    if !can_run_containers() {
        return;
    }
    let daemon = daemon_with_prober("flood", &[]);
    with_a_service(&daemon);
    let sent = || {
        said(&daemon, "SENT")
            .last()
            .and_then(|bytes| bytes.parse::<u64>().ok())
    };
    let before = daemon.until("it floods", SOON, sent);
    std::thread::sleep(Duration::from_secs(5));
    let rate = (sent().unwrap_or(before) - before) / 5;
    eprintln!("flood: {before} bytes at first, then {rate} bytes a second got through");
    nobody_noticed(&daemon);
    let began = Instant::now();
    daemon.cli(&["agents", "pause", "prober"]);
    daemon.until("the flood ends", SOON, || {
        prober(&daemon)["status"]["pid"].is_null().then_some(())
    });
    eprintln!("flood: ended by its pause after {:?}", began.elapsed());
}
