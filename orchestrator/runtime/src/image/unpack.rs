//! One layer archive into one directory, as overlayfs wants its lower layers.
//!
//! The archive is untrusted: paths are resolved inside the target by the kernel, sizes and counts
//! are bounded, headers cannot ask for memory, and the whole uncompressed stream is hashed so that
//! the caller can compare it with the diff id before anything is put in place.

use std::{
    cell::Cell,
    ffi::{CString, OsStr},
    io::{self, BufRead, BufReader, Read},
    os::unix::ffi::OsStrExt,
    path::Path,
    rc::Rc,
};

use nix::sys::stat::SFlag;
use tar::{Archive, Entry, EntryType};

use super::{
    ImageError, Limits,
    digest::{Digest, Hasher},
    error::disk,
    tree::{Attributes, Place, Tree},
};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const RESERVED: &[u8] = b".wh..wh.";

/// Most bytes of headers between two entries.
const HEADERS: u64 = 8 << 20;

/// Longest value of an extended attribute, as Linux has it.
const XATTR: usize = 64 << 10;

/// Unpacks `packed` (plain, gzip or zstd, told by its first bytes) into the new directory `target`,
/// makes it durable, and returns the digest of the uncompressed archive.
pub(super) fn unpack(
    packed: impl Read,
    target: &Path,
    limits: Limits,
    what: &str,
) -> Result<Digest, ImageError> {
    let failed = |error: io::Error| explain(error, target, what);
    let tree = Tree::create(target).map_err(disk("create", target))?;
    let plain = decompress(BufReader::with_capacity(256 << 10, packed)).map_err(failed)?;
    let metered = Metered::new(plain, limits.unpacked_bytes);
    let budget = Rc::clone(&metered.budget);
    let mut archive = Archive::new(metered);
    archive.set_ignore_zeros(false);
    let mut writer = Writer {
        tree: &tree,
        limits,
        entries: 0,
        bytes: 0,
        directories: Vec::new(),
    };
    budget.set(HEADERS);
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        budget.set(u64::MAX);
        writer.write(&mut entry).map_err(failed)?;
        budget.set(entry.size().saturating_add(HEADERS));
    }
    writer.finish().map_err(failed)?;
    let mut rest = archive.into_inner();
    budget.set(u64::MAX);
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    tree.sync().map_err(disk("sync", target))?;
    Ok(rest.hasher.finish())
}

/// Tells a broken archive from a broken disk.
fn explain(error: io::Error, target: &Path, what: &str) -> ImageError {
    match error.raw_os_error() {
        Some(_) => disk("unpack into", target)(error),
        None => ImageError::corrupt(what, error),
    }
}

fn refused(detail: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.into())
}

pub(super) fn decompress<'a>(mut packed: impl BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let head = packed.fill_buf()?;
    if head.starts_with(&[0x1f, 0x8b]) {
        Ok(Box::new(flate2::bufread::MultiGzDecoder::new(packed)))
    } else if head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Ok(Box::new(zstd::stream::read::Decoder::with_buffer(packed)?))
    } else {
        Ok(Box::new(packed))
    }
}

/// Hashes what passes, and lets pass no more than allowed.
struct Metered<R> {
    inner: R,
    hasher: Hasher,
    left: u64,
    budget: Rc<Cell<u64>>,
}

impl<R> Metered<R> {
    fn new(inner: R, limit: u64) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
            left: limit,
            budget: Rc::new(Cell::new(0)),
        }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let length = count as u64;
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| refused("the layer is larger than accepted when unpacked"))?;
        let budget = self.budget.get();
        let rest = budget
            .checked_sub(length)
            .ok_or_else(|| refused("its headers are absurdly large"))?;
        self.budget
            .set(if budget == u64::MAX { budget } else { rest });
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Puts entries into the tree, one after the other.
struct Writer<'a> {
    tree: &'a Tree,
    limits: Limits,
    entries: u64,
    bytes: u64,
    /// Their times are set last, since every entry below changes them.
    directories: Vec<(Vec<CString>, i64)>,
}

impl Writer<'_> {
    fn write<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<()> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.entries > self.limits.entries {
            return Err(refused(format!(
                "it has more than {} entries",
                self.limits.entries
            )));
        }
        if self.bytes > self.limits.unpacked_bytes {
            return Err(refused("the layer is larger than accepted when unpacked"));
        }
        let parts = components(&entry.path_bytes())?;
        let attributes = attributes(entry)?;
        match parts.last().map(|name| name.as_bytes()) {
            Some(name) if name.starts_with(WHITEOUT) => self.hide(&parts),
            _ => self.put(entry, parts, attributes),
        }
    }

    fn hide(&self, parts: &[CString]) -> io::Result<()> {
        let Some((name, parents)) = parts.split_last() else {
            return Ok(());
        };
        let name = name.as_bytes();
        if name == OPAQUE {
            let inside = [parents, &[c".".to_owned()]].concat();
            return self.tree.place(&inside)?.mark_opaque();
        }
        if name.starts_with(RESERVED) {
            return Ok(());
        }
        let hidden = name.strip_prefix(WHITEOUT).unwrap_or_default();
        if matches!(hidden, b"" | b"." | b"..") {
            return Err(refused("a whiteout names nothing"));
        }
        let hidden = [parents, &[CString::new(hidden)?]].concat();
        self.tree.place(&hidden)?.whiteout()
    }

    fn put<R: Read>(
        &mut self,
        entry: &mut Entry<'_, R>,
        parts: Vec<CString>,
        attributes: Attributes,
    ) -> io::Result<()> {
        let kind = entry.header().entry_type();
        if parts.is_empty() && kind != EntryType::Directory {
            return Err(refused("an entry other than a directory has no name"));
        }
        let place = self.tree.place(&parts)?;
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                place.file(entry, attributes).map(drop)?;
            }
            EntryType::Directory => {
                place.directory(attributes)?;
                self.directories.push((parts, attributes.mtime));
            }
            EntryType::Symlink => place.symlink(&CString::new(link_target(entry)?)?, attributes)?,
            EntryType::Link => return self.link(&place, &link_target(entry)?),
            EntryType::Fifo => place.node(SFlag::S_IFIFO, (0, 0), attributes)?,
            EntryType::Char => place.node(SFlag::S_IFCHR, device(entry)?, attributes)?,
            EntryType::Block => place.node(SFlag::S_IFBLK, device(entry)?, attributes)?,
            EntryType::XGlobalHeader => return Ok(()),
            other => {
                return Err(refused(format!(
                    "it has an entry of unknown type {other:?}"
                )));
            }
        }
        extended(entry, &place)
    }

    fn link(&self, place: &Place, target: &[u8]) -> io::Result<()> {
        let target =
            self.tree
                .existing(&components(target)?)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput => {
                        refused("a hard link leads nowhere")
                    }
                    _ => error,
                })?;
        place
            .hard_link(&target)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => refused("a hard link leads nowhere"),
                _ => error,
            })
    }

    fn finish(self) -> io::Result<()> {
        for (parts, mtime) in self.directories.iter().rev() {
            // Gone again where a later entry replaced it.
            let inside = [parts.as_slice(), &[c".".to_owned()]].concat();
            match self
                .tree
                .existing(&inside)
                .and_then(|place| place.touch(*mtime))
            {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                touched => touched?,
            }
        }
        Ok(())
    }
}

/// A path's parts without empty ones and `.`; one with `..` is refused.
fn components(path: &[u8]) -> io::Result<Vec<CString>> {
    if path.len() > 4096 {
        return Err(refused("a path is longer than 4096 bytes"));
    }
    let parts = path
        .split(|byte| *byte == b'/')
        .filter(|part| !matches!(*part, b"" | b"."));
    let refuse_escape = |part: &[u8]| match part {
        b".." => Err(refused(format!(
            "the path `{}` leads out of the image",
            shown(path)
        ))),
        _ => CString::new(part).map_err(|_| refused("a path holds a NUL byte")),
    };
    parts.map(refuse_escape).collect()
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path)
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

fn attributes<R: Read>(entry: &Entry<'_, R>) -> io::Result<Attributes> {
    let header = entry.header();
    let id =
        |value: u64| u32::try_from(value).map_err(|_| refused("an owner's number is too large"));
    Ok(Attributes {
        uid: id(header.uid()?)?,
        gid: id(header.gid()?)?,
        mode: header.mode()?,
        mtime: i64::try_from(header.mtime()?).unwrap_or(i64::MAX),
    })
}

fn link_target<R: Read>(entry: &Entry<'_, R>) -> io::Result<Vec<u8>> {
    let target = entry
        .link_name_bytes()
        .ok_or_else(|| refused("a link has no target"))?;
    Ok(target.into_owned())
}

/// A device's numbers; 0/0 would be taken for a whiteout.
fn device<R: Read>(entry: &Entry<'_, R>) -> io::Result<(u32, u32)> {
    let header = entry.header();
    let numbers = (
        header.device_major()?.unwrap_or(0),
        header.device_minor()?.unwrap_or(0),
    );
    if numbers == (0, 0) {
        return Err(refused(
            "a device has the numbers 0/0, which mean a deletion",
        ));
    }
    Ok(numbers)
}

/// Sets the extended attributes that mean something inside a container. Overlayfs' own would let a
/// layer redirect look-ups, so all of `trusted.` is left out.
fn extended<R: Read>(entry: &mut Entry<'_, R>, place: &Place) -> io::Result<()> {
    let Some(extensions) = entry.pax_extensions()? else {
        return Ok(());
    };
    for extension in extensions {
        let extension = extension?;
        let Some(name) = extension.key_bytes().strip_prefix(b"SCHILY.xattr.") else {
            continue;
        };
        if !(name.starts_with(b"user.") || name == b"security.capability") {
            continue;
        }
        if extension.value_bytes().len() > XATTR {
            return Err(refused("an extended attribute is longer than 64 KiB"));
        }
        match place.set_xattr(OsStr::from_bytes(name), extension.value_bytes()) {
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
            set => set?,
        }
    }
    Ok(())
}
