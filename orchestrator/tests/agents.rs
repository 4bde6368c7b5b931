//! Agents that misbehave, seen from outside: the fleet does not notice, the supervisor acts.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use common::{Daemon, alive, can_run_containers, hello, import_busybox};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(40);

fn healer(daemon: &Daemon) -> Value {
    daemon.json(&["agents", "describe", "healer"])
}

/// The process of a run other than `before`.
fn running(daemon: &Daemon, before: Option<i64>) -> i64 {
    daemon.until("the healer runs", SOON, || {
        let agent = healer(daemon);
        let pid = agent["status"]["pid"].as_i64()?;
        (agent["status"]["state"] == "running" && Some(pid) != before).then_some(pid)
    })
}

fn signal(pid: i64, signal: &str) {
    let status = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

fn ends(daemon: &Daemon, cause: &str) -> i64 {
    healer(daemon)["status"]["ends"][cause]
        .as_i64()
        .unwrap_or(0)
}

#[test]
fn an_agent_that_dies_or_hangs_is_replaced_and_the_fleet_does_not_notice() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(true);
    import_busybox(&daemon);
    let manifest = daemon.file("hello.yaml", &hello("hello", 1, 3, ""));
    daemon.cli(&["apply", "--yes", "-f", manifest.to_str().unwrap()]);
    daemon.until_state("hello", "healthy", SOON);
    let first = running(&daemon, None);
    let began = Instant::now();
    signal(first, "-9");
    let second = running(&daemon, Some(first));
    eprintln!("killed: the next runs after {:?}", began.elapsed());
    assert_eq!(ends(&daemon, "killed"), 1);
    let began = Instant::now();
    signal(second, "-STOP");
    let third = running(&daemon, Some(second));
    eprintln!("stopped: the next runs after {:?}", began.elapsed());
    assert_eq!(ends(&daemon, "hung"), 1);
    assert!(!alive(i32::try_from(second).unwrap()) && alive(i32::try_from(third).unwrap()));
    let instances = daemon.json(&["get", "instances"]);
    assert_eq!(instances["instances"][0]["attempt"], 1, "{instances}");
    daemon.until_state("hello", "healthy", SOON);
}

#[test]
fn the_kill_switch_ends_a_hanging_agent_and_holds_until_resumed() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(true);
    let pid = running(&daemon, None);
    signal(pid, "-STOP");
    let began = Instant::now();
    daemon.cli(&["agents", "pause", "--all"]);
    daemon.until("its process is gone", Duration::from_secs(5), || {
        (!alive(i32::try_from(pid).unwrap())).then_some(())
    });
    eprintln!("kill switch: gone after {:?}", began.elapsed());
    assert_eq!(healer(&daemon)["paused"], true);
    assert_eq!(healer(&daemon)["status"]["ends"], serde_json::json!({}));
    daemon.cli(&["agents", "resume", "--all"]);
    running(&daemon, Some(pid));
}

#[test]
fn what_an_agent_sees_of_the_machine_is_its_program_and_its_line() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(true);
    let pid = running(&daemon, None);
    assert_eq!(healer(&daemon)["status"]["lodging"], "sandbox");
    let proc = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = proc("status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!(
        (field("Uid:").as_str(), field("NoNewPrivs").as_str()),
        ("65534", "1")
    );
    assert_eq!(field("Seccomp:"), "2", "a filter is in force");
    let interfaces = proc("net/dev");
    let names: Vec<&str> = interfaces
        .lines()
        .skip(2)
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        names.iter().map(|name| name.trim()).collect::<Vec<_>>(),
        ["lo"],
        "{interfaces}"
    );
    let root = proc("mountinfo");
    let root = root
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"))
        .unwrap();
    assert!(root.split(' ').nth(5).unwrap().starts_with("ro"), "{root}");
    let inside = Path::new("/proc").join(pid.to_string()).join("root");
    let mut seen: Vec<String> = fs::read_dir(inside.join("run/ostler"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    seen.sort();
    assert_eq!(seen, ["mcp.sock"]);
    for kind in ["net", "pid", "mnt", "ipc", "uts"] {
        let of = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
        assert_ne!(of(&pid.to_string()), of("self"), "{kind}");
    }
    let logs = daemon.json(&["agents", "logs", "healer"]);
    assert!(logs["untrusted_lines"].is_array(), "{logs}");
}
