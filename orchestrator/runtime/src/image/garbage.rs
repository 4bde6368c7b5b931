//! What no one needs any more is taken away: names, then images, then layers.

use std::{collections::HashSet, path::PathBuf};

use super::{
    ImageError, ImagesConfig,
    disk::{Disk, ImageRecord},
    error::disk,
    name::Name,
    signature, tree,
};
use crate::backend::Freed;

/// Collects; `keep` are names or digests, `held` digests in use by this process.
pub(super) fn collect(
    store: &Disk,
    config: &ImagesConfig,
    keep: &HashSet<String>,
    held: &HashSet<String>,
) -> Result<Freed, ImageError> {
    let canonical: HashSet<String> = keep
        .iter()
        .filter_map(|text| Name::parse(text, config.default_registry.as_deref()).ok())
        .map(|name| name.canonical)
        .collect();
    let mut wanted: HashSet<String> = held.clone();
    wanted.extend(keep.iter().filter_map(|text| digest_part(text)));
    for name in store.names()? {
        if canonical.contains(&name.canonical) {
            wanted.insert(name.digest.to_string());
        }
    }
    for name in store.names()? {
        if !wanted.contains(name.digest.as_str()) {
            store.forget_name(&name)?;
        }
    }
    let (kept, gone): (Vec<ImageRecord>, Vec<ImageRecord>) = store
        .images()?
        .into_iter()
        .partition(|image| wanted.contains(image.digest.as_str()));
    for image in &gone {
        store.forget_image(image)?;
    }
    let signed = kept.iter().flat_map(|image| {
        let lists = image.lists.iter();
        lists.chain(std::iter::once(&image.digest))
    });
    signature::forget_unused(store, &signed.collect())?;
    let (layers, bytes) = collect_layers(store, &kept)?;
    Ok(Freed {
        images: u32::try_from(gone.len()).unwrap_or(u32::MAX),
        layers,
        bytes,
    })
}

/// `sha256:…` of a reference that pins one.
fn digest_part(text: &str) -> Option<String> {
    let digest = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    digest.starts_with("sha256:").then(|| digest.to_owned())
}

fn collect_layers(store: &Disk, kept: &[ImageRecord]) -> Result<(u32, u64), ImageError> {
    let used: HashSet<PathBuf> = kept
        .iter()
        .flat_map(|image| &image.layers)
        .map(|layer| store.layer_dir(layer))
        .collect();
    let (mut layers, mut bytes) = (0u32, 0u64);
    for dir in store.layers()? {
        if used.contains(&Disk::layer_of(&dir)) {
            continue;
        }
        let tree = dir.join("tree");
        let size = match tree::measure(&tree) {
            Ok((_, size)) => size,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(disk("measure", &tree)(error)),
        };
        store.remove_layer(&dir)?;
        layers = layers.saturating_add(1);
        bytes = bytes.saturating_add(size);
    }
    Ok((layers, bytes))
}
