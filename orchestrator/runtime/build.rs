//! Builds the shim as a small static program and leaves its path to `youki/shim.rs`, which embeds it.

#[path = "build/nested.rs"]
mod nested;

fn main() -> Result<(), String> {
    let shim = nested::build(
        "ostler-shim",
        "../..",
        &["shim/src", "shim/Cargo.toml", "build/nested.rs"],
    )?;
    println!("cargo::rustc-env=OSTLER_SHIM={}", shim.display());
    Ok(())
}
