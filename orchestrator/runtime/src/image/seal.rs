//! What an unpacked layer looked like when it was put in place, to notice what was changed since.
//!
//! Two digests. The `stamp` is of what the kernel tells about every entry without reading files:
//! any write through the file system moves a file's change time, which nobody can set back. The
//! `content` is of everything a container could see, files read whole: it also finds what rots on
//! the disk. A stamp that moved is no proof of harm (a restored backup moves all of them); then the
//! content decides.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt},
    },
    path::Path,
    time::{Duration, Instant},
};

use super::digest::{Digest, Hasher};

/// How fast files are read.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As fast as the disk.
    Full,
    /// At most so many bytes a second, in the background.
    BytesPerSecond(u64),
}

/// The digest of names, owners, modes, sizes and times.
pub(super) fn stamp(tree: &Path) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    walk(tree, &mut |path, meta| {
        describe(&mut hasher, tree, path, meta);
        for part in [
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
        ] {
            hasher.update(&part.to_le_bytes());
        }
        hasher.update(&meta.ino().to_le_bytes());
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// The digest of names, owners, modes, links, extended attributes and every file's content.
pub(super) fn content(tree: &Path, pace: Pace) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut meter = Meter::new(pace);
    walk(tree, &mut |path, meta| {
        describe(&mut hasher, tree, path, meta);
        extended(&mut hasher, path)?;
        let kind = meta.file_type();
        if kind.is_symlink() {
            field(&mut hasher, fs::read_link(path)?.as_os_str().as_bytes());
        } else if kind.is_file() {
            read(&mut hasher, &mut meter, path)?;
        }
        Ok(())
    })?;
    Ok(hasher.finish())
}

/// Shows every entry below a directory, itself included, in the same order every time.
fn walk(path: &Path, show: &mut impl FnMut(&Path, &Metadata) -> io::Result<()>) -> io::Result<()> {
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let meta = fs::symlink_metadata(&path)?;
        show(&path, &meta)?;
        if meta.is_dir() {
            let mut below = Vec::new();
            for entry in fs::read_dir(&path)? {
                below.push(entry?.path());
            }
            below.sort_unstable();
            waiting.append(&mut below);
        }
    }
    Ok(())
}

fn describe(hasher: &mut Hasher, tree: &Path, path: &Path, meta: &Metadata) {
    let inside = path.strip_prefix(tree).unwrap_or(path);
    field(hasher, inside.as_os_str().as_bytes());
    // A directory's size is the file system's own affair.
    let size = if meta.is_dir() { 0 } else { meta.len() };
    let kind = meta.file_type();
    let device = kind.is_char_device() || kind.is_block_device();
    let device = if device { meta.rdev() } else { 0 };
    for number in [
        meta.mode().into(),
        meta.uid().into(),
        meta.gid().into(),
        size,
        device,
    ] {
        hasher.update(&u64::to_le_bytes(number));
    }
}

fn extended(hasher: &mut Hasher, path: &Path) -> io::Result<()> {
    let names = match xattr::list(path) {
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => return Ok(()),
        names => names?,
    };
    // What the machine's own security modules add is not the layer's.
    let ours = |name: &std::ffi::OsString| {
        let name = name.as_bytes();
        name.starts_with(b"user.")
            || name.starts_with(b"trusted.overlay.")
            || name == b"security.capability"
    };
    let mut names: Vec<_> = names.filter(ours).collect();
    names.sort_unstable();
    for name in names {
        field(hasher, name.as_bytes());
        field(hasher, &xattr::get(path, &name)?.unwrap_or_default());
    }
    Ok(())
}

fn read(hasher: &mut Hasher, meter: &mut Meter, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        hasher.update(buffer.get(..count).unwrap_or_default());
        meter.passed(count);
    }
}

/// A field with its length before it, so that none can pass for two.
fn field(hasher: &mut Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// Keeps to a pace.
struct Meter {
    pace: Pace,
    began: Instant,
    bytes: u64,
}

impl Meter {
    fn new(pace: Pace) -> Self {
        Self {
            pace,
            began: Instant::now(),
            bytes: 0,
        }
    }

    fn passed(&mut self, count: usize) {
        self.bytes = self.bytes.saturating_add(count as u64);
        if let Pace::BytesPerSecond(rate) = self.pace {
            let due = Duration::from_millis(self.bytes.saturating_mul(1_000) / rate.max(1));
            std::thread::sleep(due.saturating_sub(self.began.elapsed()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn both(tree: &Path) -> (Digest, Digest) {
        (stamp(tree).unwrap(), content(tree, Pace::Full).unwrap())
    }

    #[test]
    fn whatever_changes_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("etc")).unwrap();
        let file = tree.join("etc/settings");
        fs::write(&file, "abc").unwrap();
        symlink("settings", tree.join("etc/link")).unwrap();
        let mut last = both(&tree);
        assert_eq!(both(&tree), last);
        let changes: [&dyn Fn(); 4] = [
            &|| fs::write(&file, "abd").unwrap(),
            &|| fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap(),
            &|| fs::write(tree.join("etc/more"), "").unwrap(),
            &|| {
                fs::remove_file(tree.join("etc/link")).unwrap();
                symlink("more", tree.join("etc/link")).unwrap();
            },
        ];
        for change in changes {
            change();
            let now = both(&tree);
            assert!(now.0 != last.0 && now.1 != last.1, "{last:?}");
            last = now;
        }
    }

    #[test]
    fn a_copy_has_the_same_content_and_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one", "two"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("file"), "same").unwrap();
        }
        let (one, two) = (both(&dir.path().join("one")), both(&dir.path().join("two")));
        assert_eq!(one.1, two.1);
        assert_ne!(one.0, two.0);
    }

    #[test]
    fn a_flipped_byte_with_its_time_set_back_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "abc").unwrap();
        let (before, time) = (
            both(dir.path()),
            file.metadata().unwrap().modified().unwrap(),
        );
        fs::write(&file, "abd").unwrap();
        File::options()
            .write(true)
            .open(&file)
            .unwrap()
            .set_modified(time)
            .unwrap();
        let after = both(dir.path());
        assert!(before.0 != after.0 && before.1 != after.1);
    }
}
