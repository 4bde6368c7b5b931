//! Manifests, indexes and config documents: parsed, bounded, and reduced to what is needed.

use std::collections::BTreeMap;

use oci_client::manifest::{ImageIndexEntry, OciDescriptor, OciImageManifest, OciManifest};
use oci_spec::image::ImageConfiguration;

use super::{ImageConfig, ImageError, Limits, digest::Digest};

/// A manifest or a list to choose one from.
pub(super) enum Document {
    Manifest(Box<OciImageManifest>),
    /// What the list offers for this platform.
    Chosen(Digest),
}

/// A blob: its digest and size.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// One layer: how it is transferred and what it must unpack to.
#[derive(Debug, Clone)]
pub(super) struct LayerPlan {
    pub(super) blob: Blob,
    pub(super) diff_id: Digest,
}

/// What an image's config document says.
pub(super) struct Settings {
    pub(super) config: ImageConfig,
    pub(super) diff_ids: Vec<Digest>,
    pub(super) labels: BTreeMap<String, String>,
}

/// Checks the bytes against their digest.
pub(super) fn check(what: &str, bytes: &[u8], expected: &Digest) -> Result<(), ImageError> {
    let found = Digest::of(bytes);
    if found == *expected {
        return Ok(());
    }
    Err(ImageError::corrupt(
        what,
        format!("expected {expected}, found {found}"),
    ))
}

/// Parses a manifest, or chooses linux/amd64 from a list of them.
pub(super) fn parse(bytes: &[u8]) -> Result<Document, ImageError> {
    let document: OciManifest = serde_json::from_slice(bytes)
        .map_err(|error| ImageError::corrupt("the image's manifest", error))?;
    match document {
        OciManifest::Image(manifest) => Ok(Document::Manifest(Box::new(manifest))),
        OciManifest::ImageIndex(index) => choose(&index.manifests).map(Document::Chosen),
    }
}

/// The entry for this platform; one without a platform counts where there is no other.
pub(super) fn choose(entries: &[ImageIndexEntry]) -> Result<Digest, ImageError> {
    let fits = |entry: &&ImageIndexEntry| {
        entry.platform.as_ref().is_some_and(|platform| {
            platform.os.to_string() == "linux" && platform.architecture.to_string() == "amd64"
        })
    };
    let sole = || {
        entries
            .first()
            .filter(|entry| entries.len() == 1 && entry.platform.is_none())
    };
    let chosen =
        entries.iter().find(fits).or_else(sole).ok_or_else(|| {
            ImageError::unsupported("the image", "it is not offered for linux/amd64")
        })?;
    Digest::parse(&chosen.digest)
}

/// The only image of a layout, whatever its platform says, or the one for this platform.
pub(super) fn choose_only(entries: &[ImageIndexEntry]) -> Result<Digest, ImageError> {
    match entries {
        [only] => Digest::parse(&only.digest),
        _ => choose(entries),
    }
}

/// A descriptor's digest and size.
pub(super) fn blob(descriptor: &OciDescriptor) -> Result<Blob, ImageError> {
    let digest = Digest::parse(&descriptor.digest)?;
    let size = u64::try_from(descriptor.size).map_err(|_| {
        ImageError::corrupt(
            format!("the descriptor of {digest}"),
            "its size is negative",
        )
    })?;
    Ok(Blob { digest, size })
}

/// The config document's settings.
pub(super) fn settings(bytes: &[u8]) -> Result<Settings, ImageError> {
    let document: ImageConfiguration = serde_json::from_slice(bytes)
        .map_err(|error| ImageError::corrupt("the image's config document", error))?;
    let (os, arch) = (
        document.os().to_string(),
        document.architecture().to_string(),
    );
    if (os.as_str(), arch.as_str()) != ("linux", "amd64") {
        return Err(ImageError::unsupported(
            "the image",
            format!("it is made for {os}/{arch}; linux/amd64 is accepted"),
        ));
    }
    let diff_ids = document
        .rootfs()
        .diff_ids()
        .iter()
        .map(|id| Digest::parse(id));
    let diff_ids = diff_ids.collect::<Result<Vec<_>, _>>()?;
    let config = document.config().as_ref().map(|config| ImageConfig {
        entrypoint: config.entrypoint().clone().unwrap_or_default(),
        cmd: config.cmd().clone().unwrap_or_default(),
        env: config.env().clone().unwrap_or_default(),
        working_dir: config.working_dir().clone().filter(|dir| !dir.is_empty()),
        user: config.user().clone().filter(|user| !user.is_empty()),
        stop_signal: config
            .stop_signal()
            .clone()
            .filter(|signal| !signal.is_empty()),
    });
    let labels = document.config().as_ref();
    let labels = labels.and_then(|config| config.labels().clone());
    Ok(Settings {
        config: config.unwrap_or_default(),
        diff_ids,
        labels: labels.unwrap_or_default().into_iter().collect(),
    })
}

/// Pairs the manifest's layers with the config's diff ids, within limits.
pub(super) fn layers(
    manifest: &OciImageManifest,
    diff_ids: Vec<Digest>,
    limits: Limits,
) -> Result<Vec<LayerPlan>, ImageError> {
    if manifest.layers.len() != diff_ids.len() {
        return Err(ImageError::corrupt(
            "the image's config document",
            format!(
                "it names {} layers, the manifest {}",
                diff_ids.len(),
                manifest.layers.len()
            ),
        ));
    }
    if diff_ids.is_empty() || diff_ids.len() > limits.layers {
        let detail = format!(
            "it has {} layers; 1 to {} are accepted",
            diff_ids.len(),
            limits.layers
        );
        return Err(ImageError::unsupported("the image", detail));
    }
    let pair = |(descriptor, diff_id): (&OciDescriptor, Digest)| {
        let blob = blob(descriptor)?;
        let what = format!("layer {}", blob.digest);
        if !descriptor.media_type.contains("tar") {
            let detail = format!("its media type is `{}`", descriptor.media_type);
            return Err(ImageError::unsupported(what, detail));
        }
        if blob.size > limits.packed_bytes {
            let detail = format!(
                "it has {} bytes; {} are accepted",
                blob.size, limits.packed_bytes
            );
            return Err(ImageError::unsupported(what, detail));
        }
        Ok(LayerPlan { blob, diff_id })
    };
    manifest.layers.iter().zip(diff_ids).map(pair).collect()
}
