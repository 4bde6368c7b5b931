//! OCI layouts for tests, with layers built entry by entry.

use std::{fs, path::Path};

use serde_json::json;

use crate::signer::digest;

/// Builds one layer archive.
pub struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    /// An empty one.
    pub fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn header(kind: tar::EntryType, mode: u32, size: usize) -> tar::Header {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1234);
        header.set_gid(4321);
        header.set_mtime(1_000_000);
        header.set_size(size as u64);
        header
    }

    /// Adds a regular file.
    pub fn file(mut self, path: &str, content: &[u8], mode: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, mode, content.len());
        self.0.append_data(&mut header, path, content).unwrap();
        self
    }

    /// Adds a regular file with the name exactly as given, however wicked.
    pub fn raw_file(mut self, path: &[u8], content: &[u8]) -> Self {
        let mut header = Self::header(tar::EntryType::Regular, 0o644, content.len());
        header.as_old_mut().name[..path.len()].copy_from_slice(path);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// Adds a file with an extended attribute.
    pub fn file_with_xattr(mut self, path: &str, name: &str, value: &[u8]) -> Self {
        let key = format!("SCHILY.xattr.{name}");
        self.0
            .append_pax_extensions([(key.as_str(), value)])
            .unwrap();
        self.file(path, b"x", 0o644)
    }

    /// Adds a directory.
    pub fn dir(mut self, path: &str, mode: u32) -> Self {
        let mut header = Self::header(tar::EntryType::Directory, mode, 0);
        self.0
            .append_data(&mut header, path, std::io::empty())
            .unwrap();
        self
    }

    /// Adds a link.
    pub fn link(mut self, kind: tar::EntryType, path: &str, target: &str) -> Self {
        let mut header = Self::header(kind, 0o777, 0);
        self.0.append_link(&mut header, path, target).unwrap();
        self
    }

    /// The archive.
    pub fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// How a layer is transferred.
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

fn pack(plain: &[u8], packing: &Packing) -> (Vec<u8>, &'static str) {
    match packing {
        Packing::Plain => (plain.to_vec(), "application/vnd.oci.image.layer.v1.tar"),
        Packing::Gzip => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, plain).unwrap();
            (
                encoder.finish().unwrap(),
                "application/vnd.oci.image.layer.v1.tar+gzip",
            )
        }
        Packing::Zstd => {
            let packed = zstd::encode_all(plain, 1).unwrap();
            (packed, "application/vnd.oci.image.layer.v1.tar+zstd")
        }
    }
}

fn put(dest: &Path, bytes: &[u8]) -> (String, usize) {
    let digest = digest(bytes);
    let blobs = dest.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join(digest.strip_prefix("sha256:").unwrap()), bytes).unwrap();
    (digest, bytes.len())
}

/// Writes a layout of the given layers; returns the packed layers' digests.
pub fn write(dest: &Path, name: &str, layers: &[(Vec<u8>, Packing)]) -> Vec<String> {
    let mut descriptors = Vec::new();
    let mut packed_digests = Vec::new();
    for (plain, packing) in layers {
        let (packed, media_type) = pack(plain, packing);
        let (digest, size) = put(dest, &packed);
        descriptors.push(json!({ "mediaType": media_type, "digest": digest, "size": size }));
        packed_digests.push(digest);
    }
    let diff_ids: Vec<String> = layers.iter().map(|(plain, _)| digest(plain)).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux",
        "config": { "Entrypoint": ["/run"], "Env": ["A=b"], "User": "1000", "StopSignal": "SIGINT" },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    });
    let config = put(dest, config.to_string().as_bytes());
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": config.0, "size": config.1 },
        "layers": descriptors,
    });
    let manifest = put(dest, manifest.to_string().as_bytes());
    let index = json!({
        "schemaVersion": 2,
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest.0, "size": manifest.1,
            "annotations": { "org.opencontainers.image.ref.name": name },
        }],
    });
    fs::write(dest.join("index.json"), index.to_string()).unwrap();
    fs::write(dest.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    packed_digests
}
