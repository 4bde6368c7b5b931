//! Writes an OCI image layout without any engine or network: one layer of given files.
//!
//! The same input gives the same bytes: entries are sorted, owned by root, and dated 1970.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    ImageError,
    digest::{Digest, Hasher},
    disk::{sync_dir, write_synced},
    error::disk,
};

/// What an image is made of.
#[derive(Debug, Clone, Default)]
pub struct LayoutSpec {
    /// Its files.
    pub files: Vec<LayoutFile>,
    /// Directories besides those that files need: absolute path and mode.
    pub dirs: Vec<(String, u32)>,
    /// Command in front of the arguments.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// `NAME=value` each.
    pub env: Vec<String>,
    /// Absolute path.
    pub working_dir: Option<String>,
    /// `uid` or `uid:gid`.
    pub user: Option<String>,
    /// The signal that asks it to end, such as `SIGTERM`.
    pub stop_signal: Option<String>,
}

/// One file of an image.
#[derive(Debug, Clone)]
pub struct LayoutFile {
    /// Absolute path inside the image.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Permission bits such as `0o755`.
    pub mode: u32,
}

/// Where a file's content comes from.
#[derive(Debug, Clone)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A file of this machine.
    File(PathBuf),
}

/// Makes the layout in the directory `dest`, which must not exist or be empty. The image is called
/// `name_tag`, such as `shop:1`.
///
/// # Errors
/// [`ImageError::Unsupported`] for a path that is not absolute and plain or a `dest` in use;
/// [`ImageError::Disk`] when writing fails, and then `dest` may be incomplete.
pub fn write_layout(dest: &Path, name_tag: &str, image: &LayoutSpec) -> Result<(), ImageError> {
    let entries = entries(image)?;
    let blobs = dest.join("blobs/sha256");
    fs::create_dir_all(dest).map_err(disk("create", dest))?;
    if fs::read_dir(dest)
        .map_err(disk("read", dest))?
        .next()
        .is_some()
    {
        let what = format!("directory `{}`", dest.display());
        return Err(ImageError::unsupported(what, "it is not empty"));
    }
    fs::create_dir_all(&blobs).map_err(disk("create", &blobs))?;
    let (layer, size) = write_layer(&blobs, &entries)?;
    let config = write_json(&blobs, &config_document(image, &layer))?;
    let manifest = write_json(&blobs, &manifest_document(&config, &layer, size))?;
    write_synced(
        &dest.join("oci-layout"),
        br#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    let index = index_document(name_tag, &manifest).to_string();
    write_synced(&dest.join("index.json"), index.as_bytes())?;
    sync_dir(&blobs)?;
    sync_dir(dest)
}

enum Item<'a> {
    Directory(u32),
    File(&'a LayoutFile),
}

/// Every entry by its path without the leading slash; parents are added as 0755.
fn entries(image: &LayoutSpec) -> Result<BTreeMap<String, Item<'_>>, ImageError> {
    let mut entries = BTreeMap::new();
    for (path, mode) in &image.dirs {
        let path = plain(path)?;
        add_parents(&mut entries, &path);
        entries.insert(path, Item::Directory(*mode));
    }
    for file in &image.files {
        let path = plain(&file.path)?;
        add_parents(&mut entries, &path);
        if entries.insert(path, Item::File(file)).is_some() {
            let what = format!("path `{}`", file.path);
            return Err(ImageError::unsupported(what, "it is given twice"));
        }
    }
    Ok(entries)
}

fn add_parents(entries: &mut BTreeMap<String, Item<'_>>, path: &str) {
    for (at, _) in path.match_indices('/') {
        if let Some(parent) = path.get(..at) {
            entries
                .entry(parent.to_owned())
                .or_insert(Item::Directory(0o755));
        }
    }
}

fn plain(path: &str) -> Result<String, ImageError> {
    let inside = path
        .strip_prefix('/')
        .unwrap_or_default()
        .trim_end_matches('/');
    let is_plain = !inside.is_empty()
        && inside
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."));
    if is_plain {
        return Ok(inside.to_owned());
    }
    let what = format!("path `{path}`");
    Err(ImageError::unsupported(
        what,
        "an absolute path without `.` and `..` is accepted",
    ))
}

/// Writes the layer's archive; returns its digest, which is its diff id too, and its size.
fn write_layer(
    blobs: &Path,
    entries: &BTreeMap<String, Item<'_>>,
) -> Result<(Digest, u64), ImageError> {
    let path = blobs.join("layer");
    let file = File::create(&path).map_err(disk("create", &path))?;
    let failed = |error: io::Error| disk("write", &path)(error);
    let mut archive = tar::Builder::new(Hashing::new(BufWriter::new(file)));
    for (name, item) in entries {
        append(&mut archive, name, item).map_err(failed)?;
    }
    let hashing = archive.into_inner().map_err(failed)?;
    let (digest, size) = (hashing.hasher.finish(), hashing.length);
    let file = hashing
        .inner
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&path, blobs.join(digest.hex())).map_err(disk("rename", &path))?;
    Ok((digest, size))
}

fn append<W: Write>(archive: &mut tar::Builder<W>, name: &str, item: &Item<'_>) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    let file = match item {
        Item::Directory(mode) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(*mode);
            header.set_size(0);
            return archive.append_data(&mut header, format!("{name}/"), io::empty());
        }
        Item::File(file) => file,
    };
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(file.mode);
    match &file.content {
        Content::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, name, bytes.as_slice())
        }
        Content::File(path) => {
            let source = File::open(path)?;
            let size = source.metadata()?.len();
            header.set_size(size);
            archive.append_data(&mut header, name, source.take(size))
        }
    }
}

fn config_document(image: &LayoutSpec, layer: &Digest) -> serde_json::Value {
    json!({
        "created": "1970-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "Cmd": image.cmd,
            "Env": image.env,
            "WorkingDir": image.working_dir.as_deref().unwrap_or("/"),
            "User": image.user.as_deref().unwrap_or(""),
            "StopSignal": image.stop_signal.as_deref().unwrap_or(""),
        },
        "rootfs": { "type": "layers", "diff_ids": [layer.as_str()] },
    })
}

fn manifest_document(config: &(Digest, u64), layer: &Digest, size: u64) -> serde_json::Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config.0.as_str(),
            "size": config.1,
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": layer.as_str(),
            "size": size,
        }],
    })
}

fn index_document(name_tag: &str, manifest: &(Digest, u64)) -> serde_json::Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.0.as_str(),
            "size": manifest.1,
            "platform": { "architecture": "amd64", "os": "linux" },
            "annotations": { "org.opencontainers.image.ref.name": name_tag },
        }],
    })
}

fn write_json(blobs: &Path, document: &serde_json::Value) -> Result<(Digest, u64), ImageError> {
    let bytes = document.to_string().into_bytes();
    let digest = Digest::of(&bytes);
    write_synced(&blobs.join(digest.hex()), &bytes)?;
    Ok((digest, bytes.len() as u64))
}

/// Hashes and counts what is written.
struct Hashing<W> {
    inner: W,
    hasher: Hasher,
    length: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
            length: 0,
        }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(buffer)?;
        self.hasher.update(buffer.get(..count).unwrap_or_default());
        self.length = self.length.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
