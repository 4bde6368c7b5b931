//! The launcher's own mount namespace: the container's root is mounted here and nowhere else, so
//! that it goes away with the container, whoever dies first.

use std::{io, path::Path};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};

use crate::{
    overlay,
    wire::{ShimOrder, names},
};

const NONE: Option<&str> = None;
/// What mount(2) takes of options.
const PAGE: usize = 4096;
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
    let layers = order.lower.iter().map(|path| {
        path.strip_prefix(&prefix)
            .unwrap_or(path)
            .trim_start_matches('/')
    });
    let lower = layers
        .clone()
        .map(|layer| layer.replace(':', "\\:"))
        .collect::<Vec<_>>()
        .join(":");
    let options = format!(
        "lowerdir={lower},upperdir={},workdir={}",
        place(names::UPPER),
        place(names::WORK)
    );
    let target = dir.join(names::ROOTFS);
    if options.len() < PAGE {
        mount(
            Some("overlay"),
            &target,
            Some("overlay"),
            MsFlags::MS_NODEV,
            Some(options.as_str()),
        )?;
    } else {
        let (upper, work) = (dir.join(names::UPPER), dir.join(names::WORK));
        overlay::mount(layers, &upper, &work, &target).map_err(|error| {
            let count = order.lower.len();
            let detail = format!("{count} layers in one mount need Linux 6.7: {error}");
            io::Error::new(error.kind(), detail)
        })?;
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn many_layers_are_one_root() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let name = |number: u32| format!("{number:0>64}");
        let lower: Vec<String> = (0..300)
            .map(|number| {
                let layer = dir.path().join("layers").join(name(number)).join("tree");
                fs::create_dir_all(&layer).unwrap();
                fs::write(layer.join("who"), number.to_string()).unwrap();
                fs::write(layer.join(number.to_string()), "").unwrap();
                layer.display().to_string()
            })
            .collect();
        // As long a way as an instance may be away.
        let place = dir.path().join("i".repeat(200)).join("n".repeat(200));
        for part in [names::ROOTFS, names::UPPER, names::WORK] {
            fs::create_dir_all(place.join(part)).unwrap();
        }
        let order = ShimOrder {
            id: "many".to_owned(),
            attempt: 1,
            lower,
            cgroups: crate::wire::Cgroups::default(),
            log: crate::wire::LogLimits {
                file_bytes: 1,
                files: 1,
            },
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            cwd: "/".to_owned(),
        };
        // The thread's own mount namespace goes with it.
        let seen = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
            mount_layers(&place, &order).unwrap();
            let root = place.join(names::ROOTFS);
            fs::write(root.join("written"), "").unwrap();
            let written = place.join(names::UPPER).join("written").exists();
            (
                fs::read_to_string(root.join("who")).unwrap(),
                fs::read_dir(root).unwrap().count(),
                written,
            )
        });
        assert_eq!(seen.join().unwrap(), ("0".to_owned(), 302, true));
    }
}
