//! Manifest text from a file, a directory or standard input.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::error::CliError;

/// Most bytes read in all.
const LIMIT: u64 = 4 << 20;

/// Reads `-`, a file, or every `.yaml`, `.yml` and `.json` of a directory in order of name.
pub fn manifests(from: &Path) -> Result<String, CliError> {
    if from.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().take(LIMIT + 1).read_to_string(&mut text);
        read.map_err(CliError::io("read standard input"))?;
        return Ok(text);
    }
    if !from.is_dir() {
        return one(from);
    }
    let entries = fs::read_dir(from).map_err(CliError::io(format!(
        "read the directory `{}`",
        from.display()
    )))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| is_manifest(path))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(CliError::Usage(format!(
            "there is no .yaml, .yml or .json file in `{}`",
            from.display()
        )));
    }
    let texts: Result<Vec<String>, CliError> = files.iter().map(|file| one(file)).collect();
    Ok(texts?.join("\n---\n"))
}

fn one(file: &Path) -> Result<String, CliError> {
    let doing = || format!("read the manifest `{}`", file.display());
    let size = fs::metadata(file).map_err(CliError::io(doing()))?.len();
    if size > LIMIT {
        return Err(CliError::Usage(format!(
            "`{}` has {size} bytes; at most {LIMIT} are accepted",
            file.display()
        )));
    }
    fs::read_to_string(file).map_err(CliError::io(doing()))
}

fn is_manifest(path: &Path) -> bool {
    let known = path
        .extension()
        .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
    known && path.is_file()
}
