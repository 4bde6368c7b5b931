//! Files that the operator's configuration names. Those with secrets are readable by the daemon's user alone.

use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

use anyhow::{Context, bail};
use zeroize::Zeroizing;

/// Largest file, in bytes; lists of revoked certificates are the large ones.
const LIMIT: u64 = 16 << 20;

/// Reads a file that a field of the configuration names.
///
/// # Errors
/// When it cannot be read or is too large; names field and file.
pub fn read(field: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_all(field, file, open(field, file)?, &mut bytes)?;
    Ok(bytes)
}

/// Reads a file that holds a secret.
///
/// # Errors
/// As [`read`], and when others can read it too.
pub fn read_secret(field: &str, file: &Path) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let opened = open(field, file)?;
    let shown = file.display();
    let about = opened.metadata();
    let about = about.with_context(|| format!("`{field}`: cannot read `{shown}`"))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("`{field}`: `{shown}` can be read by others (mode {mode:o}); run `chmod 600` on it");
    }
    let mut bytes = Zeroizing::new(Vec::new());
    read_all(field, file, opened, &mut bytes)?;
    Ok(bytes)
}

fn open(field: &str, file: &Path) -> anyhow::Result<File> {
    File::open(file).with_context(|| format!("`{field}`: cannot read `{}`", file.display()))
}

fn read_all(field: &str, file: &Path, opened: File, bytes: &mut Vec<u8>) -> anyhow::Result<()> {
    let shown = file.display();
    let read = opened.take(LIMIT + 1).read_to_end(bytes);
    read.with_context(|| format!("`{field}`: cannot read `{shown}`"))?;
    if bytes.len() as u64 > LIMIT {
        bail!("`{field}`: `{shown}` is larger than {LIMIT} bytes");
    }
    Ok(())
}
