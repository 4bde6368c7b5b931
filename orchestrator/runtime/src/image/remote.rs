//! What a registry has under a name, and what an image in the store holds: looked at, never fetched.
//!
//! One try each: whoever looks regularly comes again. Tags, labels and files are text of others, bounded here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat2},
    sys::stat::Mode,
};
use oci_client::Reference;

use super::{
    ImageConfig, ImageError, Images,
    digest::Digest,
    document,
    error::blocking,
    name::Name,
    pull::Fetch,
    registry::{Session, retry, understand},
};

/// Most tags of a repository that are looked at.
pub const TAGS_LIMIT: usize = 5_000;
/// Tags that are asked for at a time.
const PAGE: usize = 1_000;
/// Most bytes of one file.
const FILE_LIMIT: u64 = 16 << 20;
/// Most files of a folder.
const FOLDER_LIMIT: usize = 2_000;

/// What is known of an image without having it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The digest of its manifest for this platform.
    pub digest: String,
    /// What it says about running it.
    pub config: ImageConfig,
    /// Its layers' diff ids, the lowest first.
    pub layers: Vec<String>,
    /// Its labels; none of what is in the store, which does not keep them.
    pub labels: BTreeMap<String, String>,
}

impl Images {
    /// The tags of an image's repository.
    ///
    /// # Errors
    /// As the registry answers; too many tags are cut, not refused.
    pub async fn tags(&self, image: &str) -> Result<Vec<String>, ImageError> {
        let (session, reference) = self.ask(image).await?;
        let mut tags = BTreeSet::new();
        let mut last: Option<String> = None;
        loop {
            let page = retry(1, async || {
                let listed = session.client.list_tags(
                    &reference,
                    &session.auth,
                    Some(PAGE),
                    last.as_deref(),
                );
                listed.await.map_err(|error| understand(&reference, &error))
            })
            .await?;
            let (before, count) = (tags.len(), page.tags.len());
            last = page.tags.last().cloned();
            tags.extend(page.tags.into_iter().filter(|tag| is_tag(tag)));
            // A registry that knows no pages gives all of them at once, again and again.
            let more = count >= PAGE && tags.len() > before && tags.len() < TAGS_LIMIT;
            if !more {
                return Ok(tags.into_iter().take(TAGS_LIMIT).collect());
            }
        }
    }

    /// The digest that a registry has for a name: of the list, where the image is one of several.
    ///
    /// # Errors
    /// As the registry answers.
    pub async fn remote_digest(&self, image: &str) -> Result<String, ImageError> {
        let (session, reference) = self.ask(image).await?;
        let digest = retry(1, async || {
            let asked = session
                .client
                .fetch_manifest_digest(&reference, &session.auth);
            asked.await.map_err(|error| understand(&reference, &error))
        })
        .await?;
        Ok(Digest::parse(&digest)?.to_string())
    }

    /// What a registry has under a name, for this platform.
    ///
    /// # Errors
    /// As the registry answers, and when what it has does not match its digests.
    pub async fn remote(&self, image: &str) -> Result<Known, ImageError> {
        let (_, reference) = self.ask(image).await?;
        let fetch = Fetch::begin(&self.inner, reference).await?;
        let (candidate, manifest) = fetch.manifest(None).await?;
        let config = document::blob(&manifest.config)?;
        let settings = document::settings(&fetch.small(&config).await?)?;
        Ok(Known {
            digest: candidate.digest.to_string(),
            config: settings.config,
            layers: settings.diff_ids.iter().map(Digest::to_string).collect(),
            labels: settings.labels,
        })
    }

    /// What the store has under a name; nothing is fetched.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn stored(&self, image: &str) -> Result<Option<Known>, ImageError> {
        let name = Name::parse(image, self.inner.config.default_registry.as_deref())?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let Some(record) = inner.find_record(&name)? else {
                return Ok(None);
            };
            Ok(Some(Known {
                digest: record.digest.to_string(),
                config: record.config,
                layers: record.layers.iter().map(Digest::to_string).collect(),
                labels: BTreeMap::new(),
            }))
        })
        .await
    }

    /// Files of an image in the store, by path: those that are there, are plain files and not too large.
    /// A path that ends in `/` is a folder, of which every plain file is read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn files(
        &self,
        image: &str,
        paths: &'static [&'static str],
    ) -> Result<BTreeMap<String, Vec<u8>>, ImageError> {
        let name = Name::parse(image, self.inner.config.default_registry.as_deref())?;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let record = inner.find_record(&name)?;
            let layers = record.map(|record| record.layers).unwrap_or_default();
            let trees = layers
                .iter()
                .rev()
                .map(|layer| inner.disk.layer_tree(layer));
            let trees: Vec<PathBuf> = trees.collect();
            let mut found = BTreeMap::new();
            for path in paths {
                match path.strip_suffix('/') {
                    Some(folder) => read_folder(&trees, folder, &mut found),
                    None => {
                        found.extend(read(&trees, path).map(|bytes| ((*path).to_owned(), bytes)))
                    }
                }
            }
            Ok(found)
        })
        .await
    }

    async fn ask(&self, image: &str) -> Result<(Session, Reference), ImageError> {
        let name = Name::parse(image, self.inner.config.default_registry.as_deref())?;
        let absent = || ImageError::NotFound {
            reference: name.text.clone(),
            place: "in a registry: its name says none".to_owned(),
        };
        let reference = super::pull::reference(&self.inner, &name).ok_or_else(absent)?;
        let session = self.inner.registries.session(&reference, 1).await?;
        Ok((session, reference))
    }
}

fn is_tag(tag: &str) -> bool {
    (1..=128).contains(&tag.len())
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// What a layer has at a path.
enum There {
    File(Vec<u8>),
    /// Taken away in this layer, or something that is not looked into.
    Gone,
    /// Not in this layer.
    Below,
}

/// A file as the topmost layer that has it gives it.
fn read(trees: &[PathBuf], path: &str) -> Option<Vec<u8>> {
    for tree in trees {
        match look(tree, path) {
            There::File(bytes) => return Some(bytes),
            There::Gone => return None,
            There::Below => {}
        }
    }
    None
}

/// The files of a folder, the topmost layer's first; folders that were replaced are not told apart.
fn read_folder(trees: &[PathBuf], folder: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    let mut names = BTreeSet::new();
    for tree in trees {
        let Ok(Some(dir)) = open(tree, folder, OFlag::O_DIRECTORY) else {
            continue;
        };
        // By what was opened, whatever lies at the path by now.
        let opened = format!("/proc/self/fd/{}", dir.as_raw_fd());
        let Ok(entries) = std::fs::read_dir(opened) else {
            continue;
        };
        let entries = entries.filter_map(Result::ok);
        let plain = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names.extend(
            plain
                .filter(|name| !name.starts_with('.'))
                .take(FOLDER_LIMIT),
        );
    }
    for name in names.into_iter().take(FOLDER_LIMIT) {
        let path = format!("{folder}/{name}");
        found.extend(read(trees, &path).map(|bytes| (path.clone(), bytes)));
    }
}

fn look(tree: &Path, path: &str) -> There {
    let fd = match open(tree, path, OFlag::O_NONBLOCK) {
        Ok(Some(fd)) => fd,
        Ok(None) => return There::Below,
        Err(_) => return There::Gone,
    };
    let file = File::from(fd);
    let Ok(meta) = file.metadata() else {
        return There::Gone;
    };
    if !meta.is_file() || meta.len() > FILE_LIMIT {
        return There::Gone;
    }
    let mut bytes = Vec::new();
    match file.take(FILE_LIMIT).read_to_end(&mut bytes) {
        Ok(_) => There::File(bytes),
        Err(_) => There::Gone,
    }
}

/// Opens what is at a path beneath a layer's tree, through no link: a layer is made by others, and its links
/// lead anywhere.
fn open(tree: &Path, path: &str, flags: OFlag) -> Result<Option<OwnedFd>, Errno> {
    let dir = File::open(tree).map_err(|_| Errno::ENOENT);
    let Ok(dir) = dir else { return Ok(None) };
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | flags)
        .mode(Mode::empty())
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(&dir, path.trim_start_matches('/'), how) {
        Ok(fd) => Ok(Some(fd)),
        // A device that stands for "taken away" cannot be opened; a folder under such a one is not there.
        Err(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn files_are_read_from_the_topmost_layer_and_through_no_link() {
        let dir = tempfile::tempdir().unwrap();
        let layer = |name: &str| {
            let tree = dir.path().join(name);
            fs::create_dir_all(tree.join("etc/list")).unwrap();
            tree
        };
        let (low, high) = (layer("low"), layer("high"));
        fs::write(dir.path().join("secret"), "of the host").unwrap();
        fs::write(low.join("etc/one"), "low").unwrap();
        fs::write(low.join("etc/two"), "low").unwrap();
        fs::write(high.join("etc/one"), "high").unwrap();
        fs::write(low.join("etc/list/a"), "a").unwrap();
        fs::write(high.join("etc/list/b"), "b").unwrap();
        symlink("../../secret", high.join("etc/out")).unwrap();
        symlink(dir.path(), high.join("away")).unwrap();
        symlink("/etc/hostname", high.join("etc/two")).unwrap();
        let trees = [high, low];
        let text = |path: &str| read(&trees, path).map(|bytes| String::from_utf8(bytes).unwrap());
        assert_eq!(text("/etc/one").as_deref(), Some("high"));
        for link in [
            "/etc/out",
            "/away/secret",
            "/etc/two",
            "/etc/../../secret",
            "/none",
        ] {
            assert_eq!(text(link), None, "{link}");
        }
        let mut found = BTreeMap::new();
        read_folder(&trees, "/etc/list", &mut found);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["/etc/list/a", "/etc/list/b"]
        );
    }
}
