//! What tests of the youki backend share: an image without a registry, and a place of their own.

#![expect(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "each test file uses a part of this; a test stops at the first surprise"
)]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ostler_core::{
    id::{Generation, InstanceId},
    spec::{Stop, StopSignal},
    time::{Span, Time},
};
use ostler_runtime::{
    backend::{Backend, ExecOrder, Order, Seen, StopCause},
    image::{Content, LayoutFile, LayoutSpec, write_layout},
    network::NetworkConfig,
    youki::{YoukiBackend, YoukiConfig},
};

/// The image that every fixture has.
pub const IMAGE: &str = "tests/busybox:1";
/// Longest wait for anything.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Writes an image of busybox to `dir`, with a user `web` who is in the group `logs` too.
pub fn busybox(dir: &Path, name: &str) {
    let links = ["sh", "sleep", "cat", "stat", "touch", "true", "kill", "id"];
    let file = |path: &str, content, mode| LayoutFile {
        path: path.to_owned(),
        content,
        mode,
    };
    let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let program = || Content::File("/bin/busybox".into());
    let mut files: Vec<LayoutFile> = links
        .iter()
        .map(|name| file(&format!("/bin/{name}"), program(), 0o755))
        .collect();
    files.push(file(
        "/etc/passwd",
        bytes("web:x:101:102::/:/bin/sh\n"),
        0o644,
    ));
    files.push(file("/etc/group", bytes("logs:x:104:web\n"), 0o644));
    let layout = LayoutSpec {
        files,
        dirs: vec![("/tmp".to_owned(), 0o1777)],
        stop_signal: Some("SIGUSR1".to_owned()),
        ..LayoutSpec::default()
    };
    write_layout(dir, name, &layout).unwrap();
}

/// A directory, groups, bridge and subnet that no other run, and no other `number`, has.
pub fn config(root: &Path, number: u8) -> YoukiConfig {
    let unique = std::process::id();
    let [_, _, high, low] = unique.to_be_bytes();
    let mut config = YoukiConfig::new(root.join("state"));
    // Names without a registry are local ones: the test needs no other machine.
    config.images.default_registry = None;
    config.network = Some(NetworkConfig {
        state_root: root.join("network"),
        bridge: format!("oc{unique}n{number}"),
        subnet: ([10, 224 | high, low, number << 4].into(), 28),
    });
    config
}

/// A backend of its own for one test; what runs is taken away also when the test fails.
pub struct Fixture {
    /// `None` while no daemon is alive.
    pub backend: Option<YoukiBackend>,
    pub config: YoukiConfig,
    dir: tempfile::TempDir,
}

impl Fixture {
    pub async fn new(test: &str, number: u8) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: {test} was NOT run, since containers need root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), number);
        let backend = YoukiBackend::open(config.clone()).await.unwrap();
        busybox(&dir.path().join("layout"), IMAGE);
        backend
            .import_image(&dir.path().join("layout"), None)
            .await
            .unwrap();
        Some(Self {
            backend: Some(backend),
            config,
            dir,
        })
    }

    pub fn backend(&self) -> &YoukiBackend {
        self.backend.as_ref().unwrap()
    }

    pub fn instance_dir(&self, order: &Order) -> PathBuf {
        self.dir
            .path()
            .join("state/instances")
            .join(order.instance.as_str())
    }

    pub async fn seen(&self, order: &Order) -> Option<Seen> {
        let all = self.backend().list().await.unwrap();
        all.into_iter().find(|seen| seen.instance == order.instance)
    }

    pub async fn run(&self, order: &Order, command: &[&str]) -> String {
        let command = ExecOrder {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            input: Vec::new(),
            timeout: PATIENCE,
            output_limit: 4096,
        };
        let ran = self
            .backend()
            .exec(&order.instance, &command)
            .await
            .unwrap();
        assert_eq!(ran.code, 0, "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    }

    async fn clear(backend: &YoukiBackend) {
        let stop = Stop {
            signal: Some(StopSignal::Kill),
            grace: Span(0),
        };
        for seen in backend.list().await.unwrap_or_default() {
            drop(backend.stop(&seen.instance, &stop, StopCause::Asked).await);
            drop(backend.remove(&seen.instance).await);
        }
        drop(backend.close().await);
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let (backend, config) = (self.backend.take(), self.config.clone());
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            drop(backend);
            runtime.block_on(async {
                Self::clear(&YoukiBackend::open(config).await.unwrap()).await;
            });
        });
        if cleaning.join().is_err() {
            eprintln!("what a test made could not be taken away");
        }
    }
}

pub fn order(id: &str, spec: &serde_json::Value) -> Order {
    Order {
        instance: InstanceId::new(id).unwrap(),
        service: "tests/web".parse().unwrap(),
        generation: Generation(1),
        attempt: 1,
        created_at: Time(1),
        spec: Arc::new(serde_json::from_value(spec.clone()).unwrap()),
        secrets: BTreeMap::new(),
    }
}

/// How many entries a directory has.
pub fn count_in(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

/// Looks again until something is there.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
