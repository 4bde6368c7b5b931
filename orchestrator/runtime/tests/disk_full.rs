//! A disk without space: a clear error, nothing half-applied, and all is well once there is space.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

mod common;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use common::{IMAGE, busybox, config, order, until};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ostler_core::{
    observed::{Phase, ProblemKind},
    spec::{Stop, StopSignal},
    time::Span,
};
use ostler_runtime::{
    backend::{Backend, LogQuery, StopCause},
    youki::YoukiBackend,
};

/// A small disk, gone with the test.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        mount(
            Some("small"),
            &path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some(options.as_str()),
        )
        .unwrap();
        Self(path)
    }

    fn grow(&self, size: &str) {
        let options = format!("size={size}");
        let none: Option<&str> = None;
        mount(
            none,
            &self.0,
            none,
            MsFlags::MS_REMOUNT,
            Some(options.as_str()),
        )
        .unwrap();
    }

    /// Takes every byte that is left.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("the test's disk stays mounted: {error}");
        }
    }
}

fn root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: {test} was NOT run, since it mounts a disk");
    }
    root
}

fn names_in(dir: &Path) -> usize {
    fs::read_dir(dir).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_does_not_fit_leaves_nothing_and_fits_later() {
    if !root("an_image_that_does_not_fit_leaves_nothing_and_fits_later") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 1);
    let disk = Disk::mount(config.state_root.clone(), "4m");
    let layout = dir.path().join("layout");
    busybox(&layout, IMAGE);
    let backend = YoukiBackend::open(config).await.unwrap();
    let store = disk.0.join("images");
    let refused = backend.import_image(&layout, None).await.unwrap_err();
    assert!(refused.to_string().contains("No space left"), "{refused}");
    for part in ["names", "images", "layers"] {
        assert_eq!(names_in(&store.join(part)), 0, "{part}");
    }
    // Its own scratch space, with the lock alone.
    let scratch = fs::read_dir(store.join("tmp"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(names_in(&scratch.path()), 1);
    assert!(backend.images().list().await.unwrap().is_empty());
    disk.grow("64m");
    assert_eq!(backend.import_image(&layout, None).await.unwrap().len(), 1);
    backend.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_goes_on_and_its_end_is_on_record() {
    if !root("what_runs_goes_on_and_its_end_is_on_record") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let config = config(dir.path(), 2);
    let disk = Disk::mount(config.state_root.clone(), "64m");
    let (layout, host) = (dir.path().join("layout"), dir.path().join("host"));
    fs::create_dir(&host).unwrap();
    busybox(&layout, IMAGE);
    let backend = YoukiBackend::open(config).await.unwrap();
    backend.import_image(&layout, None).await.unwrap();
    let script = "echo before; while [ ! -e /host/go ]; do sleep 0.01; done; \
                  i=0; while [ $i -lt 20000 ]; do echo lost line $i; i=$((i+1)); done; \
                  echo done >/host/done; exit 7";
    let spec = serde_json::json!({"image": IMAGE, "command": ["sh", "-c", script],
        "volumes": [{"mount": "/host", "source": {"host": {"path": host}}}]});
    let mut order = order("writing", &spec);
    backend.start(&order).await.unwrap();
    let all = LogQuery {
        after: None,
        since: None,
        tail: 10_000,
    };
    until("it wrote", async || {
        let page = backend.logs(&order.instance, &all).await.unwrap();
        (!page.lines.is_empty()).then_some(())
    })
    .await;
    let filler = disk.fill();
    fs::write(host.join("go"), "").unwrap();
    let seen = until("it ended", async || {
        let seen = backend.list().await.unwrap().pop()?;
        (seen.phase == Phase::Ended).then_some(seen)
    })
    .await;
    assert!(
        host.join("done").exists(),
        "the full disk did not hold it up"
    );
    assert_eq!(
        (seen.exits.len(), seen.exits[0].code),
        (1, Some(7)),
        "{seen:?}"
    );
    let page = backend.logs(&order.instance, &all).await.unwrap();
    assert_eq!(
        page.lines[0].text, "before",
        "what was written is still read"
    );

    order.attempt = 2;
    let refused = backend.start(&order).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::DiskFull, "{refused:?}");
    let other = common::order("another", &spec);
    let refused = backend.start(&other).await.unwrap_err();
    assert_eq!(refused.kind, ProblemKind::DiskFull, "{refused:?}");
    assert!(
        !disk.0.join("instances/another").exists(),
        "something is left"
    );
    let seen = backend.list().await.unwrap();
    assert_eq!(
        (seen.len(), seen[0].attempt, seen[0].exits.len()),
        (1, 1, 1)
    );

    fs::remove_file(filler).unwrap();
    backend.start(&order).await.unwrap();
    backend.start(&other).await.unwrap();
    let stop = Stop {
        signal: Some(StopSignal::Kill),
        grace: Span(0),
    };
    for order in [&order, &other] {
        backend
            .stop(&order.instance, &stop, StopCause::Asked)
            .await
            .unwrap();
        backend.remove(&order.instance).await.unwrap();
    }
    backend.close().await.unwrap();
}
