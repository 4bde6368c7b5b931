//! What only containers have: ports of the host, a root file system.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

mod common;

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ostler_core::{
    id::{Generation, InstanceId},
    observed::ProblemKind,
    spec::{Stop, StopSignal},
    time::{Span, Time},
};
use ostler_runtime::{
    backend::{Backend, ExecOrder, Order, Seen, StopCause},
    youki::{YoukiBackend, YoukiConfig},
};

const IMAGE: &str = "tests/busybox:1";
const PATIENCE: Duration = Duration::from_secs(30);
/// A backend of its own for one test; what runs is taken away also when the test fails.
struct Fixture {
    backend: Option<YoukiBackend>,
    config: YoukiConfig,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new(test: &str, number: u8) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("SKIPPED: {test} was NOT run, since containers need root");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let config = common::config(dir.path(), number);
        let backend = YoukiBackend::open(config.clone()).await.unwrap();
        common::busybox(&dir.path().join("layout"), IMAGE);
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

    fn backend(&self) -> &YoukiBackend {
        self.backend.as_ref().unwrap()
    }

    fn instance_dir(&self, order: &Order) -> PathBuf {
        self.dir
            .path()
            .join("state/instances")
            .join(order.instance.as_str())
    }

    async fn seen(&self, order: &Order) -> Option<Seen> {
        let all = self.backend().list().await.unwrap();
        all.into_iter().find(|seen| seen.instance == order.instance)
    }

    async fn run(&self, order: &Order, command: &[&str]) -> String {
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
            signal: StopSignal::Kill,
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

fn order(id: &str, spec: &serde_json::Value) -> Order {
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

#[tokio::test(flavor = "multi_thread")]
async fn a_published_port_that_another_process_has_is_named() {
    let test = "a_published_port_that_another_process_has_is_named";
    let Some(it) = Fixture::new(test, 3).await else {
        return;
    };
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let spec = serde_json::json!({"image": IMAGE, "command": ["sleep", "1000"],
        "ports": [{"name": "http", "port": 8080, "publish": port}]});
    let order = order("publishing", &spec);
    let refused = it.backend().start(&order).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::PortTaken, "{refused:?}");
    assert!(refused.detail.contains(&port.to_string()), "{refused:?}");
    assert!(it.seen(&order).await.is_none());
    assert!(!it.instance_dir(&order).exists(), "something is left");
    drop(other);
    it.backend().start(&order).await.unwrap();
    // One that our own routes hold does not stand in the way of another instance, or of itself.
    let route = ostler_runtime::backend::Route {
        backends: Vec::new(),
        ports: vec![ostler_runtime::backend::RoutePort {
            port: 8080,
            protocol: ostler_core::spec::Protocol::Tcp,
            publish: Some(port),
        }],
    };
    let table = ostler_runtime::backend::RouteTable {
        services: [(order.service.clone(), route)].into(),
    };
    it.backend().route(&table).await.unwrap();
    assert!(TcpListener::bind(("0.0.0.0", port)).is_err(), "it is held");
    it.backend().start(&order).await.unwrap();
    let mut second = order.clone();
    second.instance = InstanceId::new("publishing-too").unwrap();
    it.backend().start(&second).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_working_directory_is_made_and_commands_have_every_group() {
    let test = "a_missing_working_directory_is_made_and_commands_have_every_group";
    let Some(it) = Fixture::new(test, 4).await else {
        return;
    };
    for (id, cwd) in [("inside", "/srv/app/deep"), ("below", "/data/work")] {
        let spec = serde_json::json!({"image": IMAGE, "workingDir": cwd, "user": "web",
            "command": ["sleep", "1000"],
            "volumes": [{"mount": "/data", "source": {"named": {"name": "data"}}}]});
        let order = order(id, &spec);
        let started = it.backend().start(&order).await.unwrap();
        let at = fs::read_link(format!("/proc/{}/cwd", started.pid.unwrap())).unwrap();
        assert_eq!(at, Path::new(cwd));
        assert_eq!(it.run(&order, &["sh", "-c", "pwd"]).await, cwd);
        assert_eq!(it.run(&order, &["stat", "-c", "%u %a", "."]).await, "0 755");
        assert_eq!(it.run(&order, &["id", "-u"]).await, "101");
        assert_eq!(it.run(&order, &["id", "-G"]).await, "102 104");
    }
}
