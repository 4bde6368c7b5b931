//! An image from a registry: manifest, config, then the layers that are missing here.
//!
//! Layers are streamed to disk, continued where a connection broke, verified packed and unpacked,
//! and put in place one by one: what is fetched before a failure is not fetched again.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt, stream};
use oci_client::{
    Reference,
    client::{BlobResponse, LayerDescriptor},
    manifest::{
        IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE,
        OCI_IMAGE_MEDIA_TYPE, OciImageManifest,
    },
};
use tokio::io::{AsyncWriteExt, BufWriter};

use super::{
    ImageError,
    digest::{Digest, Hasher},
    disk::ImageRecord,
    document::{self, Blob, Document, LayerPlan},
    error::disk,
    import::Staged,
    name::{self, Name},
    registry::{Failure, Session, retry, understand},
    resolve::{Inner, is_sound, lock},
    signature::Candidate,
};

const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];

/// Layers fetched at the same time.
const PARALLEL: usize = 3;

/// Fetches what is missing of the image and makes it known under its name.
pub(super) async fn pull(store: &Arc<Inner>, name: &Name) -> Result<ImageRecord, ImageError> {
    let Some(reference) = reference(store, name) else {
        return Err(ImageError::NotFound {
            reference: name.text.clone(),
            place: "in the local store".to_owned(),
        });
    };
    store.refuse_unasked(name)?;
    let fetch = Fetch::begin(store, reference).await?;
    let (candidate, manifest) = fetch.manifest(name.digest.as_ref()).await?;
    // Nothing of an image that may not run is unpacked.
    store.admit(name, &candidate).await?;
    let config = document::blob(&manifest.config)?;
    let settings = document::settings(&fetch.small(&config).await?)?;
    let plans = document::layers(&manifest, settings.diff_ids, store.config.limits)?;
    let layers = plans.iter().map(|plan| plan.diff_id.clone()).collect();
    let fetched = stream::iter(plans.into_iter().map(|plan| fetch.layer(plan)));
    fetched
        .buffer_unordered(PARALLEL)
        .try_collect::<()>()
        .await?;
    let source = Some(fetch.reference.whole());
    let (inner, name) = (Arc::clone(store), name.clone());
    super::error::blocking(move || {
        let record = ImageRecord {
            digest: candidate.digest,
            config: settings.config,
            layers,
            source,
            lists: candidate.lists,
            origins: candidate.origins,
        };
        inner.disk.keep(&record, &name)?;
        Ok(record)
    })
    .await
}

/// Where to ask; a name without a registry only where a default is configured.
pub(super) fn reference(store: &Inner, name: &Name) -> Option<Reference> {
    let reference = name.reference.clone()?;
    (name.qualified || store.config.default_registry.is_some()).then_some(reference)
}

/// Something of a repository that is being fetched.
pub(super) struct Fetch<'a> {
    store: &'a Arc<Inner>,
    session: Session,
    pub(super) reference: Reference,
}

impl<'a> Fetch<'a> {
    /// Gets ready to ask the registry that the reference names.
    pub(super) async fn begin(
        store: &'a Arc<Inner>,
        reference: Reference,
    ) -> Result<Self, ImageError> {
        let attempts = store.config.attempts;
        let session = store.registries.session(&reference, attempts).await?;
        Ok(Self {
            store,
            session,
            reference,
        })
    }

    pub(super) async fn manifest(
        &self,
        pinned: Option<&Digest>,
    ) -> Result<(Candidate, OciImageManifest), ImageError> {
        let limit = self.store.config.limits.document_bytes;
        let mut reference = self.reference.clone();
        let mut expected = pinned.cloned();
        let mut lists = Vec::new();
        // A list, and in rare cases a list of lists.
        for _ in 0..3 {
            let bytes = self.manifest_bytes(&reference, limit).await?;
            let digest = Digest::of(&bytes);
            if let Some(expected) = &expected {
                document::check(&format!("manifest {expected}"), &bytes, expected)?;
            }
            match document::parse(&bytes)? {
                Document::Manifest(manifest) => {
                    let source = Some(self.reference.clone());
                    let candidate = Candidate {
                        digest,
                        lists,
                        source,
                        origins: vec![name::repository(&self.reference)],
                    };
                    return Ok((candidate, *manifest));
                }
                Document::Chosen(next) => {
                    lists.push(digest);
                    reference = self.reference.clone_with_digest(next.to_string());
                    expected = Some(next);
                }
            }
        }
        Err(ImageError::unsupported(
            "the image",
            "its lists of images are nested too deeply",
        ))
    }

    /// A manifest of the repository, unless it has more than so many bytes.
    pub(super) async fn manifest_bytes(
        &self,
        reference: &Reference,
        limit: u64,
    ) -> Result<Vec<u8>, ImageError> {
        retry(self.session.attempts, async || {
            let pulled =
                self.session
                    .client
                    .pull_manifest_raw(reference, &self.session.auth, &ACCEPTED);
            let (bytes, _) = pulled
                .await
                .map_err(|error| understand(reference, &error))?;
            if bytes.len() as u64 > limit {
                let detail = format!("it has more than {limit} bytes");
                let what = format!("the manifest of `{}`", reference.whole());
                return Err(ImageError::unsupported(what, detail).into());
            }
            Ok(bytes.to_vec())
        })
        .await
    }

    /// A small blob, in memory.
    pub(super) async fn small(&self, blob: &Blob) -> Result<Vec<u8>, ImageError> {
        let limit = self.store.config.limits.document_bytes;
        if blob.size > limit {
            let detail = format!("it has {} bytes; {limit} are accepted", blob.size);
            return Err(ImageError::unsupported(
                format!("blob {}", blob.digest),
                detail,
            ));
        }
        let bytes = retry(self.session.attempts, async || {
            let mut stream = self.open(blob, 0).await?.1;
            let mut bytes = Vec::new();
            while let Some(part) = stream.next().await {
                bytes.extend_from_slice(&part.map_err(|error| self.broken(error))?);
                if bytes.len() as u64 > blob.size {
                    return Err(too_long(blob).into());
                }
            }
            Ok(bytes)
        })
        .await?;
        document::check(&format!("blob {}", blob.digest), &bytes, &blob.digest)?;
        Ok(bytes)
    }

    /// A layer, unless it is here; one fetch at a time for each.
    async fn layer(&self, plan: LayerPlan) -> Result<(), ImageError> {
        let turn = Arc::clone(
            lock(&self.store.layers)
                .entry(plan.diff_id.clone())
                .or_default(),
        );
        let _turn = turn.lock().await;
        let (store, diff_id) = (Arc::clone(self.store), plan.diff_id.clone());
        if super::error::blocking(move || is_sound(&store.disk, &diff_id)).await? {
            return Ok(());
        }
        let packed = self.store.disk.scratch();
        self.download(&plan.blob, packed.path()).await?;
        let store = Arc::clone(self.store);
        super::error::blocking(move || {
            let staged = Staged::make(&store.disk, &store.config, packed.path(), &plan)?;
            staged.commit(&store.disk)
        })
        .await
    }

    /// Streams a blob into a file, going on where a broken connection left off.
    async fn download(&self, blob: &Blob, path: &Path) -> Result<(), ImageError> {
        let progress = tokio::sync::Mutex::new(Progress::start(path).await?);
        retry(self.session.attempts, async || {
            let mut progress = progress.lock().await;
            self.continue_download(blob, &mut progress).await
        })
        .await?;
        let progress = progress.into_inner();
        let (received, found) = (progress.received, progress.hasher.finish());
        if received == blob.size && found == blob.digest {
            return Ok(());
        }
        let detail = format!(
            "received {received} of {} bytes with digest {found}",
            blob.size
        );
        Err(ImageError::corrupt(
            format!("layer {}", blob.digest),
            detail,
        ))
    }

    async fn continue_download(&self, blob: &Blob, progress: &mut Progress) -> Result<(), Failure> {
        if progress.received >= blob.size && blob.size > 0 {
            return Ok(());
        }
        let (continued, mut stream) = self.open(blob, progress.received).await?;
        if !continued {
            progress.restart().await?;
        }
        while progress.received < blob.size {
            let Some(part) = stream.next().await else {
                break;
            };
            let part = part.map_err(|error| self.broken(error))?;
            progress.write(&part).await?;
        }
        if progress.received > blob.size {
            return Err(too_long(blob).into());
        }
        progress.flush().await?;
        if progress.received < blob.size {
            return Err(self.broken(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)));
        }
        Ok(())
    }

    /// Opens a blob's stream from an offset; tells whether the registry went along with it.
    async fn open(
        &self,
        blob: &Blob,
        offset: u64,
    ) -> Result<(bool, stream::BoxStream<'static, std::io::Result<Part>>), Failure> {
        let descriptor = LayerDescriptor {
            digest: blob.digest.as_str(),
            urls: &None,
        };
        let (client, reference) = (&self.session.client, &self.reference);
        let understood = |error| understand(reference, &error);
        if offset == 0 {
            let sized = client
                .pull_blob_stream(reference, &descriptor)
                .await
                .map_err(understood)?;
            return Ok((false, sized.stream.map_ok(|bytes| bytes.to_vec()).boxed()));
        }
        let answer = client.pull_blob_stream_partial(reference, &descriptor, offset, None);
        let (continued, sized) = match answer.await.map_err(understood)? {
            BlobResponse::Partial(sized) => (true, sized),
            BlobResponse::Full(sized) => (false, sized),
        };
        Ok((
            continued,
            sized.stream.map_ok(|bytes| bytes.to_vec()).boxed(),
        ))
    }

    fn broken(&self, error: std::io::Error) -> Failure {
        let error = ImageError::RegistryUnavailable {
            registry: self.reference.registry().to_owned(),
            detail: format!("the transfer broke off: {error}"),
        };
        Failure {
            error,
            transient: true,
        }
    }
}

type Part = Vec<u8>;

fn too_long(blob: &Blob) -> ImageError {
    let detail = format!("it is longer than the {} bytes announced", blob.size);
    ImageError::corrupt(format!("blob {}", blob.digest), detail)
}

/// What of a blob is on disk.
struct Progress {
    path: PathBuf,
    file: BufWriter<tokio::fs::File>,
    hasher: Hasher,
    received: u64,
}

impl Progress {
    async fn start(path: &Path) -> Result<Self, ImageError> {
        let file = tokio::fs::File::create(path)
            .await
            .map_err(disk("create", path))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(1 << 20, file),
            hasher: Hasher::default(),
            received: 0,
        })
    }

    async fn restart(&mut self) -> Result<(), ImageError> {
        if self.received > 0 {
            *self = Self::start(&self.path.clone()).await?;
        }
        Ok(())
    }

    async fn write(&mut self, part: &[u8]) -> Result<(), ImageError> {
        self.hasher.update(part);
        self.received = self.received.saturating_add(part.len() as u64);
        self.file
            .write_all(part)
            .await
            .map_err(disk("write", &self.path))
    }

    async fn flush(&mut self) -> Result<(), ImageError> {
        self.file.flush().await.map_err(disk("write", &self.path))
    }
}
