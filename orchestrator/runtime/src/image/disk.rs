//! Where images lie on disk, and how they get there whole or not at all.
//!
//! `names/` holds a record per name, `images/` one per manifest, `layers/<diff id>/` a record and
//! the unpacked `tree` of each layer, `signatures/` what was found good of each digest, `tmp/` what is
//! being made. Everything appears by rename after it is durable; records are written after what they
//! refer to.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{ImageConfig, ImageError, ResolvedImage, digest::Digest, error::disk, name::Name};

/// A name and what it stands for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct NameRecord {
    pub(super) name: String,
    pub(super) canonical: String,
    pub(super) digest: Digest,
}

/// One image: its settings and layers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ImageRecord {
    pub(super) digest: Digest,
    pub(super) config: ImageConfig,
    pub(super) layers: Vec<Digest>,
    /// The canonical name it was fetched by; absent for imported ones.
    pub(super) source: Option<String>,
    /// Lists of images that it was chosen from by its digest.
    #[serde(default)]
    pub(super) lists: Vec<Digest>,
    /// Repositories that had it when it was fetched from there.
    #[serde(default)]
    pub(super) origins: Vec<String>,
}

/// One layer: what was unpacked, to notice what went missing or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    pub(super) diff_id: Digest,
    pub(super) bytes: u64,
    pub(super) entries: u64,
    /// What the kernel tells about it (see `seal`).
    pub(super) stamp: Digest,
    /// What is in it.
    pub(super) content: Digest,
}

/// Between a layer's name and a number, of one that gave way to a sound one. Containers that run
/// may still see it.
const RETIRED: &str = ".retired-";
/// Lists remembered of one image, and repositories.
const LISTS: usize = 8;

/// The store's directories.
pub(super) struct Disk {
    root: PathBuf,
    scratch: PathBuf,
    _lock: Flock<File>,
    counter: AtomicU64,
}

impl Disk {
    /// Makes the directories and sweeps what crashed predecessors left in `tmp/`.
    pub(super) fn open(root: &Path) -> Result<Self, ImageError> {
        for part in ["names", "images", "layers", "signatures", "tmp"] {
            let path = root.join(part);
            fs::create_dir_all(&path).map_err(disk("create", &path))?;
        }
        let tmp = root.join("tmp");
        sweep(&tmp)?;
        let (scratch, lock) = own_scratch(&tmp)?;
        Ok(Self {
            root: root.to_owned(),
            scratch,
            _lock: lock,
            counter: AtomicU64::new(0),
        })
    }

    /// A fresh path in this process's scratch space; removed when dropped.
    pub(super) fn scratch(&self) -> Scratch {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        Scratch(self.scratch.join(number.to_string()))
    }

    pub(super) fn layer_dir(&self, diff_id: &Digest) -> PathBuf {
        self.root.join("layers").join(diff_id.hex())
    }

    pub(super) fn layer_tree(&self, diff_id: &Digest) -> PathBuf {
        self.layer_dir(diff_id).join("tree")
    }

    fn image_path(&self, digest: &Digest) -> PathBuf {
        self.root
            .join("images")
            .join(format!("{}.json", digest.hex()))
    }

    fn name_path(&self, canonical: &str) -> PathBuf {
        let file = Digest::of(canonical.as_bytes());
        self.root.join("names").join(format!("{}.json", file.hex()))
    }

    pub(super) fn signatures_path(&self, digest: &Digest) -> PathBuf {
        self.root
            .join("signatures")
            .join(format!("{}.json", digest.hex()))
    }

    /// Records below `signatures/`.
    pub(super) fn signatures(&self) -> Result<Vec<PathBuf>, ImageError> {
        list(&self.root.join("signatures"))
    }

    pub(super) fn forget_signatures(&self, path: &Path) -> Result<(), ImageError> {
        remove_file(path)
    }

    /// A record, if there is one.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, ImageError> {
        read_record(path)
    }

    pub(super) fn find_name(&self, name: &Name) -> Result<Option<NameRecord>, ImageError> {
        read_record(&self.name_path(&name.canonical))
    }

    pub(super) fn find_image(&self, digest: &Digest) -> Result<Option<ImageRecord>, ImageError> {
        read_record(&self.image_path(digest))
    }

    pub(super) fn find_layer(&self, diff_id: &Digest) -> Result<Option<LayerRecord>, ImageError> {
        read_record(&self.layer_record(diff_id))
    }

    fn layer_record(&self, diff_id: &Digest) -> PathBuf {
        self.layer_dir(diff_id).join("layer.json")
    }

    /// Replaces what is known of a layer in place.
    pub(super) fn describe_layer(&self, record: &LayerRecord) -> Result<(), ImageError> {
        self.write(&self.layer_record(&record.diff_id), record)
    }

    /// Makes an unsound layer unusable: the next who needs it fetches it again.
    pub(super) fn distrust_layer(&self, diff_id: &Digest) -> Result<(), ImageError> {
        remove_file(&self.layer_record(diff_id))
    }

    /// The layer that a directory under `layers/` is, or was before it gave way.
    pub(super) fn layer_of(dir: &Path) -> PathBuf {
        let name = dir.file_name().and_then(|name| name.to_str());
        match name.and_then(|name| name.split_once(RETIRED)) {
            Some((layer, _)) => dir.with_file_name(layer),
            None => dir.to_owned(),
        }
    }

    pub(super) fn names(&self) -> Result<Vec<NameRecord>, ImageError> {
        read_records(&self.root.join("names"))
    }

    pub(super) fn images(&self) -> Result<Vec<ImageRecord>, ImageError> {
        read_records(&self.root.join("images"))
    }

    /// Directory names under `layers/`, whatever they are.
    pub(super) fn layers(&self) -> Result<Vec<PathBuf>, ImageError> {
        list(&self.root.join("layers"))
    }

    /// Makes an image known under a name; its layers are durable already. Lists that named it when it
    /// came in earlier name it still, and where it came from it came from.
    pub(super) fn keep(&self, image: &ImageRecord, name: &Name) -> Result<(), ImageError> {
        let mut image = image.clone();
        if let Some(known) = self.find_image(&image.digest).ok().flatten() {
            add(&mut image.lists, known.lists);
            add(&mut image.origins, known.origins);
            image.source = image.source.or(known.source);
        }
        self.write(&self.image_path(&image.digest), &image)?;
        let record = NameRecord {
            name: name.text.clone(),
            canonical: name.canonical.clone(),
            digest: image.digest.clone(),
        };
        self.write(&self.name_path(&name.canonical), &record)
    }

    pub(super) fn forget_name(&self, record: &NameRecord) -> Result<(), ImageError> {
        remove_file(&self.name_path(&record.canonical))
    }

    pub(super) fn forget_image(&self, record: &ImageRecord) -> Result<(), ImageError> {
        remove_file(&self.image_path(&record.digest))
    }

    /// Moves a layer out of sight, then removes it: a crash in between leaves only scratch.
    pub(super) fn remove_layer(&self, dir: &Path) -> Result<(), ImageError> {
        let gone = self.scratch();
        match fs::rename(dir, gone.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(disk("move away", dir)(error)),
            Ok(()) => fs::remove_dir_all(gone.path()).map_err(disk("remove", gone.path())),
        }
    }

    /// Puts a finished, synced layer in place; an unsound one that is there gives way, and stays
    /// aside until no image needs the layer: what runs on it would lose its files.
    pub(super) fn commit_layer(&self, made: &Path, diff_id: &Digest) -> Result<(), ImageError> {
        let place = self.layer_dir(diff_id);
        self.retire(&place)?;
        fs::rename(made, &place).map_err(disk("rename", made))?;
        sync_dir(&self.root.join("layers"))
    }

    fn retire(&self, place: &Path) -> Result<(), ImageError> {
        for number in 0..10_000u32 {
            let mut aside = place.as_os_str().to_owned();
            aside.push(format!("{RETIRED}{number}"));
            if fs::symlink_metadata(&aside).is_ok() {
                continue;
            }
            return match fs::rename(place, &aside) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(disk("move away", place)(error))
                }
                _ => Ok(()),
            };
        }
        self.remove_layer(place)
    }

    /// Writes a record so that it is there whole, or as it was before.
    pub(super) fn write<T: Serialize>(&self, path: &Path, record: &T) -> Result<(), ImageError> {
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(io::Error::from)
            .map_err(disk("encode", path))?;
        let scratch = self.scratch();
        write_synced(scratch.path(), &bytes)?;
        fs::rename(scratch.path(), path).map_err(disk("rename to", path))?;
        path.parent().map_or(Ok(()), sync_dir)
    }

    pub(super) fn resolved(&self, record: &ImageRecord) -> ResolvedImage {
        ResolvedImage {
            digest: record.digest.to_string(),
            layers: record
                .layers
                .iter()
                .map(|layer| self.layer_tree(layer))
                .collect(),
            config: record.config.clone(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.scratch) {
            tracing::debug!(%error, "scratch space of the image store was left behind");
        }
    }
}

/// A path that is removed, with all below it, when this is dropped.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = match fs::symlink_metadata(&self.0) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&self.0),
            Ok(_) => fs::remove_file(&self.0),
            Err(_) => Ok(()),
        };
        if let Err(error) = removed {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove scratch");
        }
    }
}

/// Writes a new file and makes its content durable.
pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let mut file = File::create(path).map_err(disk("create", path))?;
    file.write_all(bytes).map_err(disk("write", path))?;
    file.sync_all().map_err(disk("sync", path))
}

/// Makes a directory's entries durable.
pub(super) fn sync_dir(path: &Path) -> Result<(), ImageError> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(disk("sync", path))
}

fn sweep(tmp: &Path) -> Result<(), ImageError> {
    for entry in list(tmp)? {
        let Ok(file) = File::open(entry.join("lock")) else {
            // No lock file: its maker died before writing it, or is about to; then it makes another.
            let _ = fs::remove_dir_all(&entry);
            continue;
        };
        if Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok() {
            fs::remove_dir_all(&entry).map_err(disk("remove", &entry))?;
        }
    }
    Ok(())
}

/// A directory of one's own, locked as long as this process lives.
fn own_scratch(tmp: &Path) -> Result<(PathBuf, Flock<File>), ImageError> {
    for number in 0..10_000u32 {
        let path = tmp.join(format!("{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(disk("create", &path)(error)),
            Ok(()) => {}
        }
        let lock = path.join("lock");
        let file = File::create(&lock).map_err(disk("create", &lock))?;
        return match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok((path, held)),
            Err((_, error)) => Err(disk("lock", &lock)(error)),
        };
    }
    Err(disk("find room in", tmp)(io::Error::from(
        io::ErrorKind::AlreadyExists,
    )))
}

/// Adds what is new, as long as there is room.
fn add<T: PartialEq>(all: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !all.contains(&one) && all.len() < LISTS {
            all.push(one);
        }
    }
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let entries = fs::read_dir(dir).map_err(disk("read", dir))?;
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(disk("read", dir)))
        .collect()
}

fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ImageError> {
    let bytes = match fs::read(path) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(None);
        }
        read => read.map_err(disk("read", path))?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| ImageError::corrupt(format!("record `{}`", path.display()), error))
}

/// Every readable record; a damaged one is skipped with a warning, since names can be made again.
fn read_records<T: DeserializeOwned>(dir: &Path) -> Result<Vec<T>, ImageError> {
    let mut records = Vec::new();
    for path in list(dir)? {
        match read_record(&path) {
            Ok(record) => records.extend(record),
            Err(error @ ImageError::Corrupt { .. }) => tracing::warn!(%error, "skipped"),
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

fn remove_file(path: &Path) -> Result<(), ImageError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk("remove", path)(error)),
        _ => path.parent().map_or(Ok(()), sync_dir),
    }
}
