//! kill -9 of a container's main process until it runs again, seen from outside: the new process.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::{
    common::{Daemon, hello, import_busybox},
    heading,
    podman::Podman,
    rootfs, row,
};

const RUNS: usize = 15;

/// Prints the table.
pub fn run() {
    heading("kill -9 of the main process → running again");
    row("Ostler, with network, image mounts and probes", ours());
    if rootfs::installed("podman") && rootfs::installed("runc") {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("rootfs");
        rootfs::make(&root);
        let podman = Podman {
            storage: dir.path(),
            rootfs: &root,
        };
        row("podman --restart=always, no network", theirs(&podman));
    }
}

fn ours() -> Vec<Duration> {
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    // A good run is short here, so that every crash is the first of its streak and restarted at once.
    let manifest = hello("crash", 1, 1, "  restart: {resetAfter: 100ms}\n");
    let file = daemon.file("crash.yaml", &manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until_state("crash", "healthy", Duration::from_secs(30));
    (0..RUNS)
        .map(|_| {
            let pid = running_pid(&daemon);
            let (began, cgroup) = (Instant::now(), cgroup_of(pid));
            kill(pid);
            let again = until_new_process(&cgroup, pid, began);
            std::thread::sleep(Duration::from_millis(300));
            again
        })
        .collect()
}

fn running_pid(daemon: &Daemon) -> i32 {
    daemon.until("the instance runs", Duration::from_secs(30), || {
        let all = daemon.json(&["get", "instances"]);
        let one = &all["instances"][0];
        (one["phase"]["phase"] == "running").then(|| one["pid"].as_i64().unwrap() as i32)
    })
}

/// The file that lists the processes of a process's memory control group.
fn cgroup_of(pid: i32) -> std::path::PathBuf {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut parts = lines.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        Some((
            controllers.to_owned(),
            path.trim_start_matches('/').to_owned(),
        ))
    });
    let all: Vec<(String, String)> = parts.by_ref().collect();
    let v1 = all.iter().find(|(controllers, _)| controllers == "memory");
    let (base, path) = match v1 {
        Some((_, path)) => ("/sys/fs/cgroup/memory", path),
        None => ("/sys/fs/cgroup", &all[0].1),
    };
    std::path::Path::new(base).join(path).join("cgroup.procs")
}

/// Waits until the group holds a process that has been exec'd into the workload.
fn until_new_process(cgroup: &std::path::Path, old: i32, began: Instant) -> Duration {
    loop {
        let pids = std::fs::read_to_string(cgroup).unwrap_or_default();
        for pid in pids
            .lines()
            .filter_map(|pid| pid.parse::<i32>().ok())
            .filter(|pid| *pid != old)
        {
            let program =
                std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if program.starts_with("/bin/busybox") {
                return began.elapsed();
            }
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "it did not come back"
        );
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn theirs(podman: &Podman<'_>) -> Vec<Duration> {
    podman.start("crash", "none", "always");
    let runs = (0..RUNS)
        .map(|_| {
            let pid = podman.pid("crash").unwrap();
            let began = Instant::now();
            kill(pid);
            until_podman_again(podman, pid, began)
        })
        .collect();
    podman.clear();
    runs
}

/// podman's containers are known by their parent, conmon: the new process is looked for by name.
fn until_podman_again(podman: &Podman<'_>, old: i32, began: Instant) -> Duration {
    loop {
        let output = Command::new("pgrep")
            .args(["-x", "-f", "/bin/sleep 3600"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text
            .lines()
            .filter_map(|pid| pid.parse::<i32>().ok())
            .any(|pid| pid != old)
        {
            let again = began.elapsed();
            while podman.pid("crash").is_none_or(|pid| pid == old) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return again;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "podman's container did not come back"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn kill(pid: i32) {
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(pid),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
}
