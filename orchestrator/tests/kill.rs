//! The daemon is killed at random moments while changes are made: no container stops, no
//! acknowledged change is lost, what was half done is finished.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Daemon, alive, can_run_containers, hello, import_busybox};
use rand::{RngExt, SeedableRng, rngs::StdRng};

/// How often the daemon is killed.
const KILLS: usize = 100;

#[test]
fn a_hundred_kills_lose_nothing() {
    if !can_run_containers() {
        return;
    }
    let seed = std::env::var("OSTLER_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    eprintln!("OSTLER_SEED={seed}");
    let mut chance = StdRng::seed_from_u64(seed);
    let mut daemon = Daemon::start(false);
    import_busybox(&daemon);
    let steady = daemon.file("steady.yaml", &hello("steady", 2, 2, ""));
    let moving = daemon.file("moving.yaml", &hello("moving", 1, 6, ""));
    daemon.cli(&["apply", "--yes", "-f", steady.to_str().unwrap()]);
    daemon.cli(&["apply", "--yes", "-f", moving.to_str().unwrap()]);
    daemon.until_state("steady", "healthy", Duration::from_secs(30));
    let pids = pids_of(&daemon, "steady");
    assert_eq!(pids.len(), 2);

    let mut acknowledged = 1;
    for kill in 0..KILLS {
        let wanted: u32 = chance.random_range(1..=6);
        let patience = Duration::from_millis(chance.random_range(0..250));
        let mut client = daemon.command(&["scale", "moving", &wanted.to_string()]);
        let mut client = client
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(patience);
        daemon.kill();
        let answered = client.wait().unwrap().success();
        daemon.run();
        let kept = wanted_of(&daemon, "moving");
        if answered {
            assert_eq!(kept, wanted, "kill {kill}: an acknowledged change was lost");
        } else {
            assert!(
                kept == wanted || kept == acknowledged,
                "kill {kill}: {kept} is neither {wanted} nor {acknowledged}"
            );
        }
        acknowledged = kept;
        for (instance, pid) in &pids {
            assert!(alive(*pid), "kill {kill}: instance {instance} stopped");
        }
    }
    daemon.until("moving runs as wanted", Duration::from_secs(60), || {
        (pids_of(&daemon, "moving").len() == acknowledged as usize).then_some(())
    });
    assert_eq!(
        pids_of(&daemon, "steady"),
        pids,
        "the steady instances are the same processes"
    );
    daemon.cli(&["audit", "verify"]);
    eprintln!("{KILLS} kills, 0 lost");
}

fn wanted_of(daemon: &Daemon, service: &str) -> u32 {
    let services = daemon.json(&["get", "services"]);
    let found = services["services"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["service"] == format!("default/{service}"));
    u32::try_from(found.unwrap()["wanted"].as_u64().unwrap()).unwrap()
}

fn pids_of(daemon: &Daemon, service: &str) -> BTreeMap<String, i32> {
    let instances = daemon.json(&["get", "instances"]);
    let ours = instances["instances"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| {
            one["service"] == format!("default/{service}") && one["phase"]["phase"] == "running"
        });
    ours.map(|one| {
        (
            one["instance"].as_str().unwrap().to_owned(),
            one["pid"].as_i64().unwrap() as i32,
        )
    })
    .collect()
}
