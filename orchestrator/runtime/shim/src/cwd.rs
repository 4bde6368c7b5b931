//! The directory that the workload starts in: made where the image, or a volume mounted over it,
//! lacks it. What links lead to stays inside: neither an image nor a volume can point at the host.

use std::{
    fs,
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    sys::stat::{Mode, mkdirat, umask},
};
use serde::Deserialize;

use crate::wire::names;

/// The part of the bundle that matters here.
#[derive(Deserialize)]
struct Bundle {
    mounts: Vec<Mounted>,
}

#[derive(Deserialize)]
struct Mounted {
    destination: PathBuf,
    #[serde(rename = "type")]
    kind: String,
    source: PathBuf,
    options: Vec<String>,
}

/// Makes the directory, for root and mode 0755, unless it is there. The root file system is mounted.
pub fn make(dir: &Path, cwd: &str) -> io::Result<()> {
    let cwd = Path::new(cwd);
    if cwd.parent().is_none() {
        return Ok(());
    }
    let bundle: Bundle = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
    let over = bundle
        .mounts
        .iter()
        .filter(|mount| cwd.starts_with(&mount.destination))
        .max_by_key(|mount| mount.destination.components().count());
    match over {
        None => make_below(&dir.join(names::ROOTFS), cwd),
        Some(mount)
            if mount.kind == "bind" && !mount.options.iter().any(|option| option == "ro") =>
        {
            let below = cwd
                .strip_prefix(&mount.destination)
                .unwrap_or(Path::new(""));
            make_below(&mount.source, below)
        }
        // Nobody may write there: whether it is there, the library finds out.
        Some(_) => Ok(()),
    }
}

fn make_below(root: &Path, path: &Path) -> io::Result<()> {
    let root = open_root(root)?;
    let earlier = umask(Mode::from_bits_truncate(0o022));
    let made = make_parts(&root, path);
    umask(earlier);
    made
}

fn make_parts(root: &OwnedFd, path: &Path) -> io::Result<()> {
    let mut reached = PathBuf::from("/");
    for part in path.strip_prefix("/").unwrap_or(path).components() {
        let parent = open_in(root, &reached)?;
        reached.push(part);
        match open_in(root, &reached) {
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
            Ok(_) => continue,
        }
        match mkdirat(&parent, part.as_os_str(), Mode::from_bits_truncate(0o755)) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                let detail = format!("`{}` is a link that leads nowhere", reached.display());
                return Err(io::Error::new(ErrorKind::NotADirectory, detail));
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    Ok(open(root, flags, Mode::empty())?)
}

/// A directory below `root`, which links cannot leave.
fn open_in(root: &OwnedFd, path: &Path) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    openat2(root, path, how)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// An instance's directory with a root file system and one writable and one read-only volume.
    fn instance() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in [names::ROOTFS, "volume", "fixed"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let bind = |to: &str, from: &str, access: &str| {
            serde_json::json!({"destination": to, "type": "bind",
                "source": dir.path().join(from), "options": ["rbind", access]})
        };
        let bundle = serde_json::json!({"ociVersion": "1.0.2", "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": []},
            bind("/data", "volume", "rw"), bind("/fixed", "fixed", "ro"),
        ]});
        fs::write(dir.path().join("config.json"), bundle.to_string()).unwrap();
        dir
    }

    #[test]
    fn what_is_missing_is_made_where_the_workload_will_see_it() {
        let dir = instance();
        for (cwd, place) in [
            ("/", "rootfs"),
            ("/srv/app/deep", "rootfs/srv/app/deep"),
            ("/data/work", "volume/work"),
        ] {
            make(dir.path(), cwd).unwrap();
            let mode = dir
                .path()
                .join(place)
                .metadata()
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o7777, 0o755, "{cwd}");
        }
        make(dir.path(), "/srv/app/deep").unwrap();
        fs::create_dir_all(dir.path().join("rootfs/data/hidden")).unwrap();
        make(dir.path(), "/data/hidden").unwrap();
        assert!(
            dir.path().join("volume/hidden").is_dir(),
            "the volume hides the image's"
        );
        make(dir.path(), "/fixed/work").unwrap();
        make(dir.path(), "/proc/work").unwrap();
        assert!(!dir.path().join("fixed/work").exists(), "it is read-only");
        assert!(!dir.path().join("rootfs/proc").exists());
    }

    #[test]
    fn links_do_not_lead_out() {
        let (dir, host) = (instance(), tempfile::tempdir().unwrap());
        let rootfs = dir.path().join(names::ROOTFS);
        symlink(host.path(), rootfs.join("out")).unwrap();
        symlink(host.path(), dir.path().join("volume/out")).unwrap();
        let (up, inside) = ("/up/../../../../escaped", rootfs.join("escaped"));
        for cwd in ["/out/work", "/data/out/work"] {
            let error = make(dir.path(), cwd).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotADirectory, "{cwd}: {error}");
        }
        assert_eq!(fs::read_dir(host.path()).unwrap().count(), 0);
        make(dir.path(), up).unwrap();
        assert!(inside.is_dir());
        fs::write(rootfs.join("file"), "").unwrap();
        assert!(make(dir.path(), "/file/work").is_err());
    }
}
