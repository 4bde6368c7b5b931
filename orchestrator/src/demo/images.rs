//! The shop's image, made from the program embedded here: no container engine, no network.

use std::path::Path;

use ostler_runtime::image::{Content, ImageError, LayoutFile, LayoutSpec, write_layout};

/// The shop: one static program whose first argument is its role.
static SHOP: &[u8] = include_bytes!(env!("OSTLER_SHOP"));

/// The name under which manifests use the image.
pub const NAME: &str = "shop:1";

/// Writes the image as an OCI layout into a directory that does not exist yet.
///
/// # Errors
/// When it cannot be written.
pub fn write(layout: &Path) -> Result<(), ImageError> {
    write_as(layout, NAME, &[], Vec::new())
}

/// The same under another name, with more variables that the image itself sets, and more files.
///
/// # Errors
/// As [`write()`].
pub fn write_as(
    layout: &Path,
    name: &str,
    env: &[String],
    more: Vec<LayoutFile>,
) -> Result<(), ImageError> {
    let program = LayoutFile {
        path: "/shop".to_owned(),
        content: Content::Bytes(SHOP.to_vec()),
        mode: 0o755,
    };
    let image = LayoutSpec {
        files: std::iter::once(program).chain(more).collect(),
        dirs: vec![("/tmp".to_owned(), 0o1777), ("/data".to_owned(), 0o777)],
        entrypoint: vec!["/shop".to_owned()],
        env: ["PATH=/".to_owned()].iter().chain(env).cloned().collect(),
        ..LayoutSpec::default()
    };
    write_layout(layout, name, &image)
}
