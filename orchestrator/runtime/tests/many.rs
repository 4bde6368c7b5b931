//! Three hundred containers at once on one machine: all run, each answers, nothing of them is left.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

mod common;

use std::{fs, path::Path};

use common::{IMAGE, busybox, config, order};
use futures::{StreamExt, TryStreamExt, stream};
use ostler_core::{
    observed::Phase,
    spec::{Stop, StopSignal},
    time::Span,
};
use ostler_runtime::{
    backend::{Backend, ExecOrder, Order, StopCause},
    limits,
    youki::YoukiBackend,
};

const COUNT: usize = 300;
/// As many as the daemon starts at once.
const AT_ONCE: usize = 16;
/// What a container may open, whatever this process may.
const FILES: &str = "Max open files";

/// Takes everything away, also after a failure.
async fn clear(backend: &YoukiBackend) {
    let stop = Stop {
        signal: Some(StopSignal::Kill),
        grace: Span(0),
    };
    let all = backend.list().await.unwrap();
    let ended = stream::iter(all).map(|seen| {
        let stop = &stop;
        async move {
            backend.stop(&seen.instance, stop, StopCause::Asked).await?;
            backend.remove(&seen.instance).await
        }
    });
    let ended: Vec<_> = ended.buffer_unordered(AT_ONCE).collect().await;
    let closed = backend.close().await;
    ended
        .into_iter()
        .chain([closed])
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
}

async fn run_all(backend: &YoukiBackend, orders: &[Order]) -> Result<(), String> {
    let started = stream::iter(orders).map(|order| async move {
        let started = backend
            .start(order)
            .await
            .map_err(|problem| format!("{problem:?}"))?;
        Ok::<_, String>((started.pid, started.address))
    });
    let mut started: Vec<_> = started.buffer_unordered(AT_ONCE).try_collect().await?;
    started.sort_unstable();
    started.dedup_by_key(|(_, address)| *address);
    let all = backend.list().await.map_err(|error| error.to_string())?;
    let running = all
        .iter()
        .filter(|seen| seen.phase == Phase::Running)
        .count();
    if (running, started.len()) != (COUNT, COUNT) {
        return Err(format!("{running} run with {} addresses", started.len()));
    }
    let pid = started.iter().find_map(|(pid, _)| *pid).unwrap_or_default();
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let files = limits.lines().find_map(|line| line.strip_prefix(FILES));
    let soft = files.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    if soft.is_none_or(|soft| soft > 65_536) {
        return Err(format!("a container may open {soft:?} files"));
    }
    let asked = stream::iter(orders).map(|order| async move {
        let command = ExecOrder {
            command: vec!["true".to_owned()],
            input: Vec::new(),
            timeout: common::PATIENCE,
            output_limit: 100,
        };
        let ran = backend.exec(&order.instance, &command).await;
        match ran {
            Ok(ran) if ran.code == 0 => Ok(()),
            other => Err(format!("{}: {other:?}", order.instance)),
        }
    });
    asked.buffer_unordered(AT_ONCE).try_collect().await
}

/// Lines of a kernel's file, and command lines of processes, in which our directory is named.
fn traces(root: &Path) -> Vec<String> {
    let root = root.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mut found: Vec<String> = mounts.lines().map(str::to_owned).collect();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        found.extend(fs::read_to_string(entry.path().join("cmdline")));
    }
    found.retain(|text| text.contains(&root));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_live_at_once_and_leave_nothing() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: three hundred containers were NOT run, since containers need root");
        return;
    }
    limits::raise_open_files().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), 0);
    let parent = format!("ostler-many-{}", std::process::id());
    config.cgroup_parent = Some(parent.clone().into());
    let network = config.network.as_mut().unwrap();
    let [first, second, third, _] = network.subnet.0.octets();
    network.subnet = ([first, second, third & 0xf8, 0].into(), 21);
    let netns = network.state_root.join("netns");
    let backend = YoukiBackend::open(config.clone()).await.unwrap();
    busybox(&dir.path().join("layout"), IMAGE);
    backend
        .import_image(&dir.path().join("layout"), None)
        .await
        .unwrap();
    let spec = serde_json::json!({"image": IMAGE, "command": ["sleep", "1000"]});
    let orders: Vec<Order> = (0..COUNT)
        .map(|number| order(&format!("many-{number}"), &spec))
        .collect();

    let ran = run_all(&backend, &orders).await;
    clear(&backend).await;
    ran.unwrap();

    assert_eq!(
        fs::read_dir(dir.path().join("state/instances"))
            .unwrap()
            .count(),
        0
    );
    assert!(!netns.exists(), "namespaces are left");
    // A shim ends a moment after its container.
    common::until("every shim is gone", async || {
        traces(dir.path()).is_empty().then_some(())
    })
    .await;
    for root in fs::read_dir("/sys/fs/cgroup").unwrap().flatten() {
        assert!(!root.path().join(&parent).exists(), "{root:?} keeps groups");
    }
}
