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
const LATER: Duration = Duration::from_secs(150);
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

/// Two that keep a part of a CPU busy, whatever they are given, and reserve more to begin with.
const BURNERS: &str = r#"apiVersion: ostler.dev/v1
kind: Service
metadata: { name: burner }
spec:
  image: busybox:test
  args: ["sh", "-c", "while :; do i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; usleep 20000; done"]
  replicas: { min: 2, max: 2 }
  resources: { requests: { cpu: 700m }, limits: { cpu: 700m } }
  scaling: { cpu: { min: 50m, max: 1200m, percent: 80 } }
"#;

/// Thousandths of a CPU that a process may use.
fn may_use(pid: u64) -> u64 {
    cpu_limit(pid).parse::<u64>().unwrap() / 100
}

fn burners(daemon: &Daemon) -> Vec<u64> {
    let all = daemon.json(&["get", "instances"]);
    let all = all["instances"].as_array().unwrap().iter();
    let mut pids: Vec<u64> = all.filter_map(|one| one["pid"].as_u64()).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn cpu_follows_the_load_and_who_is_left_takes_over_at_once() {
    if !can_run_containers() {
        return;
    }
    let mut daemon = Daemon::start(false);
    import_busybox(&daemon);
    apply(&daemon, BURNERS);
    daemon.until_state("burner", "healthy", SOON);
    let both = burners(&daemon);
    assert_eq!(both.len(), 2);
    daemon.until("both have what they need and no more", LATER, || {
        both.iter().all(|pid| may_use(*pid) < 600).then_some(())
    });
    assert_eq!(burners(&daemon), both, "nothing was restarted");
    let told = daemon.cli(&["describe", "service", "burner"]);
    assert!(told.contains("of CPU"), "{told}");

    // What an instance was given is known to the next daemon, and stays while nothing is measured.
    daemon.kill();
    daemon.run();
    daemon.until_state("burner", "healthy", SOON);
    let (left, killed) = (both[0], both[1]);
    let before = may_use(left);
    assert!(before < 600, "{before}");

    // The load of the dead one comes to the other: its share does, before anything is measured of that.
    let measured = daemon.until("something is measured", SOON, || {
        let told = daemon.json(&["describe", "service", "burner"]);
        told["scaling"]["cpu"]["cores"].as_f64()
    });
    kill(killed);
    daemon.until("the other has its share", SOON, || {
        (may_use(left) * 10 > before * 12).then_some(())
    });
    let seen = burners(&daemon);
    assert!(seen.contains(&left), "{left} was not restarted: {seen:?}");
    println!(
        "{measured:.2} CPUs in all; {before}m, {}m after the death",
        may_use(left)
    );
    daemon.cli(&["delete", "burner", "--yes"]);
}

fn kill(pid: u64) {
    let sent = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}
