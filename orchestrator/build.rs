//! Builds the demo's shop as a small static program and leaves its path to `demo/images.rs`, which
//! embeds it.

#[path = "runtime/build/nested.rs"]
mod nested;

fn main() -> Result<(), String> {
    let sources = [
        "../evals/shop/src",
        "../evals/shop/Cargo.toml",
        "runtime/build/nested.rs",
    ];
    let shop = nested::build("ostler-shop", "..", &sources)?;
    println!("cargo::rustc-env=OSTLER_SHOP={}", shop.display());
    Ok(())
}
