//! The launcher's own mount namespace: the container's root is mounted here and nowhere else, so
//! that it goes away with the container, whoever dies first.

use std::{io, path::Path};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use crate::wire::{ShimOrder, names};

const NONE: Option<&str> = None;
const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// Enters a new mount namespace in which the library sees no cgroups: they are joined and limited
/// already, and its way of joining costs an RCU grace period per start.
pub fn enter() -> io::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SLAVE, NONE)?;
    // Not mounted here at all is as good as hidden.
    let _ = umount2(CGROUP_ROOT, MntFlags::MNT_DETACH);
    let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(
        Some("none"),
        CGROUP_ROOT,
        Some("tmpfs"),
        flags,
        Some("size=4k"),
    )?)
}

/// Mounts the image's layers under the instance's writable one. Devices in them mean nothing.
pub fn mount_layers(dir: &Path, order: &ShimOrder) -> io::Result<()> {
    let place = |name: &str| dir.join(name).display().to_string();
    // Relative names keep many layers within the one page that mount(2) takes.
    let parent = common_parent(&order.lower);
    std::env::set_current_dir(parent)?;
    let prefix = parent.display().to_string();
    let relative = |path: &String| {
        path.strip_prefix(&prefix)
            .unwrap_or(path)
            .trim_start_matches('/')
            .replace(':', "\\:")
    };
    let lower = order
        .lower
        .iter()
        .map(relative)
        .collect::<Vec<_>>()
        .join(":");
    let options = format!(
        "lowerdir={lower},upperdir={},workdir={}",
        place(names::UPPER),
        place(names::WORK)
    );
    if options.len() >= 4096 {
        return Err(io::Error::other(format!(
            "the image has too many layers to mount: {}",
            order.lower.len()
        )));
    }
    let target = dir.join(names::ROOTFS);
    mount(
        Some("overlay"),
        &target,
        Some("overlay"),
        MsFlags::MS_NODEV,
        Some(options.as_str()),
    )?;
    std::env::set_current_dir("/")
}

fn common_parent(paths: &[String]) -> &Path {
    let mut parent = paths
        .first()
        .and_then(|path| Path::new(path).parent())
        .unwrap_or(Path::new("/"));
    while !paths.iter().all(|path| Path::new(path).starts_with(parent)) {
        parent = parent.parent().unwrap_or(Path::new("/"));
    }
    parent
}
