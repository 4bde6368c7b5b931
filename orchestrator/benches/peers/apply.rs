//! From an accepted change to running: 1, 20 and 100 containers with network.

use std::time::{Duration, Instant};

use crate::{
    common::{Daemon, hello, import_busybox},
    heading,
    podman::Podman,
    rootfs, row,
};

/// Prints the table.
pub fn run() {
    heading("apply accepted → running");
    for (count, repeats) in [(1, 10), (20, 5), (100, 2)] {
        row(
            &format!("Ostler, {count} with network"),
            (0..repeats).map(|_| ours(count)).collect(),
        );
    }
    if rootfs::installed("podman") && rootfs::installed("runc") {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("rootfs");
        rootfs::make(&root);
        let podman = Podman {
            storage: dir.path(),
            rootfs: &root,
        };
        for (count, repeats) in [(1, 5), (20, 2), (100, 1)] {
            row(
                &format!("podman run -d, {count} in parallel, no network"),
                (0..repeats).map(|_| theirs(&podman, count)).collect(),
            );
        }
    }
}

/// The daemon's own events say when the change was accepted and when the last instance ran.
fn ours(count: usize) -> Duration {
    let daemon = Daemon::start(false);
    import_busybox(&daemon);
    let manifest = hello("many", u32::try_from(count).unwrap(), 100, "");
    let file = daemon.file("many.yaml", &manifest);
    daemon.cli(&["apply", "--yes", "-f", file.to_str().unwrap()]);
    daemon.until("all of them run", Duration::from_secs(120), || {
        let services = daemon.json(&["get", "services"]);
        (services["services"][0]["running"] == count).then_some(())
    });
    let events = daemon.json(&["events", "--limit", "2000"]);
    let events = events["events"].as_array().unwrap();
    let at = |kind: &str, last: bool| {
        let mut times = events
            .iter()
            .filter(|event| event["what"]["kind"] == kind)
            .map(|event| event["at"].as_u64().unwrap());
        if last { times.max() } else { times.next() }
    };
    Duration::from_millis(at("started", true).unwrap() - at("changed", false).unwrap())
}

fn theirs(podman: &Podman<'_>, count: usize) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..count {
            scope.spawn(move || podman.start(&format!("many-{number}"), "none", "no"));
        }
    });
    let took = began.elapsed();
    podman.clear();
    took
}
