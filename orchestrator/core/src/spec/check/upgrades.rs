//! Values of `spec.upgrades`.

use super::{Fault, demand, span};
use crate::{
    spec::{ServiceSpec, Track},
    time::Span,
};

const IGNORED: usize = 100;
const DAY: Span = Span::minutes(24 * 60);

pub(super) fn check(spec: &ServiceSpec) -> Result<(), Fault> {
    let Some(upgrades) = &spec.upgrades else {
        return Ok(());
    };
    if let Some(range) = &upgrades.range {
        let read = semver::VersionReq::parse(range);
        let why = read.as_ref().err().map(ToString::to_string);
        let accepted = format!(
            "use a range such as `>=1.4, <2` ({})",
            why.unwrap_or_default()
        );
        let fine = read.is_ok() && range.len() <= 200;
        demand(fine, "spec.upgrades.range", range, &accepted)?;
    }
    if let Some(pin) = &upgrades.pin {
        let accepted = "use a tag, such as `1.4.2`, without the image's name";
        demand(is_tag(pin), "spec.upgrades.pin", pin, accepted)?;
        let fine = upgrades.range.is_none();
        let accepted = "one tag and a range exclude each other; keep `pin` or `range`";
        demand(fine, "spec.upgrades.pin", pin, accepted)?;
    }
    if let (Track::Digest, Some(range)) = (upgrades.track, &upgrades.range) {
        let accepted = "with `track: digest` no other version is looked for; leave `range` out";
        demand(false, "spec.upgrades.range", range, accepted)?;
    }
    let (count, accepted) = (upgrades.ignore.len(), "use 100 entries at most");
    demand(count <= IGNORED, "spec.upgrades.ignore", count, accepted)?;
    for (index, entry) in upgrades.ignore.iter().enumerate() {
        let fine = is_tag(entry.strip_suffix('*').unwrap_or(entry));
        let field = format!("spec.upgrades.ignore[{index}]");
        let accepted = "use a tag such as `1.5.0`, or its beginning and a `*` such as `1.6.*`";
        demand(fine, field, entry, accepted)?;
    }
    let fine = upgrades.min_age.0 <= DAY.0.saturating_mul(90);
    let field = "spec.upgrades.minAge";
    demand(fine, field, upgrades.min_age, "use 90d at most")?;
    let fine = upgrades.max_age > upgrades.min_age && upgrades.max_age.0 <= DAY.0 * 3_650;
    let accepted = format!(
        "use more than `minAge`, which is {}, and 3650d at most",
        upgrades.min_age
    );
    demand(fine, "spec.upgrades.maxAge", upgrades.max_age, &accepted)?;
    span("spec.upgrades.bake", upgrades.bake)?;
    let fine = (Span::seconds(1)..=DAY).contains(&upgrades.bake);
    demand(fine, "spec.upgrades.bake", upgrades.bake, "use 1s to 1d")
}

/// As registries accept tags.
fn is_tag(text: &str) -> bool {
    let first = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    (1..=128).contains(&text.len())
        && text.bytes().next().is_some_and(first)
        && text.bytes().all(|b| first(b) || b == b'.' || b == b'-')
}
