//! The whole daemon on a disk that fills up: changes are refused in words, reads go on, what runs
//! goes on, and all is well once there is space.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
    time::Duration,
};

use common::{Daemon, alive, can_run_containers, hello, import_busybox};
use nix::mount::{MntFlags, MsFlags, mount, umount2};

/// The daemon's disk; unmounted after the daemon is down, since it is declared first.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.0, MntFlags::MNT_DETACH);
        // The daemon's folder could not go while the disk was in it.
        let _ = fs::remove_dir(&self.0);
        let _ = self.0.parent().map(fs::remove_dir);
    }
}

/// Takes every byte that is left.
fn fill(path: &std::path::Path) {
    let mut file = File::create(path).unwrap();
    while file.write_all(&[7; 4096]).is_ok() {}
}

#[test]
fn a_full_disk_refuses_changes_and_nothing_else() {
    if !can_run_containers() {
        return;
    }
    let mut disk = None;
    let daemon = Daemon::start_on(false, |state| {
        fs::create_dir_all(state).unwrap();
        let size = Some("size=64m");
        mount(Some("small"), state, Some("tmpfs"), MsFlags::empty(), size).unwrap();
        disk = Some(Disk(state.to_owned()));
    });
    import_busybox(&daemon);
    let steady = daemon.file("steady.yaml", &hello("steady", 1, 1, ""));
    daemon.cli(&["apply", "--yes", "-f", steady.to_str().unwrap()]);
    daemon.until_state("steady", "healthy", Duration::from_secs(30));
    let pid = daemon.json(&["get", "instances"])["instances"][0]["pid"].as_i64();
    let pid = i32::try_from(pid.unwrap()).unwrap();

    let filler = daemon.state().join("filler");
    fill(&filler);
    // SQLite's file has room for a few pages more; then it is refused.
    let refused = daemon.until("a change is refused", Duration::from_secs(60), || {
        let other = daemon.file("other.yaml", &hello("other", 1, 1, ""));
        let output = daemon.try_cli(&["apply", "--yes", "-f", other.to_str().unwrap()]);
        if output.status.success() {
            daemon.try_cli(&["delete", "other", "--yes"]);
            return None;
        }
        Some(String::from_utf8_lossy(&output.stderr).into_owned())
    });
    assert!(
        refused.contains("full") || refused.contains("space"),
        "{refused}"
    );
    let services = daemon.json(&["get", "services"]);
    let names: Vec<&str> = services["services"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["service"].as_str())
        .collect();
    assert!(
        names.iter().any(|name| name.contains("steady")),
        "{services}"
    );
    daemon.until_state("steady", "healthy", Duration::from_secs(30));
    assert!(alive(pid), "what runs goes on");

    fs::remove_file(filler).unwrap();
    let other = daemon.file("other.yaml", &hello("other", 1, 1, ""));
    daemon.cli(&["apply", "--yes", "-f", other.to_str().unwrap()]);
    daemon.until_state("other", "healthy", Duration::from_secs(30));
    daemon.cli(&["audit", "verify"]);
    assert!(alive(pid));
    drop(daemon);
}
