//! Where other people's incidents lie.

use std::path::PathBuf;

/// The folder of one set; nothing, and a loud word, where it is missing.
pub fn folder(set: &str) -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data");
    let root =
        std::env::var_os("OSTLER_INCIDENTS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    let folder = root.join(set);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "SKIPPED: no folder {}; put the set there or name its parent in OSTLER_INCIDENTS",
        folder.display()
    );
    None
}
