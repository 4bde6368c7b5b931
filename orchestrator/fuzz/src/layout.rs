//! An image on disk that says what it likes, under digests that fit.

use std::{fs, path::Path, sync::OnceLock};

use ostler_runtime::image::{Images, ImagesConfig, Limits};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// A store beside a layout, and something that nobody may touch.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("layout/blobs/sha256")).unwrap();
        fs::create_dir(dir.path().join("other")).unwrap();
        fs::write(dir.path().join("other/file"), "untouched").unwrap();
        let marker = r#"{"imageLayoutVersion":"1.0.0"}"#;
        fs::write(dir.path().join("layout/oci-layout"), marker).unwrap();
        Self { dir }
    }

    /// Writes a blob; its digest.
    pub fn blob(&self, bytes: &[u8]) -> String {
        let digest = sha256(bytes);
        let name = format!("layout/blobs/sha256/{digest}");
        fs::write(self.dir.path().join(name), bytes).unwrap();
        format!("sha256:{digest}")
    }

    pub fn index(&self, text: &[u8]) {
        fs::write(self.dir.path().join("layout/index.json"), text).unwrap();
    }

    /// Imports it as an image of this name; whether that went well.
    pub fn import(&self) -> bool {
        let root = self.dir.path();
        let config = ImagesConfig {
            limits: Limits {
                packed_bytes: 1 << 20,
                unpacked_bytes: 4 << 20,
                entries: 1_000,
                layers: 16,
                document_bytes: 1 << 20,
            },
            ..ImagesConfig::default()
        };
        let images = Images::open(&root.join("store"), config).unwrap();
        let layout = root.join("layout");
        let imported = runtime().block_on(images.import(&layout, Some("fuzz/image:1")));
        if let Err(error) = &imported {
            assert!(!error.to_string().is_empty());
        }
        self.nothing_else_moved(root);
        imported.is_ok()
    }

    fn nothing_else_moved(&self, root: &Path) {
        let mut names: Vec<_> = (fs::read_dir(root).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["layout", "other", "store"]);
        assert_eq!(fs::read_dir(root.join("other")).unwrap().count(), 1);
        let file = fs::read_to_string(root.join("other/file")).unwrap();
        assert_eq!(file, "untouched");
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().build().unwrap()
    })
}
