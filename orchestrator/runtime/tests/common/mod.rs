//! What tests of the youki backend share: an image without a registry, and a place of their own.

use std::path::Path;

use ostler_runtime::{
    image::{Content, LayoutFile, LayoutSpec, write_layout},
    network::NetworkConfig,
    youki::YoukiConfig,
};

/// Writes an image of busybox to `dir`, with a user `web` who is in the group `logs` too.
pub fn busybox(dir: &Path, name: &str) {
    let links = ["sh", "sleep", "cat", "stat", "touch", "true", "kill", "id"];
    let file = |path: &str, content, mode| LayoutFile {
        path: path.to_owned(),
        content,
        mode,
    };
    let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let program = || Content::File("/bin/busybox".into());
    let mut files: Vec<LayoutFile> = links
        .iter()
        .map(|name| file(&format!("/bin/{name}"), program(), 0o755))
        .collect();
    files.push(file(
        "/etc/passwd",
        bytes("web:x:101:102::/:/bin/sh\n"),
        0o644,
    ));
    files.push(file("/etc/group", bytes("logs:x:104:web\n"), 0o644));
    let layout = LayoutSpec {
        files,
        dirs: vec![("/tmp".to_owned(), 0o1777)],
        ..LayoutSpec::default()
    };
    write_layout(dir, name, &layout).unwrap();
}

/// A directory, groups, bridge and subnet that no other run, and no other `number`, has.
pub fn config(root: &Path, number: u8) -> YoukiConfig {
    let unique = std::process::id();
    let [_, _, high, low] = unique.to_be_bytes();
    let mut config = YoukiConfig::new(root.join("state"));
    // Names without a registry are local ones: the test needs no other machine.
    config.images.default_registry = None;
    config.network = Some(NetworkConfig {
        state_root: root.join("network"),
        bridge: format!("oc{unique}n{number}"),
        subnet: ([10, 128 | high, low, number << 5].into(), 27),
    });
    config
}
