//! The conformance suite on real backends. Each run has its own directory, control group, bridge
//! and subnet, and takes all of it away.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise"
)]

use std::{path::Path, sync::Arc};

use ostler_core::spec::ServiceSpec;
use ostler_runtime::{
    backend::Backend,
    conformance::{self, Claims, Report, Subject, Work},
    image::{Content, LayoutFile, LayoutSpec, write_layout},
    network::NetworkConfig,
    process::ProcessBackend,
    sim::SimBackend,
    youki::{YoukiBackend, YoukiConfig},
};

const IMAGE: &str = "conformance/busybox:1";

fn script(work: Work) -> String {
    let text = match work {
        // The main process of a pid namespace gets only the signals that it handles.
        Work::Serve => "trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done",
        Work::Stubborn => "trap '' TERM; echo ready; while :; do sleep 1000; done",
        Work::Exit(code) => return format!("exit {code}"),
        // Inside a pid namespace nobody can kill the main process but the kernel.
        Work::KilledBySignal => "ulimit -t 1; while :; do :; done",
        Work::Hold => {
            "x=xxxxxxxxxxxxxxxx; i=0; while [ $i -lt 20 ]; do x=$x$x; i=$((i+1)); done; trap 'exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done"
        }
        Work::EatMemory => "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done",
        Work::Print => {
            "echo out 1; echo out 2; echo err 1 >&2; echo out 3; trap 'exit 0' TERM; sleep 1000 & wait $!"
        }
    };
    text.to_owned()
}

fn spec(image: &str, work: Work) -> ServiceSpec {
    let memory = if work == Work::EatMemory {
        "{\"limits\":{\"memory\":\"16Mi\"}}"
    } else {
        "{}"
    };
    let command = serde_json::json!(["sh", "-c", script(work)]);
    let text = format!("{{\"image\":\"{image}\",\"command\":{command},\"resources\":{memory}}}");
    serde_json::from_str(&text).unwrap()
}

fn verdict(name: &str, report: &Report) {
    eprintln!(
        "{name}: {} checks passed, {} do not apply: {:?}",
        report.passed.len(),
        report.skipped.len(),
        report.skipped
    );
    let failed: Vec<String> = report
        .failed
        .iter()
        .map(|(check, seen)| format!("{check}\n    {seen}"))
        .collect();
    assert!(
        failed.is_empty(),
        "{name} fails:\n  {}",
        failed.join("\n  ")
    );
    assert!(report.passed.len() >= 8);
}

fn busybox(dir: &Path) {
    let links = ["sh", "sleep", "cat", "stat", "touch", "true", "kill"];
    let file = |path: String| LayoutFile {
        path,
        content: Content::File("/bin/busybox".into()),
        mode: 0o755,
    };
    let layout = LayoutSpec {
        files: links
            .iter()
            .map(|name| file(format!("/bin/{name}")))
            .collect(),
        dirs: vec![("/tmp".to_owned(), 0o1777)],
        ..LayoutSpec::default()
    };
    write_layout(dir, IMAGE, &layout).unwrap();
}

/// A directory, groups, bridge and subnet that no other run has.
fn config(root: &Path) -> YoukiConfig {
    let unique = std::process::id();
    let [_, _, high, low] = unique.to_be_bytes();
    let mut config = YoukiConfig::new(root.join("state"));
    // Names without a registry are local ones: the test needs no other machine.
    config.images.default_registry = None;
    config.network = Some(NetworkConfig {
        state_root: root.join("network"),
        bridge: format!("oc{unique}"),
        subnet: ([10, 128 | high, low, 0].into(), 24),
    });
    config
}

#[tokio::test(flavor = "multi_thread")]
async fn youki_conforms() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: the youki backend was NOT tested, since that needs root");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path());
    let backend = Arc::new(
        YoukiBackend::open(config.clone())
            .await
            .expect("opening the backend"),
    );
    busybox(&dir.path().join("layout"));
    backend
        .import_image(&dir.path().join("layout"), None)
        .await
        .unwrap();
    let mut subject = Subject::new(backend.clone(), |work| spec(IMAGE, work));
    subject.claims = Claims {
        memory_limits: true,
        commands: true,
        exec: true,
        images: true,
        storage: true,
        adoption: true,
        addresses: true,
    };
    subject.reopen = Some(Box::new(move || {
        let config = config.clone();
        Box::pin(async move {
            let opened = YoukiBackend::open(config)
                .await
                .map_err(|error| error.to_string())?;
            Ok(Arc::new(opened) as Arc<dyn Backend>)
        })
    }));
    let report = conformance::run(&subject).await;
    drop(subject);
    backend.close().await.unwrap();
    verdict("youki", &report);
}

/// In virtual time: waits cost nothing, and every seed is another order of events.
#[tokio::test(start_paused = true)]
async fn sim_conforms() {
    for seed in 0..20 {
        let backend = SimBackend::new(seed);
        let mut subject = Subject::new(Arc::new(backend.clone()), |work| {
            let image = match work {
                Work::Serve | Work::Print => "sim:serve".to_owned(),
                Work::Hold => "sim:hold".to_owned(),
                Work::Stubborn => "sim:stubborn".to_owned(),
                Work::Exit(code) => format!("sim:exit:{code}"),
                Work::KilledBySignal => "sim:signal:9".to_owned(),
                Work::EatMemory => "sim:leak".to_owned(),
            };
            spec(&image, work)
        });
        subject.claims = Claims {
            memory_limits: true,
            images: true,
            adoption: true,
            addresses: true,
            ..Claims::default()
        };
        subject.reopen = Some(Box::new(move || {
            let opened = backend.reopened();
            Box::pin(async move { Ok(Arc::new(opened) as Arc<dyn Backend>) })
        }));
        verdict(
            &format!("sim, seed {seed}"),
            &conformance::run(&subject).await,
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn process_conforms() {
    let mut subject = Subject::new(Arc::new(ProcessBackend::new()), |work| spec("host:/", work));
    subject.claims = Claims {
        commands: true,
        exec: true,
        images: true,
        addresses: true,
        ..Claims::default()
    };
    verdict("process", &conformance::run(&subject).await);
}
