//! The process of an instance: image, command, environment, user.

use super::{Fault, demand};
use crate::spec::ServiceSpec;

const ARGS_LIMIT: usize = 1_000;
const ARGS_BYTES: usize = 128 << 10;
const ENV_LIMIT: usize = 1_000;
const ENV_BYTES: usize = 128 << 10;

/// Checks everything that the kernel gets to see when the process starts.
pub(super) fn check(spec: &ServiceSpec) -> Result<(), Fault> {
    image(&spec.image)?;
    words("spec.command", &spec.command)?;
    words("spec.args", &spec.args)?;
    environment(spec)?;
    if let Some(directory) = &spec.working_dir {
        absolute("spec.workingDir", directory)?;
    }
    spec.user.as_deref().map_or(Ok(()), user)
}

/// `registry/name:tag` or `…@sha256:…`, without spaces or a URL's scheme.
fn image(image: &str) -> Result<(), Fault> {
    let accepted = "use an image reference such as `registry.example/shop/cart:1.2` or \
        `…@sha256:` with 64 hexadecimal digits";
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let fine = (1..=512).contains(&image.len())
        && image
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./:@".contains(&b))
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
        && name
            .bytes()
            .last()
            .is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !image.contains("//")
        && image
            .split_once('@')
            .is_none_or(|(_, digest)| is_digest(digest));
    demand(fine, "spec.image", image, accepted)
}

fn is_digest(digest: &str) -> bool {
    digest.strip_prefix("sha256:").is_some_and(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// A command or arguments: no null bytes, bounded in number and size.
pub(super) fn words(field: &str, words: &[String]) -> Result<(), Fault> {
    demand(
        words.len() <= ARGS_LIMIT,
        field,
        words.len(),
        "use 1000 words at most",
    )?;
    let bytes: usize = words.iter().map(String::len).sum();
    demand(
        bytes <= ARGS_BYTES,
        field,
        format!("{bytes} bytes"),
        "use 128 KiB in all at most",
    )?;
    if let Some((index, word)) = words
        .iter()
        .enumerate()
        .find(|(_, word)| word.contains('\0'))
    {
        let shown = word.replace('\0', "\\0");
        demand(
            false,
            format!("{field}[{index}]"),
            shown,
            "a null byte cannot be passed",
        )?;
    }
    let fine = words
        .first()
        .is_none_or(|first| field != "spec.command" || !first.is_empty());
    demand(fine, format!("{field}[0]"), "", "name a program")
}

fn environment(spec: &ServiceSpec) -> Result<(), Fault> {
    let (env, field) = (&spec.env, "spec.env");
    demand(
        env.len() <= ENV_LIMIT,
        field,
        env.len(),
        "use 1000 variables at most",
    )?;
    let bytes: usize = env
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    demand(
        bytes <= ENV_BYTES,
        field,
        format!("{bytes} bytes"),
        "use 128 KiB in all at most",
    )?;
    for (name, value) in env {
        let fine = !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        let accepted =
            "name variables with letters, digits, `_`, `.` and `-`, not starting with a digit";
        demand(fine, field, name, accepted)?;
        let shown = value.replace('\0', "\\0");
        let fine = !value.contains('\0');
        demand(
            fine,
            format!("spec.env.{name}"),
            shown,
            "a null byte cannot be passed",
        )?;
    }
    Ok(())
}

/// `uid` or `uid:gid`.
fn user(user: &str) -> Result<(), Fault> {
    let is_id = |text: &str| text.parse::<u32>().is_ok_and(|id| id < u32::MAX);
    let fine = match user.split_once(':') {
        Some((uid, gid)) => is_id(uid) && is_id(gid),
        None => is_id(user),
    };
    demand(
        fine,
        "spec.user",
        user,
        "use numbers: `1000` or `1000:1000`",
    )
}

/// An absolute path without `..`.
pub(super) fn absolute(field: impl Into<String>, path: &str) -> Result<(), Fault> {
    let fine = path.starts_with('/')
        && path.len() <= 4_096
        && !path.contains('\0')
        && path.split('/').all(|part| part != "..");
    demand(
        fine,
        field,
        path.replace('\0', "\\0"),
        "use an absolute path without `..`",
    )
}
