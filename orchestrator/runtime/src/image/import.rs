//! An image from a local file: an OCI layout directory, or a tar archive of one.
//!
//! Every layer of every image is verified and unpacked in scratch space first; only then is
//! anything put in place, so a corrupt file leaves nothing behind.

use std::{
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Component, Path, PathBuf},
};

use oci_client::manifest::{ImageIndexEntry, OciImageIndex};

use super::{
    ImageError, ImagesConfig,
    digest::{self, Digest},
    disk::{Disk, ImageRecord, LayerRecord, Scratch},
    document::{self, Blob, Document, LayerPlan},
    error::disk,
    name::Name,
    resolve::is_sound,
    seal::{self, Pace},
    tree, unpack,
};

const NAME_ANNOTATIONS: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

/// A layer that is unpacked and verified, but not yet in place.
pub(super) struct Staged {
    scratch: Scratch,
    record: LayerRecord,
}

impl Staged {
    /// Unpacks a packed layer file and compares its diff id.
    pub(super) fn make(
        store: &Disk,
        config: &ImagesConfig,
        packed: &Path,
        plan: &LayerPlan,
    ) -> Result<Self, ImageError> {
        let scratch = store.scratch();
        fs::create_dir(scratch.path()).map_err(disk("create", scratch.path()))?;
        let target = scratch.path().join("tree");
        let file = File::open(packed).map_err(disk("open", packed))?;
        let what = format!("layer {}", plan.blob.digest);
        let found = unpack::unpack(file, &target, config.limits, &what)?;
        if found != plan.diff_id {
            let detail = format!("it unpacks to {found} instead of {}", plan.diff_id);
            return Err(ImageError::corrupt(what, detail));
        }
        let (entries, bytes) = tree::measure(&target).map_err(disk("measure", &target))?;
        let record = LayerRecord {
            diff_id: found,
            bytes,
            entries,
            stamp: seal::stamp(&target).map_err(disk("look through", &target))?,
            content: seal::content(&target, Pace::Full).map_err(disk("read", &target))?,
        };
        store.write(&scratch.path().join("layer.json"), &record)?;
        Ok(Self { scratch, record })
    }

    /// Puts it in place.
    pub(super) fn commit(self, store: &Disk) -> Result<(), ImageError> {
        store.commit_layer(self.scratch.path(), &self.record.diff_id)
    }
}

/// Imports every image of the file, or the only one under the given name.
pub(super) fn import(
    store: &Disk,
    config: &ImagesConfig,
    path: &Path,
    name: Option<&str>,
) -> Result<Vec<(Name, ImageRecord)>, ImageError> {
    let meta = fs::metadata(path).map_err(disk("open", path))?;
    let unpacked;
    let layout = if meta.is_dir() {
        path
    } else {
        unpacked = unpack_archive(store, config, path)?;
        unpacked.path()
    };
    let layout = Layout {
        root: layout,
        config,
    };
    let mut images = Vec::new();
    let mut staged: Vec<Staged> = Vec::new();
    for (name, digest) in layout.images(name)? {
        let (record, plans) = layout.read(&digest)?;
        if let Some(wanted) = &name.digest
            && *wanted != record.digest
            && !record.lists.contains(wanted)
        {
            let what = format!("image `{}`", name.text);
            let detail = format!("the file has {} under that name", record.digest);
            return Err(ImageError::corrupt(what, detail));
        }
        for plan in plans {
            let known = staged
                .iter()
                .any(|layer| layer.record.diff_id == plan.diff_id);
            if !known && !is_sound(store, &plan.diff_id)? {
                let packed = layout.verified(&plan.blob)?;
                staged.push(Staged::make(store, config, &packed, &plan)?);
            }
        }
        images.push((name, record));
    }
    for layer in staged {
        layer.commit(store)?;
    }
    for (name, record) in &images {
        store.keep(record, name)?;
    }
    Ok(images)
}

/// An OCI layout directory.
struct Layout<'a> {
    root: &'a Path,
    config: &'a ImagesConfig,
}

impl Layout<'_> {
    /// Names and manifests that the layout offers.
    fn images(&self, name: Option<&str>) -> Result<Vec<(Name, Digest)>, ImageError> {
        let path = self.root.join("index.json");
        let bytes = self.read_bounded(&path).map_err(|error| match error {
            ImageError::Disk { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                ImageError::unsupported(
                    "the file",
                    "it has no `index.json`; an OCI image layout is accepted",
                )
            }
            other => other,
        })?;
        let index: OciImageIndex = serde_json::from_slice(&bytes)
            .map_err(|error| ImageError::corrupt("the layout's `index.json`", error))?;
        let parse = |text: &str| Name::parse(text, self.config.default_registry.as_deref());
        if let Some(name) = name {
            return Ok(vec![(
                parse(name)?,
                document::choose_only(&index.manifests)?,
            )]);
        }
        if index.manifests.is_empty() {
            return Err(ImageError::unsupported("the layout", "it holds no image"));
        }
        let named = |entry: &ImageIndexEntry| {
            let annotations = entry.annotations.as_ref();
            let name = NAME_ANNOTATIONS
                .iter()
                .find_map(|key| annotations.and_then(|all| all.get(*key)));
            let name = name.ok_or_else(|| {
                ImageError::unsupported("the layout", "an image in it has no name; give one")
            })?;
            Ok((parse(name)?, Digest::parse(&entry.digest)?))
        };
        index.manifests.iter().map(named).collect()
    }

    /// The image behind a manifest or list, verified but for its layers.
    fn read(&self, digest: &Digest) -> Result<(ImageRecord, Vec<LayerPlan>), ImageError> {
        let mut digest = digest.clone();
        let mut lists = Vec::new();
        // A list, and in rare layouts a list of lists.
        for _ in 0..3 {
            match document::parse(&self.document("manifest", &digest)?)? {
                Document::Chosen(next) => lists.push(std::mem::replace(&mut digest, next)),
                Document::Manifest(manifest) => {
                    let blob = document::blob(&manifest.config)?;
                    let settings = document::settings(&self.document("config", &blob.digest)?)?;
                    let plans = document::layers(&manifest, settings.diff_ids, self.config.limits)?;
                    let layers = plans.iter().map(|plan| plan.diff_id.clone()).collect();
                    let record = ImageRecord {
                        digest,
                        config: settings.config,
                        layers,
                        source: None,
                        lists,
                        origins: Vec::new(),
                    };
                    return Ok((record, plans));
                }
            }
        }
        Err(ImageError::unsupported(
            "the layout",
            "its lists of images are nested too deeply",
        ))
    }

    fn document(&self, what: &str, digest: &Digest) -> Result<Vec<u8>, ImageError> {
        let bytes = self.read_bounded(&self.blob_path(digest)?)?;
        document::check(&format!("{what} {digest}"), &bytes, digest)?;
        Ok(bytes)
    }

    /// The path of a blob whose content matches.
    fn verified(&self, blob: &Blob) -> Result<PathBuf, ImageError> {
        let path = self.blob_path(&blob.digest)?;
        let file = File::open(&path).map_err(disk("open", &path))?;
        let (found, _) = digest::of_reader(file).map_err(disk("read", &path))?;
        if found != blob.digest {
            let what = format!("layer {}", blob.digest);
            return Err(ImageError::corrupt(what, format!("its content is {found}")));
        }
        Ok(path)
    }

    fn blob_path(&self, digest: &Digest) -> Result<PathBuf, ImageError> {
        let path = self.root.join("blobs/sha256").join(digest.hex());
        if path.is_file() {
            return Ok(path);
        }
        Err(ImageError::corrupt(
            "the layout",
            format!("blob {digest} is missing"),
        ))
    }

    fn read_bounded(&self, path: &Path) -> Result<Vec<u8>, ImageError> {
        let limit = self.config.limits.document_bytes;
        let file = File::open(path).map_err(disk("open", path))?;
        let mut bytes = Vec::new();
        let read = file.take(limit.saturating_add(1)).read_to_end(&mut bytes);
        read.map_err(disk("read", path))?;
        if bytes.len() as u64 > limit {
            let detail = format!("it has more than {limit} bytes");
            return Err(ImageError::unsupported(
                format!("`{}`", path.display()),
                detail,
            ));
        }
        Ok(bytes)
    }
}

/// Copies the files of a layout archive into scratch space; anything else in it is refused.
fn unpack_archive(store: &Disk, config: &ImagesConfig, path: &Path) -> Result<Scratch, ImageError> {
    let scratch = store.scratch();
    fs::create_dir(scratch.path()).map_err(disk("create", scratch.path()))?;
    let file = File::open(path).map_err(disk("open", path))?;
    let what = format!("archive `{}`", path.display());
    let failed = |error: io::Error| match error.raw_os_error() {
        Some(_) => disk("unpack into", scratch.path())(error),
        None => ImageError::corrupt(what.clone(), error),
    };
    let plain = unpack::decompress(BufReader::new(file)).map_err(failed)?;
    let mut archive = tar::Archive::new(plain);
    let mut left = config.limits.unpacked_bytes;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let Some(inside) = layout_path(&entry.path().map_err(failed)?) else {
            continue;
        };
        left = left
            .checked_sub(entry.size())
            .ok_or_else(|| ImageError::unsupported(what.clone(), "it is larger than accepted"))?;
        let target = scratch.path().join(inside);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(disk("create", parent))?;
        }
        let mut file = File::create(&target).map_err(disk("create", &target))?;
        io::copy(&mut entry, &mut file).map_err(failed)?;
    }
    Ok(scratch)
}

/// `index.json`, `oci-layout` or a blob; `None` for files that have no meaning here.
fn layout_path(path: &Path) -> Option<PathBuf> {
    let plain: Option<Vec<&str>> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    match plain?.as_slice() {
        [file @ ("index.json" | "oci-layout")] => Some(PathBuf::from(file)),
        ["blobs", "sha256", hex] => {
            let digest = Digest::parse(&format!("sha256:{hex}")).ok()?;
            Some(Path::new("blobs/sha256").join(digest.hex()))
        }
        _ => None,
    }
}
