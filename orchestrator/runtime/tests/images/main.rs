//! Images from files: imported whole or not at all, unpacked as overlayfs needs them, collected
//! when no one needs them.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test stops at the first surprise and says when it is skipped"
)]

mod layout;
mod registry;
#[path = "../common/registry.rs"]
mod server;
mod signatures;
#[path = "../common/signer.rs"]
mod signer;

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use layout::{Layer, Packing};
use ostler_core::observed::ProblemKind;
use ostler_runtime::image::{
    Content, ImageError, Images, ImagesConfig, LayoutFile, LayoutSpec, Limits, write_layout,
};
use tar::EntryType;

/// Unpacking sets owners and device nodes, which only root may.
fn is_root(test: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED {test}: unpacking images needs root");
    }
    root
}

fn open(dir: &Path) -> Images {
    let config = ImagesConfig {
        default_registry: None,
        ..ImagesConfig::default()
    };
    Images::open(&dir.join("store"), config).unwrap()
}

fn count(dir: &Path, part: &str) -> usize {
    fs::read_dir(dir.join("store").join(part)).unwrap().count()
}

#[tokio::test]
async fn a_written_layout_comes_back_as_it_was() {
    if !is_root("a_written_layout_comes_back_as_it_was") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |path: &str, content: &[u8], mode| LayoutFile {
        path: path.to_owned(),
        content: Content::Bytes(content.to_vec()),
        mode,
    };
    let spec = LayoutSpec {
        files: vec![
            file("/bin/tool", b"#!", 0o755),
            file("/etc/a.json", b"{}", 0o444),
        ],
        dirs: vec![("/tmp".to_owned(), 0o1777)],
        entrypoint: vec!["/bin/tool".to_owned()],
        cmd: vec!["serve".to_owned()],
        env: vec!["A=1".to_owned()],
        working_dir: Some("/tmp".to_owned()),
        user: Some("1000:1000".to_owned()),
        stop_signal: Some("SIGQUIT".to_owned()),
    };
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    write_layout(&one, "tool:1", &spec).unwrap();
    write_layout(&two, "tool:1", &spec).unwrap();
    assert_eq!(
        fs::read(one.join("index.json")).unwrap(),
        fs::read(two.join("index.json")).unwrap()
    );
    assert!(
        write_layout(&two, "tool:1", &spec).is_err(),
        "a layout in use is not overwritten"
    );

    let images = open(dir.path());
    let imported = images.import(&one, None).await.unwrap();
    assert_eq!(imported[0].name, "tool:1");
    assert_eq!(imported[0].size, 4);
    let image = images.resolve("tool:1").await.unwrap();
    assert_eq!(image.digest, imported[0].digest);
    assert_eq!(image.config.entrypoint, ["/bin/tool"]);
    assert_eq!(image.config.cmd, ["serve"]);
    assert_eq!(image.config.working_dir.as_deref(), Some("/tmp"));
    assert_eq!(image.config.user.as_deref(), Some("1000:1000"));
    assert_eq!(image.config.stop_signal.as_deref(), Some("SIGQUIT"));
    let tree = &image.layers[0];
    assert_eq!(fs::read(tree.join("etc/a.json")).unwrap(), b"{}");
    assert_eq!(
        fs::metadata(tree.join("bin/tool")).unwrap().mode() & 0o7777,
        0o755
    );
    assert_eq!(
        fs::metadata(tree.join("tmp")).unwrap().mode() & 0o7777,
        0o1777
    );
    assert_eq!(fs::metadata(tree.join("bin/tool")).unwrap().mtime(), 0);

    drop(images);
    let again = open(dir.path());
    assert_eq!(again.list().await.unwrap(), imported);
    assert_eq!(
        again.resolve(&image.digest).await.unwrap(),
        image,
        "by digest, after a restart"
    );
    assert_eq!(
        count(dir.path(), "tmp"),
        1,
        "only the open store's own scratch"
    );
}

#[tokio::test]
async fn archives_plain_and_packed_are_layouts_too() {
    if !is_root("archives_plain_and_packed_are_layouts_too") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let layer = Layer::new().file("hello", b"world", 0o644).bytes();
    layout::write(&source, "named:1", &[(layer, Packing::Zstd)]);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_dir_all(".", &source).unwrap();
    let plain = archive.into_inner().unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &plain).unwrap();
    for (file, bytes) in [
        ("a.tar", plain.clone()),
        ("a.tar.gz", gzip.finish().unwrap()),
    ] {
        let path = dir.path().join(file);
        fs::write(&path, bytes).unwrap();
        let images = open(dir.path());
        let imported = images.import(&path, Some("other:2")).await.unwrap();
        assert_eq!(imported[0].name, "other:2");
        let image = images.resolve("other:2").await.unwrap();
        assert_eq!(fs::read(image.layers[0].join("hello")).unwrap(), b"world");
    }
    let rubbish = dir.path().join("rubbish.tar");
    fs::write(&rubbish, vec![7u8; 4096]).unwrap();
    let error = open(dir.path()).import(&rubbish, None).await.unwrap_err();
    assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{error}");
}

#[tokio::test]
async fn a_corrupt_blob_is_refused_and_nothing_is_kept() {
    if !is_root("a_corrupt_blob_is_refused_and_nothing_is_kept") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let good = Layer::new().file("good", b"1", 0o644).bytes();
    let bad = Layer::new().file("bad", b"2", 0o644).bytes();
    let packed = layout::write(
        &source,
        "x:1",
        &[(good, Packing::Gzip), (bad, Packing::Plain)],
    );
    let blob = source
        .join("blobs/sha256")
        .join(packed[1].strip_prefix("sha256:").unwrap());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    fs::write(&blob, bytes).unwrap();

    let images = open(dir.path());
    let error = images.import(&source, None).await.unwrap_err();
    assert!(error.to_string().contains(&packed[1]), "{error}");
    assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt);
    for part in ["names", "images", "layers"] {
        assert_eq!(count(dir.path(), part), 0, "{part}");
    }
    let error = images.resolve("x:1").await.unwrap_err();
    assert_eq!(error.problem().kind, ProblemKind::ImageNotFound);
}

#[tokio::test]
async fn a_layer_that_unpacks_to_something_else_is_refused() {
    if !is_root("a_layer_that_unpacks_to_something_else_is_refused") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let one = Layer::new().file("one", b"1", 0o644).bytes();
    let packed = layout::write(&source, "x:1", &[(one, Packing::Plain)]);
    // A config that promises another content, consistently digested otherwise.
    let index: serde_json::Value = read_json(&source.join("index.json"));
    let blobs = source.join("blobs/sha256");
    let at = |digest: &serde_json::Value| {
        blobs.join(digest.as_str().unwrap().strip_prefix("sha256:").unwrap())
    };
    let manifest = read_json(&at(&index["manifests"][0]["digest"]));
    let config = fs::read_to_string(at(&manifest["config"]["digest"])).unwrap();
    let lying = config.replace(&packed[0], &signer::digest(b"other"));
    let put = |text: &str| {
        let digest = signer::digest(text.as_bytes());
        fs::write(at(&digest.as_str().into()), text).unwrap();
        digest
    };
    let manifest = manifest
        .to_string()
        .replace(&signer::digest(config.as_bytes()), &put(&lying));
    let index = index.to_string().replace(
        index["manifests"][0]["digest"].as_str().unwrap(),
        &put(&manifest),
    );
    fs::write(source.join("index.json"), index).unwrap();
    let error = open(dir.path()).import(&source, None).await.unwrap_err();
    assert!(error.to_string().contains("unpacks to"), "{error}");
    assert_eq!(count(dir.path(), "layers"), 0);
}

fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Two layers, the upper of which hides and replaces what the lower has.
fn lower_and_upper() -> (Layer, Layer) {
    let lower = Layer::new()
        .file("keep", b"lower", 0o644)
        .file("gone", b"lower", 0o644)
        .dir("etc", 0o755)
        .file("etc/old", b"lower", 0o644)
        .dir("swap", 0o755)
        .file("swap/old", b"lower", 0o644);
    let upper = Layer::new()
        .file(".wh.gone", b"", 0o644)
        .dir("etc", 0o700)
        .file("etc/.wh..wh..opq", b"", 0o644)
        .file("etc/new", b"upper", 0o4755)
        .file(".wh.swap", b"", 0o644)
        .dir("swap", 0o755)
        .file("swap/new", b"upper", 0o644)
        .link(EntryType::Link, "hard", "etc/new")
        .link(EntryType::Symlink, "soft", "/etc/new")
        .file_with_xattr("labelled", "user.ostler", b"yes")
        .file_with_xattr("redirected", "trusted.overlay.redirect", b"/etc");
    (lower, upper)
}

#[tokio::test]
async fn whiteouts_and_opaque_directories_become_what_overlayfs_knows() {
    if !is_root("whiteouts_and_opaque_directories_become_what_overlayfs_knows") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let (lower, upper) = lower_and_upper();
    layout::write(
        &source,
        "two:1",
        &[
            (lower.bytes(), Packing::Gzip),
            (upper.bytes(), Packing::Plain),
        ],
    );
    let images = open(dir.path());
    images.import(&source, None).await.unwrap();
    let image = images.resolve("two:1").await.unwrap();
    let tree = &image.layers[1];
    let gone = fs::symlink_metadata(tree.join("gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    let made = fs::metadata(tree.join("etc/new")).unwrap();
    assert_eq!(
        (made.uid(), made.gid(), made.mode() & 0o7777),
        (1234, 4321, 0o4755)
    );
    assert_eq!(fs::metadata(tree.join("hard")).unwrap().ino(), made.ino());
    assert_eq!(fs::metadata(tree.join("etc")).unwrap().mtime(), 1_000_000);
    let xattr = |path: &str, name: &str| xattr::get(tree.join(path), name).ok().flatten();
    assert_eq!(
        xattr("labelled", "user.ostler").as_deref(),
        Some(&b"yes"[..])
    );
    assert_eq!(xattr("redirected", "trusted.overlay.redirect"), None);

    let merged = Overlay::mount(dir.path(), &image.layers);
    let names = |path: &str| {
        let mut names: Vec<String> = fs::read_dir(merged.0.join(path))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(
        names(""),
        [
            "etc",
            "hard",
            "keep",
            "labelled",
            "redirected",
            "soft",
            "swap"
        ]
    );
    assert_eq!(names("etc"), ["new"]);
    assert_eq!(names("swap"), ["new"]);
}

/// A read-only overlay mount, taken down when dropped.
struct Overlay(std::path::PathBuf);

impl Overlay {
    fn mount(dir: &Path, layers: &[std::path::PathBuf]) -> Self {
        let target = dir.join("merged");
        fs::create_dir(&target).unwrap();
        let lower: Vec<String> = layers
            .iter()
            .rev()
            .map(|layer| layer.display().to_string())
            .collect();
        let options = format!("lowerdir={}", lower.join(":"));
        let flags = nix::mount::MsFlags::MS_RDONLY;
        nix::mount::mount(
            Some("overlay"),
            &target,
            Some("overlay"),
            flags,
            Some(options.as_str()),
        )
        .unwrap();
        Self(target)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let _ = nix::mount::umount(&self.0);
    }
}

#[tokio::test]
async fn a_layer_cannot_reach_outside_itself() {
    if !is_root("a_layer_cannot_reach_outside_itself") {
        return;
    }
    let outside = tempfile::tempdir().unwrap();
    let target = outside.path().to_str().unwrap().to_owned();
    fs::write(outside.path().join("precious"), "untouched").unwrap();
    let precious = format!("{target}/precious");
    let wicked = [
        ("dots", Layer::new().raw_file(b"../../escaped", b"x"), false),
        ("whiteout", Layer::new().raw_file(b"a/.wh...", b""), false),
        (
            "through a link",
            Layer::new()
                .link(EntryType::Symlink, "out", &target)
                .file("out/escaped", b"x", 0o644),
            false,
        ),
        (
            "over a link",
            Layer::new()
                .link(EntryType::Symlink, "out", &precious)
                .file("out", b"x", 0o644),
            true,
        ),
        (
            "hard link",
            Layer::new().link(EntryType::Link, "out", &precious),
            false,
        ),
        (
            "hard link by dots",
            Layer::new().link(EntryType::Link, "out", "../../../../../../etc/passwd"),
            false,
        ),
    ];
    for (case, layer, accepted) in wicked {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("layout");
        layout::write(&source, "bad:1", &[(layer.bytes(), Packing::Plain)]);
        let outcome = open(dir.path()).import(&source, None).await;
        assert_eq!(outcome.is_ok(), accepted, "{case}: {outcome:?}");
        assert_eq!(
            fs::read(outside.path().join("precious")).unwrap(),
            b"untouched",
            "{case}"
        );
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1, "{case}");
        assert!(
            !dir.path().join("escaped").exists() && !dir.path().join("store/escaped").exists(),
            "{case}"
        );
        if !accepted {
            assert_eq!(count(dir.path(), "layers"), 0, "{case}");
        }
    }
}

#[tokio::test]
async fn absurd_sizes_are_refused() {
    if !is_root("absurd_sizes_are_refused") {
        return;
    }
    let bomb = Layer::new()
        .file("zeros", &vec![0u8; 32 << 20], 0o644)
        .bytes();
    let many = (0..50)
        .fold(Layer::new(), |layer, n| {
            layer.file(&format!("f{n}"), b"", 0o644)
        })
        .bytes();
    let labelled = |size| {
        Layer::new()
            .file_with_xattr("f", "user.x", &vec![b'n'; size])
            .bytes()
    };
    let limits = Limits {
        unpacked_bytes: 16 << 20,
        entries: 20,
        ..Limits::default()
    };
    for (case, layer, why) in [
        ("bomb", bomb, "larger than accepted"),
        ("many", many, "more than 20 entries"),
        ("headers", labelled(9 << 20), "absurdly large"),
        ("label", labelled(1 << 20), "extended attribute"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("layout");
        layout::write(&source, "big:1", &[(layer, Packing::Gzip)]);
        let config = ImagesConfig {
            limits,
            default_registry: None,
            ..ImagesConfig::default()
        };
        let images = Images::open(&dir.path().join("store"), config).unwrap();
        let error = images.import(&source, None).await.unwrap_err();
        assert!(error.to_string().contains(why), "{case}: {error}");
        assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{case}");
        assert_eq!(count(dir.path(), "layers"), 0, "{case}");
    }
}

#[tokio::test]
async fn garbage_collection_keeps_what_is_shared_or_held() {
    if !is_root("garbage_collection_keeps_what_is_shared_or_held") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let base = Layer::new().file("base", b"base", 0o644).bytes();
    let images = open(dir.path());
    for name in ["a:1", "b:1", "c:1"] {
        let source = dir.path().join(name);
        let own = Layer::new().file(name, name.as_bytes(), 0o644).bytes();
        layout::write(
            &source,
            name,
            &[(base.clone(), Packing::Gzip), (own, Packing::Plain)],
        );
        images.import(&source, None).await.unwrap();
    }
    assert_eq!(
        count(dir.path(), "layers"),
        4,
        "the base layer is there once"
    );
    let held = images.resolve("c:1").await.unwrap();
    let freed = images.collect_garbage(&["a:1".to_owned()]).await.unwrap();
    assert_eq!((freed.images, freed.layers, freed.bytes), (1, 1, 3));
    images.resolve("a:1").await.unwrap();
    assert!(matches!(
        images.resolve("b:1").await,
        Err(ImageError::NotFound { .. })
    ));
    let digest = held.digest.clone();
    drop(held);
    let freed = images
        .collect_garbage(std::slice::from_ref(&digest))
        .await
        .unwrap();
    assert_eq!(
        (freed.images, freed.layers),
        (1, 1),
        "only `a:1` goes; its base is shared"
    );
    images.resolve("c:1").await.unwrap();
    let freed = images.collect_garbage(&[]).await.unwrap();
    assert_eq!((freed.images, freed.layers), (1, 2));
    assert_eq!(count(dir.path(), "layers"), 0);
}

#[tokio::test]
async fn a_damaged_layer_is_named_and_an_import_mends_it() {
    if !is_root("a_damaged_layer_is_named_and_an_import_mends_it") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let layer = Layer::new()
        .file("a", b"1", 0o644)
        .file("b", b"2", 0o644)
        .bytes();
    layout::write(&source, "x:1", &[(layer, Packing::Plain)]);
    open(dir.path()).import(&source, None).await.unwrap();
    let images = open(dir.path());
    let tree = images.resolve("x:1").await.unwrap().layers[0].clone();
    drop(images);
    fs::remove_file(tree.join("b")).unwrap();
    let images = open(dir.path());
    let error = images.resolve("x:1").await.unwrap_err();
    assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{error}");
    assert!(error.to_string().contains("sha256:"), "{error}");
    images.import(&source, None).await.unwrap();
    let image = images.resolve("x:1").await.unwrap();
    assert_eq!(fs::read(image.layers[0].join("b")).unwrap(), b"2");
}

/// Changes one byte of a file and sets its time back.
fn flip(path: &Path) {
    let time = path.metadata().unwrap().modified().unwrap();
    let mut bytes = fs::read(path).unwrap();
    bytes[0] ^= 1;
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[tokio::test]
async fn a_flipped_byte_is_found_by_the_next_use_and_by_verifying() {
    if !is_root("a_flipped_byte_is_found_by_the_next_use_and_by_verifying") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("layout");
    let layer = Layer::new().file("a", b"12345", 0o644).bytes();
    layout::write(&source, "x:1", &[(layer, Packing::Plain)]);
    let images = open(dir.path());
    images.import(&source, None).await.unwrap();
    let image = images.resolve("x:1").await.unwrap();
    assert_eq!(images.verify(false).await.unwrap(), []);
    flip(&image.layers[0].join("a"));
    let damage = images.verify(false).await.unwrap();
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].images, ["x:1"], "{damage:?}");
    let error = images.resolve("x:1").await.unwrap_err();
    assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{error}");
    // What runs on it keeps its files until nobody needs the layer.
    images.import(&source, None).await.unwrap();
    assert_eq!(fs::read(image.layers[0].join("a")).unwrap(), b"12345");
    assert_eq!(count(dir.path(), "layers"), 2);
    images.collect_garbage(&["x:1".to_owned()]).await.unwrap();
    assert_eq!(count(dir.path(), "layers"), 2);
    assert_eq!(images.verify(false).await.unwrap(), []);
    // Another process finds it at first use, without reading what nobody touched.
    drop(images);
    flip(&image.layers[0].join("a"));
    let error = open(dir.path()).resolve("x:1").await.unwrap_err();
    assert_eq!(error.problem().kind, ProblemKind::ImageCorrupt, "{error}");
    let images = open(dir.path());
    drop(image);
    images.collect_garbage(&[]).await.unwrap();
    assert_eq!(count(dir.path(), "layers"), 0);
}

#[tokio::test]
async fn what_a_crash_left_is_swept() {
    let dir = tempfile::tempdir().unwrap();
    let left = dir.path().join("store/tmp/999999-0");
    fs::create_dir_all(left.join("3/tree")).unwrap();
    fs::write(left.join("lock"), "").unwrap();
    let images = open(dir.path());
    assert!(!left.exists());
    let second = open(dir.path());
    assert_eq!(
        count(dir.path(), "tmp"),
        2,
        "an open store's scratch is left alone"
    );
    drop((images, second));
    assert_eq!(count(dir.path(), "tmp"), 0);
}
