//! Builds one of our small programs as a static executable of its own, for embedding. It has a
//! target directory of its own, shared by every profile: the outer build's lock is never waited
//! for, and a debug, a release and a clippy run build it once.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// Variables of cargo's that concern the user's machine, not the outer build.
const KEPT: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

/// Builds `package` and answers where its executable is. `workspace` is the way to the root.
pub fn build(package: &str, workspace: &str, sources: &[&str]) -> Result<PathBuf, String> {
    let shared = ["Cargo.toml", "Cargo.lock"].map(|file| format!("{workspace}/{file}"));
    for source in sources
        .iter()
        .copied()
        .chain(shared.iter().map(String::as_str))
        .chain(["build.rs"])
    {
        println!("cargo::rerun-if-changed={source}");
    }
    let triple = variable("TARGET")?;
    let target = target_dir(Path::new(&variable("OUT_DIR")?))?.join("embedded");
    let flags = format!(
        "CARGO_TARGET_{}_RUSTFLAGS",
        triple.to_uppercase().replace(['-', '.'], "_")
    );
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars() {
        let leaks =
            name.starts_with("CARGO") || name.starts_with("RUSTC") || name.starts_with("CLIPPY");
        if (leaks && !KEPT.iter().any(|kept| name.starts_with(kept)))
            || name == "RUSTFLAGS"
            || name == "MAKEFLAGS"
        {
            cargo.env_remove(name);
        }
    }
    let status = cargo
        .args([
            "build",
            "-p",
            package,
            "--profile",
            "embedded",
            "--locked",
            "--target",
            &triple,
            "--target-dir",
        ])
        .arg(&target)
        .env(
            flags,
            "-C target-feature=+crt-static -C relocation-model=static",
        )
        .current_dir(variable("CARGO_MANIFEST_DIR")?)
        .status()
        .map_err(|error| format!("cannot run cargo for {package}: {error}"))?;
    if !status.success() {
        return Err(format!("building {package} failed: {status}"));
    }
    Ok(target.join(&triple).join("embedded").join(package))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// The outer build's target directory: the nearest ancestor that cargo marked as a cache.
fn target_dir(out: &Path) -> Result<PathBuf, String> {
    let marked = out
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").exists());
    let counted = out.ancestors().nth(4);
    marked
        .or(counted)
        .map(Path::to_owned)
        .ok_or_else(|| format!("no target directory above {}", out.display()))
}
