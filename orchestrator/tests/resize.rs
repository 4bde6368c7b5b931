//! Other limits for a container that runs: seen in its control groups, the same process, no restart,
//! known to the next daemon, taken back by undo, and refused where the kernel would have to kill.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use common::{Daemon, can_run_containers, hello, import_busybox};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(30);
const MIB: u64 = 1 << 20;

fn apply(daemon: &Daemon, manifest: &str) {
    let file = daemon.file("service.yaml", manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
}

fn instance(daemon: &Daemon, service: &str) -> Value {
    let all = daemon.json(&["get", "instances"]);
    let mut ours = all["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["service"] == format!("default/{service}"));
    let one = ours.next().unwrap().clone();
    assert!(ours.next().is_none(), "there is one: {all}");
    one
}

fn service(daemon: &Daemon) -> Value {
    daemon.json(&["get", "services"])["services"][0].clone()
}

/// The process and when it began, in the kernel's ticks since boot: a pid may be used again.
fn process(daemon: &Daemon, service: &str) -> (u64, String) {
    let pid = instance(daemon, service)["pid"].as_u64().unwrap();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let after_name = stat.rsplit(") ").next().unwrap();
    (pid, after_name.split(' ').nth(19).unwrap().to_owned())
}

/// A controller's file of a process, by its v1 or its v2 name, on whichever hierarchy it is.
fn cgroup_file(pid: u64, controller: &str, v1: &str, v2: &str) -> PathBuf {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let of = |wanted: &str| {
        groups.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':').unwrap().1.split_once(':').unwrap();
            let found = controllers.split(',').any(|name| name == wanted);
            found.then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = |kind: &str, option: &str| {
        mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            let right = after.next() == Some(kind)
                && (option.is_empty() || after.nth(1)?.split(',').any(|one| one == option));
            right.then(|| PathBuf::from(before.split(' ').nth(4).unwrap()))
        })
    };
    match of(controller).zip(mount("cgroup", controller)) {
        Some((path, root)) => root.join(path).join(v1),
        None => mount("cgroup2", "").unwrap().join(of("").unwrap()).join(v2),
    }
}

fn memory_limit(pid: u64) -> String {
    let file = cgroup_file(pid, "memory", "memory.limit_in_bytes", "memory.max");
    fs::read_to_string(file).unwrap().trim().to_owned()
}

fn cpu_limit(pid: u64) -> String {
    let file = cgroup_file(pid, "cpu", "cpu.cfs_quota_us", "cpu.max");
    let text = fs::read_to_string(file).unwrap();
    text.split_whitespace().next().unwrap().to_owned()
}

fn kinds(daemon: &Daemon) -> Vec<String> {
    let events = daemon.json(&["events"]);
    let events = events["events"].as_array().unwrap().iter();
    events
        .map(|event| event["what"]["kind"].as_str().unwrap().to_owned())
        .collect()
}

fn count(daemon: &Daemon, kind: &str) -> usize {
    kinds(daemon).iter().filter(|one| *one == kind).count()
}

/// Waits until the memory limit of the same process is so many bytes and the change has settled.
fn until_limited(daemon: &Daemon, name: &str, to: u64, same: &(u64, String)) {
    daemon.until(&format!("{name} is limited to {to}"), SOON, || {
        (memory_limit(same.0) == to.to_string()).then_some(())
    });
    assert_eq!(process(daemon, name), *same, "it is the same process");
    daemon.until_state(name, "healthy", SOON);
    let seen = instance(daemon, name);
    assert_eq!(
        (&seen["attempt"], &seen["generation"]),
        (&Value::from(1), &service(daemon)["generation"]),
        "{seen}"
    );
}

#[test]
fn limits_change_in_place_and_last() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = Daemon::start(false);
    import_busybox(&daemon);
    let extra = "  resources: {limits: {cpu: 500m, memory: 64Mi}}\n";
    apply(&daemon, &hello("hello", 1, 3, extra));
    daemon.until_state("hello", "healthy", SOON);
    let same = process(&daemon, "hello");
    assert_eq!(memory_limit(same.0), (64 * MIB).to_string());
    assert_eq!(cpu_limit(same.0), "50000");

    daemon.cli(&["limits", "hello", "--memory", "128Mi", "--cpu", "750m"]);
    until_limited(&daemon, "hello", 128 * MIB, &same);
    assert_eq!(cpu_limit(same.0), "75000");
    let told = daemon.cli(&["events"]);
    let words =
        "resized in place to generation 2: CPU limit 500m → 750m, memory limit 64Mi → 128Mi";
    assert!(told.contains(words), "{told}");

    // A daemon that dies with the change on its lips, and one that finds it done.
    daemon.cli(&["limits", "hello", "--memory", "96Mi"]);
    daemon.kill();
    daemon.run();
    until_limited(&daemon, "hello", 96 * MIB, &same);
    daemon.kill();
    daemon.run();
    until_limited(&daemon, "hello", 96 * MIB, &same);
    assert_eq!(count(&daemon, "resized"), 0, "it was known to be done");
    daemon.until("it settled", SOON, || {
        (service(&daemon)["settled"] == true).then_some(())
    });

    let changes = daemon.json(&["changes", "hello"]);
    let last = changes["changes"].as_array().unwrap().iter();
    let last = last.filter(|change| change["tool"] == "set_limits");
    let revision = last
        .max_by_key(|change| change["revision"].as_u64())
        .unwrap()["revision"]
        .clone();
    daemon.cli(&["undo", &revision.to_string()]);
    until_limited(&daemon, "hello", 128 * MIB, &same);
    for never in ["exited", "restarting", "stopping", "placed", "removed"] {
        assert_eq!(count(&daemon, never), 0, "{never}");
    }

    // What it got lasts over a crash too.
    let kill = Command::new("kill")
        .args(["-9", &same.0.to_string()])
        .status();
    assert!(kill.unwrap().success());
    let pid = daemon.until("it runs again", SOON, || {
        let now = instance(&daemon, "hello");
        (now["attempt"] == 2).then(|| now["pid"].as_u64())?
    });
    assert_eq!(memory_limit(pid), (128 * MIB).to_string());
    assert_eq!(cpu_limit(pid), "75000");
}

#[test]
fn a_limit_below_what_is_used_waits_and_kills_nothing() {
    if !can_run_containers() {
        return;
    }
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    let script = "x=xxxxxxxxxxxxxxxx; i=0; while [ $i -lt 20 ]; do x=$x$x; i=$((i+1)); done; \
                  trap 'exit 0' TERM; echo full; while :; do busybox sleep 1000 & wait $!; done";
    apply(
        &daemon,
        &format!(
            "apiVersion: ostler.dev/v1
kind: Service
metadata: {{name: hog}}
spec:
  image: busybox:test
  args: [sh, -c, \"{script}\"]
  resources: {{limits: {{memory: 64Mi}}}}
"
        ),
    );
    daemon.until("it holds 16 MiB", SOON, || {
        let log = daemon.try_cli(&["logs", "hog"]);
        String::from_utf8_lossy(&log.stdout)
            .contains("full")
            .then_some(())
    });
    daemon.until("it settled", SOON, || {
        (service(&daemon)["settled"] == true).then_some(())
    });
    let same = process(&daemon, "hog");

    daemon.cli(&["limits", "hog", "--memory", "8Mi"]);
    let waits = daemon.until("it is said that it waits", SOON, || {
        let found = service(&daemon)["findings"].as_array().unwrap().clone();
        found
            .into_iter()
            .find(|finding| finding["finding"] == "not_resized")
    });
    assert_eq!(waits["why"], "memory_in_use", "{waits}");
    assert_eq!(memory_limit(same.0), (64 * MIB).to_string());
    assert_eq!(process(&daemon, "hog"), same);
    assert_eq!(count(&daemon, "not_resized"), 1);
    let text = daemon.cli(&["describe", "service", "hog"]);
    assert!(
        text.contains("keeps its earlier resources: it uses more memory"),
        "{text}"
    );

    daemon.cli(&["limits", "hog", "--memory", "48Mi"]);
    until_limited(&daemon, "hog", 48 * MIB, &same);
    assert_eq!(count(&daemon, "exited"), 0);
}
