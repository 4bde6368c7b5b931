//! Secrets that are known by what stands around them: a name, a header, an address. Pure.
//!
//! Each shape is an expression without look-around or back-references, so that time is linear in
//! the text; one pass over all of them says which are worth a pass of their own.

use std::{ops::Range, sync::LazyLock};

use regex::bytes::{Captures, Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use crate::{is_redacted, names, tables};

/// Most memory for what an expression learns of the text, in bytes.
const LEARNS: usize = 4 << 20;

struct Known {
    any: RegexSet,
    each: Vec<Regex>,
}

static KNOWN: LazyLock<Option<Known>> = LazyLock::new(|| {
    let mut shapes = names::shapes();
    shapes.extend(tables::contexts());
    let any = RegexSetBuilder::new(&shapes)
        .unicode(false)
        .dfa_size_limit(LEARNS)
        .build();
    let each = shapes.iter().map(|shape| one(shape).ok());
    Some(Known {
        any: any.ok()?,
        each: each.collect::<Option<_>>()?,
    })
});

/// An expression over bytes: every class is of ASCII, and what is excluded from one takes the bytes
/// of all other letters. That is a tenth of what letters of Unicode would need.
fn one(shape: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(shape)
        .unicode(false)
        .dfa_size_limit(LEARNS)
        .build()
}

/// A text without what its surroundings give away; nothing when a shape is no expression.
pub(crate) fn without(mut text: String, by: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let known = KNOWN.as_ref()?;
    let matched: Vec<usize> = known.any.matches(text.as_bytes()).iter().collect();
    for shape in matched.iter().filter_map(|index| known.each.get(*index)) {
        text = without_shape(shape, &text, by)?;
    }
    Some(text)
}

/// A text without one shape. What its group takes goes, the rest stays; without a group, all goes.
/// Nothing when a shape ends inside a letter, which none may.
fn without_shape(shape: &Regex, text: &str, by: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let (mut clean, mut kept) = (String::with_capacity(text.len()), 0);
    for found in shape.captures_iter(text.as_bytes()) {
        let place = secret(&found)?;
        let secret = text.get(place.clone())?;
        let mixed = found.name("m").is_some();
        if is_redacted(secret) || names::is_harmless(secret, mixed) {
            continue;
        }
        clean.push_str(text.get(kept..place.start)?);
        clean.push_str(&by(secret));
        kept = place.end;
    }
    clean.push_str(text.get(kept..)?);
    Some(clean)
}

/// Where the secret is: its group, the first that took anything, or all.
fn secret(found: &Captures<'_>) -> Option<Range<usize>> {
    let group = (1..found.len()).find_map(|group| found.get(group));
    group.or_else(|| found.get(0)).map(|place| place.range())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_is_an_expression_and_all_fit_together() {
        let shapes: Vec<String> = names::shapes()
            .into_iter()
            .chain(tables::contexts())
            .collect();
        for shape in &shapes {
            assert!(one(shape).is_ok(), "{shape}: {:?}", one(shape).err());
        }
        assert!(KNOWN.is_some());
    }
}
