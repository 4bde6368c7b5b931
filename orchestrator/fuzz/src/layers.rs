//! Layers of images: archives whose entries have any name, kind and target. Nothing lands outside of the layer's
//! own directory, and what was imported can be imported again.

use arbitrary::Arbitrary;
use tar::{Builder, EntryType, Header};

use crate::layout::{Place, sha256};

/// A layer: raw bytes, or an archive of entries.
#[derive(Debug, Arbitrary)]
pub enum Layer {
    /// Whatever it is.
    Raw(Vec<u8>),
    /// An archive.
    Entries(Vec<Entry>),
}

/// An entry of an archive.
#[derive(Debug, Arbitrary)]
pub struct Entry {
    name: Vec<Part>,
    kind: Kind,
    target: Vec<Part>,
    mode: u16,
    owner: u16,
    content: Vec<u8>,
}

/// A part of a path. Few names, so that entries meet.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Part {
    A,
    B,
    Up,
    Here,
    Root,
    Empty,
    Hidden,
    Opaque,
    Reserved,
    Other,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    File,
    Directory,
    Symlink,
    Link,
    Fifo,
    Character,
    Block,
    Strange(u8),
}

impl Part {
    fn text(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Up => "..",
            Self::Here => ".",
            Self::Root => "/",
            Self::Empty => "",
            Self::Hidden => ".wh.a",
            Self::Opaque => ".wh..wh..opq",
            Self::Reserved => ".wh..wh.plnk",
            Self::Other => "../../../other/file",
        }
    }
}

fn path(parts: &[Part]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.text()).collect();
    parts.join("/")
}

impl Entry {
    fn header(&self) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(match self.kind {
            Kind::File => EntryType::Regular,
            Kind::Directory => EntryType::Directory,
            Kind::Symlink => EntryType::Symlink,
            Kind::Link => EntryType::Link,
            Kind::Fifo => EntryType::Fifo,
            Kind::Character => EntryType::Char,
            Kind::Block => EntryType::Block,
            Kind::Strange(kind) => EntryType::new(kind),
        });
        header.set_size(self.content.len() as u64);
        header.set_mode(u32::from(self.mode));
        header.set_uid(u64::from(self.owner));
        header.set_gid(u64::from(self.owner));
        header.set_mtime(1);
        // The crate's own setters refuse what is to be tried here.
        let old = header.as_old_mut();
        fill(&mut old.name, &path(&self.name));
        fill(&mut old.linkname, &path(&self.target));
        header.set_cksum();
        header
    }
}

fn fill(field: &mut [u8], text: &str) {
    for (place, byte) in field.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
}

impl Layer {
    fn archive(&self) -> Vec<u8> {
        match self {
            Self::Raw(bytes) => bytes.clone(),
            Self::Entries(entries) => {
                let mut archive = Builder::new(Vec::new());
                for entry in entries {
                    let content = entry.content.as_slice();
                    archive.append(&entry.header(), content).unwrap();
                }
                archive.into_inner().unwrap()
            }
        }
    }
}

/// Imports an image of one layer.
pub fn try_one(layer: &Layer) {
    let archive = layer.archive();
    let place = Place::new();
    let diff_id = sha256(&archive);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["sha256:{diff_id}"]}}}}"#
    );
    let (blob, size) = (place.blob(&archive), archive.len());
    let (digest, length) = (place.blob(config.as_bytes()), config.len());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
        "config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":{length}}},
        "layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{blob}","size":{size}}}]}}"#
    );
    let (digest, length) = (place.blob(manifest.as_bytes()), manifest.len());
    place.index(
        format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",
            "digest":"{digest}","size":{length}}}]}}"#
        )
        .as_bytes(),
    );
    if place.import() {
        assert!(
            place.import(),
            "what was imported is refused the second time"
        );
    }
}
