//! Manifests and configs of images, as registries and archives give them. The input holds three documents with
//! lines of dashes between them: index, manifest, config; digests that they name are made to fit where they
//! are called `MANIFEST`, `CONFIG` and `LAYER`.

use crate::layout::{Place, sha256};

/// Imports one input.
pub fn try_one(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    let mut documents = text.splitn(3, "\n---\n");
    let index = documents.next().unwrap_or_default();
    let manifest = documents.next().unwrap_or_default();
    let config = documents.next().unwrap_or_default();
    let place = Place::new();
    let layer = empty_archive();
    let diff_id = format!("sha256:{}", sha256(&layer));
    let layer = place.blob(&layer);
    let config = place.blob(config.replace("LAYER", &diff_id).as_bytes());
    let manifest = manifest.replace("CONFIG", &config).replace("LAYER", &layer);
    let manifest = place.blob(manifest.as_bytes());
    place.index(index.replace("MANIFEST", &manifest).as_bytes());
    place.import();
}

fn empty_archive() -> Vec<u8> {
    tar::Builder::new(Vec::new()).into_inner().unwrap()
}
