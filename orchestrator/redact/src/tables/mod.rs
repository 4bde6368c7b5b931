//! The shapes of credentials, as data: a line for a kind or a family of kinds.

mod addresses;
mod headers;
mod material;
mod vendors;

pub(crate) use vendors::FAMILIES;

/// Expressions; what a group takes is the secret, without one it is all. A group called `m` is only
/// a secret with a digit or a capital in it. `~` at the beginning is where a word begins, also after
/// what stands for a line's end in JSON, a letter in a URL, or a terminal's colour.
pub(crate) fn contexts() -> impl Iterator<Item = String> {
    let all = [material::SHAPES, headers::SHAPES, addresses::SHAPES];
    all.into_iter().flatten().map(|shape| expanded(shape))
}

fn expanded(shape: &str) -> String {
    match shape.strip_prefix('~') {
        Some(word) => {
            format!(r"(?:\b|\\[nrt]|%[0-9A-Fa-f]{{2}}|\x1b\[[0-9;]*m)(?<s>{word})")
        }
        None => shape.to_owned(),
    }
}
