//! Create, start, wait for the end, delete: one container that runs `true`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use ostler_core::{
    id::{Generation, InstanceId},
    observed::Phase,
    spec::read_manifests,
    time::Time,
};
use ostler_runtime::{
    backend::{Backend, Order},
    image::{Content, LayoutFile, LayoutSpec, write_layout},
    youki::{YoukiBackend, YoukiConfig},
};

use crate::{heading, rootfs, row};

const RUNS: usize = 30;
/// The first argument of the bench when it measures from within a namespace.
pub const INSIDE: &str = "inside-namespace";
const THREE: &str = "three-commands";
const ONE: &str = "one-command";

/// Prints the table.
pub fn run() {
    heading("Create, start, wait, delete one container");
    let dir = tempfile::tempdir().unwrap();
    row(
        "Ostler's backend (no network, as the others)",
        ours(dir.path()),
    );
    let bundle = dir.path().join("bundle");
    rootfs::make(&bundle.join("rootfs"));
    if rootfs::installed("runc") {
        spec(&bundle);
        peer("runc", dir.path(), &bundle, three_commands, one_command);
    }
    if rootfs::installed("crun") {
        let hidden = |kind| {
            move |program: &str, root: &Path, bundle: &Path| hidden(kind, program, root, bundle)
        };
        peer("crun", dir.path(), &bundle, hidden(THREE), hidden(ONE));
    }
    if rootfs::installed("youki") {
        peer("youki", dir.path(), &bundle, three_commands, one_command);
    }
}

/// Two rows of one peer.
fn peer(
    program: &str,
    root: &Path,
    bundle: &Path,
    three: impl Fn(&str, &Path, &Path) -> Vec<Duration>,
    one: impl Fn(&str, &Path, &Path) -> Vec<Duration>,
) {
    let name = format!("{program}: create, start, delete");
    row(&name, three(program, root, bundle));
    row(&format!("{program} run"), one(program, root, bundle));
}

/// Measures from within a mount namespace without the unified control group tree: crun refuses
/// hybrid machines. The namespace is made once, so that it costs the peer nothing.
fn hidden(kind: &str, program: &str, root: &Path, bundle: &Path) -> Vec<Duration> {
    let hide = "mount -t tmpfs none /sys/fs/cgroup/unified 2>/dev/null; exec \"$0\" \"$@\"";
    let output = Command::new("unshare")
        .args(["-m", "--propagation", "private", "sh", "-c", hide])
        .arg(std::env::current_exe().unwrap())
        .args([INSIDE, kind, program])
        .args([root, bundle])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let times = text.lines().map(|line| line.parse().unwrap());
    times.map(Duration::from_nanos).collect()
}

/// What [`hidden`] runs: a time in nanoseconds a line.
pub fn inside(args: &[String]) {
    let [kind, program, root, bundle] = args else {
        return;
    };
    let measure = if kind == THREE {
        three_commands
    } else {
        one_command
    };
    for time in measure(program, Path::new(root), Path::new(bundle)) {
        println!("{}", time.as_nanos());
    }
}

fn ours(dir: &Path) -> Vec<Duration> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let backend = YoukiBackend::open(YoukiConfig::new(dir.join("state")))
            .await
            .unwrap();
        let program = LayoutFile {
            path: "/bin/busybox".to_owned(),
            content: Content::File("/bin/busybox".into()),
            mode: 0o755,
        };
        let image = LayoutSpec {
            files: vec![program],
            ..LayoutSpec::default()
        };
        write_layout(&dir.join("layout"), "busybox:bench", &image).unwrap();
        backend
            .import_image(&dir.join("layout"), None)
            .await
            .unwrap();
        let mut runs = Vec::new();
        for number in 0..RUNS {
            let instance: InstanceId = format!("bench-{number}").parse().unwrap();
            let began = Instant::now();
            backend.start(&order(&instance)).await.unwrap();
            until_ended(&backend, &instance).await;
            backend.remove(&instance).await.unwrap();
            runs.push(began.elapsed());
        }
        runs
    })
}

async fn until_ended(backend: &YoukiBackend, instance: &InstanceId) {
    loop {
        let seen = backend.list().await.unwrap();
        if seen
            .iter()
            .any(|one| &one.instance == instance && one.phase == Phase::Ended)
        {
            return;
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), backend.changed()).await;
    }
}

fn order(instance: &InstanceId) -> Order {
    let manifest = "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: {name: bench}\n\
                    spec: {image: 'busybox:bench', command: [/bin/busybox], args: ['true']}\n";
    let manifest = read_manifests(manifest).unwrap().remove(0);
    Order {
        instance: instance.clone(),
        service: manifest.key(),
        generation: Generation(1),
        attempt: 1,
        created_at: Time(0),
        spec: Arc::new(manifest.spec),
        secrets: BTreeMap::new(),
    }
}

/// The peers' own default spec, running `true` without a terminal.
fn spec(bundle: &Path) {
    assert!(
        Command::new("runc")
            .arg("spec")
            .current_dir(bundle)
            .status()
            .unwrap()
            .success()
    );
    let path = bundle.join("config.json");
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config["process"]["terminal"] = false.into();
    config["process"]["args"] = serde_json::json!(["/bin/true"]);
    config["process"]["rlimits"] = serde_json::json!([]);
    std::fs::write(&path, config.to_string()).unwrap();
}

fn runtime(program: &str, root: &Path, args: &[&str], bundle: &Path) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--root")
        .arg(root.join("peers"))
        .args(args)
        .current_dir(bundle);
    command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null());
    command
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap()
        .success()
}

fn three_commands(program: &str, root: &Path, bundle: &Path) -> Vec<Duration> {
    let once = |number: usize| {
        let id = format!("peer-{number}");
        let began = Instant::now();
        let created = runtime(program, root, &["create", "--bundle", ".", &id], bundle);
        let started = created && runtime(program, root, &["start", &id], bundle);
        let deleted = started && until_deleted(program, root, &id, bundle);
        deleted.then(|| began.elapsed())
    };
    (0..RUNS).filter_map(once).collect()
}

fn until_deleted(program: &str, root: &Path, id: &str, bundle: &Path) -> bool {
    (0..200).any(|_| runtime(program, root, &["delete", id], bundle))
}

fn one_command(program: &str, root: &Path, bundle: &Path) -> Vec<Duration> {
    let once = |number: usize| {
        let began = Instant::now();
        let ran = runtime(
            program,
            root,
            &["run", "--bundle", ".", &format!("one-{number}")],
            bundle,
        );
        ran.then(|| began.elapsed())
    };
    (0..RUNS).filter_map(once).collect()
}
