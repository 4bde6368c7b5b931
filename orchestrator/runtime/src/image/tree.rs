//! Writing below one directory and nowhere else: every path is resolved by the kernel inside it.
//!
//! Parents are opened with `openat2(RESOLVE_IN_ROOT)`, so no link in a layer, absolute or not, can
//! lead out; the last component is never followed.

use std::{
    ffi::{CStr, CString},
    fs::{self, File},
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2},
    sys::{
        stat::{
            FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, fstatat, makedev,
            mkdirat, mknodat, utimensat,
        },
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, syncfs, unlinkat},
};

const OPAQUE: &str = "trusted.overlay.opaque";

/// Owner, permissions and time of an entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attributes {
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mode: u32,
    pub(super) mtime: i64,
}

/// A place inside the tree: its opened parent and the last component.
pub(super) struct Place {
    parent: OwnedFd,
    name: CString,
}

/// The directory below which everything is written.
pub(super) struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// Makes the directory and opens it.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        fs::create_dir(path)?;
        let flags = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let root = nix::fcntl::open(path, flags, Mode::empty())?;
        fchmodat(
            &root,
            ".",
            Mode::from_bits_truncate(0o755),
            FchmodatFlags::FollowSymlink,
        )?;
        Ok(Self { root })
    }

    /// The place of a path; missing parents are made as root's, mode 0755.
    pub(super) fn place(&self, parts: &[CString]) -> io::Result<Place> {
        let (name, parents) = match parts.split_last() {
            Some((name, parents)) => (name.clone(), parents),
            None => (c".".to_owned(), parts),
        };
        match self.open_dir(parents) {
            Err(nix::Error::ENOENT) => self.make_parents(parents)?,
            opened => drop(opened?),
        }
        let parent = self.open_dir(parents)?;
        Ok(Place { parent, name })
    }

    /// The place of something that must exist.
    pub(super) fn existing(&self, parts: &[CString]) -> io::Result<Place> {
        let (name, parents) = parts
            .split_last()
            .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let parent = self.open_dir(parents)?;
        Ok(Place {
            parent,
            name: name.clone(),
        })
    }

    fn open_dir(&self, parts: &[CString]) -> nix::Result<OwnedFd> {
        let mut path = Vec::new();
        for part in parts {
            path.extend_from_slice(part.as_bytes());
            path.push(b'/');
        }
        path.push(b'.');
        let path = CString::new(path).map_err(|_| nix::Error::EINVAL)?;
        let how = OpenHow::new()
            .flags(OFlag::O_DIRECTORY | OFlag::O_CLOEXEC | OFlag::O_PATH)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&self.root, path.as_c_str(), how)
    }

    fn make_parents(&self, parts: &[CString]) -> io::Result<()> {
        for depth in 1..=parts.len() {
            let (made, above) = match parts.get(..depth).and_then(<[_]>::split_last) {
                Some(split) => split,
                None => break,
            };
            let parent = self.open_dir(above)?;
            match mkdirat(&parent, made.as_c_str(), Mode::from_bits_truncate(0o755)) {
                Ok(()) => chmod(&parent, made, 0o755)?,
                Err(nix::Error::EEXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Makes everything written so far durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        syncfs(&self.root).map_err(Into::into)
    }
}

impl Place {
    fn stat(&self) -> io::Result<Option<FileStat>> {
        match fstatat(
            &self.parent,
            self.name.as_c_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(stat)),
            Err(nix::Error::ENOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn kind(stat: &FileStat) -> SFlag {
        SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
    }

    fn is_whiteout(stat: &FileStat) -> bool {
        Self::kind(stat) == SFlag::S_IFCHR && stat.st_rdev == 0
    }

    /// A path that names this place without following it; valid while the place is open.
    fn proc_path(&self) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(self.name.as_bytes());
        PathBuf::from(format!("/proc/self/fd/{}", self.parent.as_raw_fd())).join(name)
    }

    /// Takes away what an earlier entry of the same layer put here.
    fn clear(&self) -> io::Result<()> {
        match self.stat()? {
            None => Ok(()),
            Some(stat) if Self::kind(&stat) == SFlag::S_IFDIR => {
                fs::remove_dir_all(self.proc_path())
            }
            Some(_) => unlinkat(
                &self.parent,
                self.name.as_c_str(),
                UnlinkatFlags::NoRemoveDir,
            )
            .map_err(Into::into),
        }
    }

    /// A directory; one that is there already stays and takes the attributes.
    pub(super) fn directory(&self, attributes: Attributes) -> io::Result<()> {
        let found = self.stat()?;
        let hides_lower = found.as_ref().is_some_and(Self::is_whiteout);
        if found.is_none_or(|stat| Self::kind(&stat) != SFlag::S_IFDIR) {
            self.clear()?;
            mkdirat(
                &self.parent,
                self.name.as_c_str(),
                Mode::from_bits_truncate(0o700),
            )?;
        }
        if hides_lower {
            self.mark_opaque()?;
        }
        self.own(attributes)?;
        chmod(&self.parent, &self.name, attributes.mode)
    }

    /// A regular file with the given content. Returns the bytes written.
    pub(super) fn file(&self, content: &mut impl Read, attributes: Attributes) -> io::Result<u64> {
        self.clear()?;
        let flags =
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let fd = openat(
            &self.parent,
            self.name.as_c_str(),
            flags,
            Mode::from_bits_truncate(0o600),
        )?;
        let mut file = File::from(fd);
        let bytes = io::copy(content, &mut file)?;
        file.flush()?;
        self.own(attributes)?;
        // After the owner: changing it clears the setuid bit and file capabilities.
        chmod(&self.parent, &self.name, attributes.mode)?;
        self.touch(attributes.mtime)?;
        Ok(bytes)
    }

    pub(super) fn symlink(&self, target: &CStr, attributes: Attributes) -> io::Result<()> {
        self.clear()?;
        symlinkat(target, &self.parent, self.name.as_c_str())?;
        self.own(attributes)?;
        self.touch(attributes.mtime)
    }

    pub(super) fn hard_link(&self, to: &Place) -> io::Result<()> {
        self.clear()?;
        let (from, name) = (to.name.as_c_str(), self.name.as_c_str());
        linkat(&to.parent, from, &self.parent, name, AtFlags::empty()).map_err(Into::into)
    }

    /// A device or pipe.
    pub(super) fn node(
        &self,
        kind: SFlag,
        device: (u32, u32),
        attributes: Attributes,
    ) -> io::Result<()> {
        self.clear()?;
        let device = makedev(u64::from(device.0), u64::from(device.1));
        mknodat(
            &self.parent,
            self.name.as_c_str(),
            kind,
            Mode::from_bits_truncate(0o600),
            device,
        )?;
        self.own(attributes)?;
        chmod(&self.parent, &self.name, attributes.mode)
    }

    /// Hides what lower layers have here, as overlayfs understands it: a character device 0/0.
    /// What the same layer puts here stays visible.
    pub(super) fn whiteout(&self) -> io::Result<()> {
        match self.stat()? {
            Some(stat) if Self::kind(&stat) == SFlag::S_IFDIR => self.mark_opaque(),
            Some(_) => Ok(()),
            None => mknodat(
                &self.parent,
                self.name.as_c_str(),
                SFlag::S_IFCHR,
                Mode::empty(),
                makedev(0, 0),
            )
            .map_err(Into::into),
        }
    }

    /// Hides everything that lower layers have in this directory.
    pub(super) fn mark_opaque(&self) -> io::Result<()> {
        xattr::set(self.proc_path(), OPAQUE, b"y")
    }

    pub(super) fn set_xattr(&self, name: &std::ffi::OsStr, value: &[u8]) -> io::Result<()> {
        xattr::set(self.proc_path(), name, value)
    }

    pub(super) fn touch(&self, mtime: i64) -> io::Result<()> {
        let time = TimeSpec::new(mtime, 0);
        let flag = UtimensatFlags::NoFollowSymlink;
        utimensat(&self.parent, self.name.as_c_str(), &time, &time, flag).map_err(Into::into)
    }

    fn own(&self, attributes: Attributes) -> io::Result<()> {
        let owner = (
            Some(Uid::from_raw(attributes.uid)),
            Some(Gid::from_raw(attributes.gid)),
        );
        let flag = AtFlags::AT_SYMLINK_NOFOLLOW;
        fchownat(&self.parent, self.name.as_c_str(), owner.0, owner.1, flag).map_err(Into::into)
    }
}

fn chmod(parent: &OwnedFd, name: &CStr, mode: u32) -> io::Result<()> {
    // Never a symbolic link here: the caller has just made or checked what lies at `name`.
    let mode = Mode::from_bits_truncate(mode & 0o7777);
    fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink).map_err(Into::into)
}

/// Counts what lies below a directory: entries, and bytes of regular files (a hard-linked file once
/// per name).
pub(super) fn measure(path: &Path) -> io::Result<(u64, u64)> {
    let (mut entries, mut bytes) = (0u64, 0u64);
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            entries = entries.saturating_add(1);
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.is_file() {
                bytes = bytes.saturating_add(meta.len());
            }
        }
    }
    Ok((entries, bytes))
}
