//! What cosign keeps beside an image: in its repository, under the tag `sha256-HEX.sig`, a manifest
//! whose layers are what was signed ("simple signing") and whose annotations are the signatures.
//!
//! <https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md>

use base64::{Engine, prelude::BASE64_STANDARD};
use oci_client::{
    Reference,
    manifest::{OciDescriptor, OciImageManifest},
};
use serde::{Deserialize, Serialize};

use super::{
    super::{
        ImageError,
        digest::Digest,
        document::{self, Blob},
        pull::Fetch,
    },
    key::PublicKey,
};

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const KIND: &str = "cosign container image signature";

/// Bytes of a manifest of signatures.
const MANIFEST_LIMIT: u64 = 1 << 20;
/// Signatures of one image that are looked at.
const SIGNATURES_LIMIT: usize = 64;
/// Bytes of what was signed.
const PAYLOAD_LIMIT: u64 = 64 << 10;
/// Bytes of a signature: those of the largest key, and some.
const SIGNATURE_LIMIT: usize = 2 << 10;

/// What was signed, and the signature. Data of others, until [`Signature::vouches`] says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signature {
    #[serde(with = "base64_text")]
    pub(super) payload: Vec<u8>,
    #[serde(with = "base64_text")]
    pub(super) signature: Vec<u8>,
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    /// None of the keys made it.
    OtherKey,
    /// One of the keys made it, of something that is no image.
    NoImage,
    /// One of the keys made it, of this image.
    OtherImage(String),
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Signature {
    /// Whether one of the keys signed exactly this digest.
    pub(super) fn vouches(&self, keys: &[PublicKey], digest: &Digest) -> Result<(), Flaw> {
        let made = |key: &PublicKey| key.signed(&self.payload, &self.signature);
        if !keys.iter().any(made) {
            return Err(Flaw::OtherKey);
        }
        let payload: Payload = serde_json::from_slice(&self.payload).map_err(|_| Flaw::NoImage)?;
        if payload.critical.kind != KIND {
            return Err(Flaw::NoImage);
        }
        let signed = payload.critical.image.digest;
        if signed == digest.as_str() {
            return Ok(());
        }
        Err(Flaw::OtherImage(signed.chars().take(80).collect()))
    }
}

/// The tag under which signatures of a digest are.
pub(super) fn tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// Where in the registry signatures of a digest are, and how to get them.
pub(super) struct Shelf<'a> {
    fetch: Fetch<'a>,
    layers: Vec<OciDescriptor>,
}

impl<'a> Shelf<'a> {
    /// Looks what is there; nothing is no error.
    pub(super) async fn open(fetch: Fetch<'a>, digest: &Digest) -> Result<Self, ImageError> {
        let known = &fetch.reference;
        let (registry, repository) = (known.registry(), known.repository());
        let place = Reference::with_tag(registry.into(), repository.into(), tag(digest));
        let layers = match fetch.manifest_bytes(&place, MANIFEST_LIMIT).await {
            Ok(bytes) => read(&bytes, digest)?,
            Err(ImageError::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(Self { fetch, layers })
    }

    /// How many signatures there are.
    pub(super) fn len(&self) -> usize {
        self.layers.len()
    }

    /// One of them; `None` when it is none that could count.
    pub(super) async fn get(&self, number: usize) -> Result<Option<Signature>, ImageError> {
        let Some(layer) = self.layers.get(number) else {
            return Ok(None);
        };
        let text = layer
            .annotations
            .as_ref()
            .and_then(|all| all.get(SIGNATURE));
        let Some(signature) = text.and_then(|text| decoded(text)) else {
            return Ok(None);
        };
        let blob: Blob = document::blob(layer)?;
        if blob.size > PAYLOAD_LIMIT {
            return Ok(None);
        }
        match self.fetch.small(&blob).await {
            Ok(payload) => Ok(Some(Signature { payload, signature })),
            // One that is damaged does not stand in the way of others.
            Err(ImageError::Corrupt { .. } | ImageError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The layers that are signatures.
fn read(bytes: &[u8], digest: &Digest) -> Result<Vec<OciDescriptor>, ImageError> {
    let what = || format!("the manifest of signatures `{}`", tag(digest));
    let manifest: OciImageManifest =
        serde_json::from_slice(bytes).map_err(|error| ImageError::corrupt(what(), error))?;
    let signatures = manifest.layers.into_iter();
    let layers: Vec<_> = signatures
        .filter(|layer| layer.media_type == PAYLOAD_TYPE)
        .collect();
    if layers.len() > SIGNATURES_LIMIT {
        let detail = format!("it holds {}; {SIGNATURES_LIMIT} are accepted", layers.len());
        return Err(ImageError::unsupported(what(), detail));
    }
    Ok(layers)
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let fits = text.len() <= SIGNATURE_LIMIT;
    fits.then(|| BASE64_STANDARD.decode(text.trim()).ok())
        .flatten()
}

/// Bytes as text in records.
mod base64_text {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}
