//! From a name to an image ready to mount: the store first, then the registry, once for all who ask.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt,
    future::{BoxFuture, WeakShared},
};
use tokio::sync::RwLock;

use super::{
    ImageError, ImagesConfig, ResolvedImage,
    digest::Digest,
    disk::{Disk, ImageRecord, LayerRecord},
    error::{blocking, disk},
    garbage, import,
    name::Name,
    pull,
    registry::Registries,
    seal::{self, Pace},
    signature::Judge,
};
use crate::backend::{Freed, ImageInfo};

type Outcome = Result<Arc<ResolvedImage>, ImageError>;
type Flights = HashMap<String, WeakShared<BoxFuture<'static, Outcome>>>;

/// A layer whose files are not what was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The layer's diff id.
    pub layer: String,
    /// Names of images that use it.
    pub images: Vec<String>,
}

/// How fast the background check reads: slow enough not to be noticed.
const QUIETLY: Pace = Pace::BytesPerSecond(32 << 20);

/// The image store. Clones share it.
#[derive(Clone)]
pub struct Images {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) disk: Disk,
    pub(super) config: ImagesConfig,
    pub(super) registries: Registries,
    pub(super) judge: Judge,
    /// Images verified by this process, by canonical name.
    ready: Mutex<HashMap<String, Arc<ResolvedImage>>>,
    flights: Mutex<Flights>,
    /// Held for writing while garbage is collected, for reading while images are added.
    quiet: RwLock<()>,
    /// One fetch of a layer at a time, by diff id.
    pub(super) layers: Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

impl std::fmt::Debug for Images {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}

impl Images {
    /// Opens or makes the store below `root`.
    ///
    /// # Errors
    /// [`ImageError::Disk`] when its directories cannot be made.
    pub fn open(root: &Path, config: ImagesConfig) -> Result<Self, ImageError> {
        let inner = Inner {
            disk: Disk::open(root)?,
            registries: Registries::new(&config),
            judge: Judge::default(),
            config,
            ready: Mutex::default(),
            flights: Mutex::default(),
            quiet: RwLock::default(),
            layers: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The image behind a name, fetched if it is not here. Callers that ask for the same name at
    /// the same time share one fetch and its outcome.
    ///
    /// # Errors
    /// See [`ImageError`]; nothing half-made is kept, and nothing that the rules about signatures
    /// refuse is handed out, wherever it lies already.
    pub async fn resolve(&self, reference: &str) -> Result<Arc<ResolvedImage>, ImageError> {
        let name = Name::parse(reference, self.inner.config.default_registry.as_deref())?;
        let image = match self.inner.cached(&name.canonical) {
            Some(image) => image,
            None => self.found(name.clone()).await?,
        };
        let digest = Digest::parse(&image.digest)?;
        self.inner.admit_known(&name, &digest).await?;
        Ok(image)
    }

    /// Looks for it once for all who ask.
    async fn found(&self, name: Name) -> Outcome {
        let key = name.canonical.clone();
        let flight = {
            let mut flights = lock(&self.inner.flights);
            flights.retain(|_, flight| flight.upgrade().is_some());
            match flights.get(&key).and_then(WeakShared::upgrade) {
                Some(flight) => flight,
                None => {
                    let flight = Arc::clone(&self.inner).find(name).boxed().shared();
                    flights.extend(flight.downgrade().map(|weak| (key.clone(), weak)));
                    flight
                }
            }
        };
        let outcome = flight.await;
        // The next one who asks after a failure tries again.
        lock(&self.inner.flights).remove(&key);
        outcome
    }

    /// Brings in the images of an OCI layout directory, or of a tar archive of one (plain, gzip or
    /// zstd). With `name` the file must hold one image for this platform.
    ///
    /// # Errors
    /// See [`ImageError`]; when anything does not match its digest, nothing is kept.
    pub async fn import(
        &self,
        path: &Path,
        name: Option<&str>,
    ) -> Result<Vec<ImageInfo>, ImageError> {
        let _adding = self.inner.quiet.read().await;
        let (inner, path, name) = (
            Arc::clone(&self.inner),
            path.to_owned(),
            name.map(str::to_owned),
        );
        blocking(move || {
            let images = import::import(&inner.disk, &inner.config, &path, name.as_deref())?;
            let mut ready = lock(&inner.ready);
            for (name, _) in &images {
                ready.remove(&name.canonical);
            }
            drop(ready);
            let info = |(name, record): &(Name, ImageRecord)| inner.info(&name.text, record);
            images.iter().map(info).collect()
        })
        .await
    }

    /// Every name in the store, in order.
    ///
    /// # Errors
    /// [`ImageError::Disk`] when the store cannot be read.
    pub async fn list(&self) -> Result<Vec<ImageInfo>, ImageError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut infos = Vec::new();
            for name in inner.disk.names()? {
                if let Some(record) = inner.disk.find_image(&name.digest)? {
                    infos.push(inner.info(&name.name, &record)?);
                }
            }
            infos.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(infos)
        })
        .await
    }

    /// Reads every layer of every image and compares it with what was unpacked. What is damaged is
    /// not used for further containers: whoever needs it next fetches it again, or is told to import
    /// it again. `quietly` reads slowly, for the background.
    ///
    /// # Errors
    /// [`ImageError::Disk`] when the store's records cannot be read.
    pub async fn verify(&self, quietly: bool) -> Result<Vec<Damage>, ImageError> {
        let inner = Arc::clone(&self.inner);
        let pace = if quietly { QUIETLY } else { Pace::Full };
        blocking(move || inner.verify(pace)).await
    }

    /// Removes names, images and layers that none of `keep` (names or digests) needs. An image that
    /// someone still holds from [`Images::resolve`] stays too.
    ///
    /// # Errors
    /// [`ImageError::Disk`] when something cannot be removed; calling again continues.
    pub async fn collect_garbage(&self, keep: &[String]) -> Result<Freed, ImageError> {
        let inner = Arc::clone(&self.inner);
        let keep: HashSet<String> = keep.iter().cloned().collect();
        let _alone = self.inner.quiet.write().await;
        blocking(move || {
            let held = inner.held();
            garbage::collect(&inner.disk, &inner.config, &keep, &held)
        })
        .await
    }
}

impl Inner {
    async fn find(self: Arc<Self>, name: Name) -> Outcome {
        let _adding = self.quiet.read().await;
        let (inner, wanted) = (Arc::clone(&self), name.clone());
        let local = blocking(move || inner.find_local(&wanted)).await?;
        let record = match local {
            Local::Sound(record) => record,
            Local::Absent => pull::pull(&self, &name).await?,
            Local::Damaged { layer, record } => self.mend(&name, &layer, record).await?,
        };
        let image = Arc::new(self.disk.resolved(&record));
        lock(&self.ready).insert(name.canonical, Arc::clone(&image));
        Ok(image)
    }

    fn find_local(&self, name: &Name) -> Result<Local, ImageError> {
        let Some(record) = self.find_record(name)? else {
            return Ok(Local::Absent);
        };
        for layer in &record.layers {
            if !is_sound(&self.disk, layer)? {
                return Ok(Local::Damaged {
                    layer: layer.clone(),
                    record,
                });
            }
        }
        Ok(Local::Sound(record))
    }

    /// What is here under a name. A digest that a name demands is here if it came from the name's
    /// repository, or is called by it: elsewhere it may be under another rule.
    pub(super) fn find_record(&self, name: &Name) -> Result<Option<ImageRecord>, ImageError> {
        if let Some(named) = self.disk.find_name(name)? {
            return self.disk.find_image(&named.digest);
        }
        let Some(digest) = &name.digest else {
            return Ok(None);
        };
        let Some(record) = self.disk.find_image(digest)? else {
            return Ok(None);
        };
        let Some(repository) = name.repository() else {
            return Ok(Some(record));
        };
        let known = self.repositories_of(&record.digest)?;
        let here = known.contains(&repository) || self.origins(&record)?.contains(&repository);
        Ok(here.then_some(record))
    }

    /// Fetches an image again whose layer was damaged on this disk; an imported one is named.
    async fn mend(
        self: &Arc<Self>,
        name: &Name,
        layer: &Digest,
        record: ImageRecord,
    ) -> Result<ImageRecord, ImageError> {
        tracing::warn!(image = %name.text, layer = %layer, "a layer is damaged on disk");
        let Some(source) = record.source else {
            let what = format!("layer {layer} of image `{}`", name.text);
            return Err(ImageError::corrupt(
                what,
                "its files on this disk are missing or changed; import the image again",
            ));
        };
        let source = Name::parse(&source, self.config.default_registry.as_deref())?;
        // The very same image, whatever its tag means by now.
        let reference = source
            .reference
            .map(|known| known.clone_with_digest(record.digest.to_string()));
        let same = Name {
            text: name.text.clone(),
            canonical: name.canonical.clone(),
            digest: Some(record.digest),
            qualified: source.qualified,
            reference,
        };
        pull::pull(self, &same).await
    }

    /// An image that this process verified before, and whose layers are still there.
    fn cached(&self, canonical: &str) -> Option<Arc<ResolvedImage>> {
        let image = lock(&self.ready).get(canonical).cloned()?;
        if image.layers.iter().all(|layer| layer.is_dir()) {
            return Some(image);
        }
        lock(&self.ready).remove(canonical);
        None
    }

    /// Digests of images that someone else holds; all others are forgotten here.
    fn held(&self) -> HashSet<String> {
        lock(&self.layers).clear();
        self.judge.rest();
        let mut ready = lock(&self.ready);
        ready.retain(|_, image| Arc::strong_count(image) > 1);
        ready.values().map(|image| image.digest.clone()).collect()
    }

    fn verify(&self, pace: Pace) -> Result<Vec<Damage>, ImageError> {
        let mut users: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
        for name in self.disk.names()? {
            let image = self.disk.find_image(&name.digest)?;
            for layer in image.map(|image| image.layers).unwrap_or_default() {
                users.entry(layer).or_default().push(name.name.clone());
            }
        }
        let mut damaged = Vec::new();
        for (layer, images) in users {
            if self.is_intact(&layer, pace)? {
                continue;
            }
            tracing::error!(layer = %layer, ?images, "a layer is damaged on disk");
            let path = self.disk.layer_tree(&layer);
            lock(&self.ready).retain(|_, image| !image.layers.contains(&path));
            damaged.push(Damage {
                layer: layer.to_string(),
                images,
            });
        }
        Ok(damaged)
    }

    /// Whether a layer's content is what was unpacked. One that is removed or put in place meanwhile
    /// is nobody's damage.
    fn is_intact(&self, layer: &Digest, pace: Pace) -> Result<bool, ImageError> {
        let Ok(Some(record)) = self.disk.find_layer(layer) else {
            return Ok(false);
        };
        let found = seal::content(&self.disk.layer_tree(layer), pace);
        if found.is_ok_and(|content| content == record.content) {
            return Ok(true);
        }
        // Only what is still the same layer as was looked at is set aside.
        if self.disk.find_layer(layer).ok().flatten().as_ref() == Some(&record) {
            self.disk.distrust_layer(layer)?;
            return Ok(false);
        }
        Ok(true)
    }

    fn info(&self, name: &str, record: &ImageRecord) -> Result<ImageInfo, ImageError> {
        let mut size = 0u64;
        for layer in &record.layers {
            size = size.saturating_add(self.disk.find_layer(layer)?.map_or(0, |layer| layer.bytes));
        }
        Ok(ImageInfo {
            name: name.to_owned(),
            digest: record.digest.to_string(),
            size,
        })
    }
}

/// What the store knows of a name.
enum Local {
    Absent,
    Sound(ImageRecord),
    Damaged { layer: Digest, record: ImageRecord },
}

/// Whether a layer is in place as it was unpacked. Files are read only where the kernel tells that
/// something was touched.
pub(super) fn is_sound(store: &Disk, diff_id: &Digest) -> Result<bool, ImageError> {
    let record = match store.find_layer(diff_id) {
        Ok(Some(record)) if record.diff_id == *diff_id => record,
        Ok(_) | Err(ImageError::Corrupt { .. }) => return Ok(false),
        Err(error) => return Err(error),
    };
    let path: PathBuf = store.layer_tree(diff_id);
    let readable = |error: std::io::Error| match error.raw_os_error() {
        // What the disk cannot give back is damaged like what it gives back wrong.
        Some(libc::ENOENT | libc::ENOTDIR | libc::EIO | libc::EUCLEAN) => Ok(None),
        _ => Err(disk("read", &path)(error)),
    };
    let stamp = seal::stamp(&path).map(Some).or_else(readable)?;
    if stamp.as_ref() == Some(&record.stamp) {
        return Ok(true);
    }
    let content = seal::content(&path, Pace::Full)
        .map(Some)
        .or_else(readable)?;
    let sound = content.as_ref() == Some(&record.content);
    if let (true, Some(stamp)) = (sound, stamp) {
        store.describe_layer(&LayerRecord { stamp, ..record })?;
    }
    Ok(sound)
}

/// A lock whose holder cannot leave it half-changed: every use is one map operation.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
