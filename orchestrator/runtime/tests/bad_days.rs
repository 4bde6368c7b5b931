//! Shims, daemons and groups that are killed: what ran is ended or taken over, what is left is taken
//! away, and the next start works.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

mod common;

use std::{fs, path::Path, time::Duration};

use common::{Fixture, IMAGE, order, until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ostler_core::{
    id::InstanceId,
    observed::Phase,
    spec::{Stop, StopSignal},
    time::Span,
};
use ostler_runtime::{
    backend::{Backend, BackendError, ExecOrder, Order, Seen, StopCause},
    network::Network,
    youki::{YoukiBackend, YoukiConfig},
};
use tokio::runtime::Runtime;

/// What an instance of these tests runs.
fn sleeper(id: &str) -> Order {
    let spec = serde_json::json!({"image": IMAGE, "command": ["sleep", "1000"]});
    order(id, &spec)
}

fn shim_of(it: &Fixture, order: &Order) -> Pid {
    let text = fs::read(it.instance_dir(order).join("running.json")).unwrap();
    let running: serde_json::Value = serde_json::from_slice(&text).unwrap();
    Pid::from_raw(i32::try_from(running["shim"].as_i64().unwrap()).unwrap())
}

fn exists(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}/root")).exists()
        && fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn ended(it: &Fixture, order: &Order, ends: usize) -> Seen {
    until("it ended", async || {
        let seen = it.seen(order).await?;
        (seen.phase == Phase::Ended && seen.exits.len() == ends).then_some(seen)
    })
    .await
}

/// A daemon's life: its own runtime, whose tasks all end with it.
fn life<T>(work: impl AsyncFnOnce() -> T) -> T {
    let runtime = Runtime::new().unwrap();
    let made = runtime.block_on(work());
    runtime.shutdown_timeout(Duration::from_secs(5));
    made
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_shim_ends_its_container_and_the_next_attempt_runs() {
    let test = "a_killed_shim_ends_its_container_and_the_next_attempt_runs";
    let Some(it) = Fixture::new(test, 1).await else {
        return;
    };
    let mut orders: Vec<Order> = ["one", "two", "three"].map(sleeper).into();
    for attempt in 1..=3 {
        for order in &mut orders {
            order.attempt = attempt;
        }
        let starts = orders.iter().map(|order| it.backend().start(order));
        let started = futures::future::try_join_all(starts).await.unwrap();
        for order in &orders {
            kill(shim_of(&it, order), Signal::SIGKILL).unwrap();
        }
        for (order, started) in orders.iter().zip(started) {
            let seen = ended(&it, order, attempt as usize).await;
            let exit = seen.exits.last().unwrap();
            // Nobody saw how it ended, and nobody pretends to know.
            assert_eq!((exit.code, exit.signal, exit.asked), (None, None, false));
            assert!(!exists(started.pid.unwrap()), "the container still runs");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_in_which_newborns_are_killed_is_entered_another_way() {
    let test = "a_group_in_which_newborns_are_killed_is_entered_another_way";
    let Some(it) = Fixture::new(test, 2).await else {
        return;
    };
    let mut order = sleeper("cursed");
    let started = it.backend().start(&order).await.unwrap();
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", started.pid.unwrap())).unwrap();
    let place = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let all = |root| {
        Path::new(root)
            .join(place.unwrap().trim_start_matches('/'))
            .join("cgroup.kill")
    };
    let Some(file) = roots.map(all).into_iter().find(|file| file.exists()) else {
        eprintln!("SKIPPED: {test}: there is no v2 hierarchy with cgroup.kill");
        return;
    };
    fs::write(file, "1").unwrap();
    assert_eq!(ended(&it, &order, 1).await.exits[0].signal, Some(9));
    order.attempt = 2;
    it.backend().start(&order).await.unwrap();
    assert_eq!(it.run(&order, &["sh", "-c", "echo here"]).await, "here");
}

#[test]
fn an_end_that_no_daemon_saw_is_on_record() {
    let test = "an_end_that_no_daemon_saw_is_on_record";
    let Some(mut it) = life(async || Fixture::new(test, 3).await) else {
        return;
    };
    let order = sleeper("unseen");
    it.backend = None;
    let config = it.config.clone();
    let started = life(async || {
        let backend = YoukiBackend::open(config.clone()).await.unwrap();
        backend.start(&order).await.unwrap()
    });
    kill(shim_of(&it, &order), Signal::SIGKILL).unwrap();
    assert!(exists(started.pid.unwrap()), "it outlives daemon and shim");
    life(async || {
        it.backend = Some(YoukiBackend::open(config).await.unwrap());
        let seen = ended(&it, &order, 1).await;
        assert_eq!((seen.attempt, seen.exits[0].attempt), (1, 1));
        assert!(!exists(started.pid.unwrap()));
        let mut next = order.clone();
        next.attempt = 2;
        it.backend().start(&next).await.unwrap();
        // While its runtime lives: nobody else follows what runs.
        drop(it);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_on_the_network_without_an_instance_is_taken_away() {
    let test = "a_place_on_the_network_without_an_instance_is_taken_away";
    let Some(mut it) = Fixture::new(test, 4).await else {
        return;
    };
    let kept = sleeper("kept");
    it.backend().start(&kept).await.unwrap();
    let lost = InstanceId::new("lost").unwrap();
    it.backend = None;
    let network = Network::open(it.config.network.clone().unwrap())
        .await
        .unwrap();
    let place = network.attach(&lost).await.unwrap();
    assert!(place.netns.exists());
    drop(network);
    it.backend = Some(YoukiBackend::open(it.config.clone()).await.unwrap());
    assert!(!place.netns.exists(), "the namespace is still named");
    let network = it.backend().network().unwrap();
    assert_eq!(network.address(&lost), None);
    assert!(network.address(&kept.instance).is_some());
    assert_eq!(it.run(&kept, &["sh", "-c", "echo here"]).await, "here");
}

#[test]
fn a_shim_that_does_not_answer_is_ended_and_named() {
    let test = "a_shim_that_does_not_answer_is_ended_and_named";
    let Some(mut it) = life(async || Fixture::new(test, 5).await) else {
        return;
    };
    let order = sleeper("deaf");
    it.backend = None;
    let config = YoukiConfig {
        birth: Duration::from_millis(300),
        ..it.config.clone()
    };
    let started = life(async || {
        let backend = YoukiBackend::open(it.config.clone()).await.unwrap();
        backend.start(&order).await.unwrap()
    });
    kill(shim_of(&it, &order), Signal::SIGSTOP).unwrap();
    life(async || {
        it.backend = Some(YoukiBackend::open(config).await.unwrap());
        let notices = it.backend().notices();
        let named = notices
            .iter()
            .any(|notice| notice.instance == order.instance);
        assert!(named, "{notices:?}");
        assert!(it.backend().notices().is_empty(), "each is told once");
        ended(&it, &order, 1).await;
        assert!(!exists(started.pid.unwrap()));
        it.config.birth = Duration::from_secs(60);
        it.backend = Some(YoukiBackend::open(it.config.clone()).await.unwrap());
        let mut next = order.clone();
        next.attempt = 2;
        it.backend().start(&next).await.unwrap();
        drop(it);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_named_and_its_container_ended() {
    let test = "a_record_that_cannot_be_read_is_named_and_its_container_ended";
    let Some(mut it) = Fixture::new(test, 6).await else {
        return;
    };
    let order = sleeper("scribbled");
    let started = it.backend().start(&order).await.unwrap();
    fs::write(it.instance_dir(&order).join("instance.json"), "{").unwrap();
    it.backend = Some(YoukiBackend::open(it.config.clone()).await.unwrap());
    let notices = it.backend().notices();
    assert!(
        notices
            .iter()
            .any(|notice| notice.instance == order.instance)
    );
    assert!(it.seen(&order).await.is_none());
    assert!(!exists(started.pid.unwrap()), "it runs unknown to everyone");
    assert!(!it.instance_dir(&order).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shim_that_sees_no_end_does_not_hold_up_a_stop() {
    let test = "a_shim_that_sees_no_end_does_not_hold_up_a_stop";
    let Some(mut it) = Fixture::new(test, 7).await else {
        return;
    };
    it.config.settle = Duration::from_millis(200);
    it.backend = Some(YoukiBackend::open(it.config.clone()).await.unwrap());
    let order = sleeper("stuck");
    let started = it.backend().start(&order).await.unwrap();
    kill(shim_of(&it, &order), Signal::SIGSTOP).unwrap();
    let stop = Stop {
        signal: Some(StopSignal::Kill),
        grace: Span(0),
    };
    let stopped = it.backend().stop(&order.instance, &stop, StopCause::Asked);
    stopped.await.unwrap();
    let seen = it.seen(&order).await.unwrap();
    assert!(
        seen.phase == Phase::Ended && seen.exits[0].asked,
        "{seen:?}"
    );
    assert!(!exists(started.pid.unwrap()));
    it.backend().remove(&order.instance).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_out_of_time_leaves_nothing_running() {
    let test = "a_command_out_of_time_leaves_nothing_running";
    let Some(it) = Fixture::new(test, 8).await else {
        return;
    };
    let order = sleeper("patient");
    it.backend().start(&order).await.unwrap();
    // A child, and an orphan that the command no longer knows.
    let script = "(sleep 7001 & exec sleep 0) & sleep 7002 & sleep 7003";
    let command = ExecOrder {
        command: ["sh", "-c", script].map(str::to_owned).into(),
        input: Vec::new(),
        timeout: Duration::from_millis(500),
        output_limit: 4096,
    };
    let ran = it.backend().exec(&order.instance, &command).await;
    assert!(matches!(ran, Err(BackendError::Timeout { .. })), "{ran:?}");
    let script = "for f in /proc/[0-9]*/cmdline; do cat $f; echo; done";
    let left = it.run(&order, &["sh", "-c", script]).await;
    assert!(!left.contains("700"), "{left}");
    assert!(
        left.contains("sleep\01000"),
        "the workload is another matter: {left}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_says_by_which_signal_it_wants_to_be_stopped() {
    let test = "an_image_says_by_which_signal_it_wants_to_be_stopped";
    let Some(it) = Fixture::new(test, 9).await else {
        return;
    };
    let script =
        "trap 'exit 10' USR1; trap 'exit 15' TERM; echo ready; while :; do sleep 1 & wait $!; done";
    let spec = serde_json::json!({"image": IMAGE, "command": ["sh", "-c", script]});
    for (id, signal, code) in [
        ("as-image", None, 10),
        ("as-asked", Some(StopSignal::Term), 15),
    ] {
        let order = order(id, &spec);
        it.backend().start(&order).await.unwrap();
        until("it handles signals", async || {
            let log = it.instance_dir(&order).join("log");
            let mut files = fs::read_dir(log).unwrap().flatten();
            files.find(|file| fs::read_to_string(file.path()).unwrap().contains("ready"))
        })
        .await;
        let stop = Stop {
            signal,
            grace: Span::seconds(30),
        };
        it.backend()
            .stop(&order.instance, &stop, StopCause::Asked)
            .await
            .unwrap();
        assert_eq!(
            ended(&it, &order, 1).await.exits[0].code,
            Some(code),
            "{id}"
        );
    }
}
