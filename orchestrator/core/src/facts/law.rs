//! What differs in what people rule: freezes, emergencies, and which lines of which policies.

use std::collections::{BTreeMap, BTreeSet};

use super::DiffLine;
use crate::law::{Freeze, Glass, Law};

/// Most lines of a file that are shown as gone, and as new.
const LINES: usize = 60;

/// Lines for everything that differs.
pub(super) fn of(before: &Law, after: &Law) -> Vec<DiffLine> {
    let freezes = pairs(&before.freezes, &after.freezes)
        .map(|(name, from, to)| line(format!("freezes.{name}"), from.map(freeze), to.map(freeze)));
    let glass = pairs(&before.glass, &after.glass).map(|(person, from, to)| {
        line(
            format!("emergencies.{person}"),
            from.map(emergency),
            to.map(emergency),
        )
    });
    let mut lines: Vec<DiffLine> = freezes.chain(glass).collect();
    lines.extend(policies(before, after));
    lines
}

/// What differs between two maps, by key.
fn pairs<'m, K: Ord, V: PartialEq>(
    before: &'m BTreeMap<K, V>,
    after: &'m BTreeMap<K, V>,
) -> impl Iterator<Item = (&'m K, Option<&'m V>, Option<&'m V>)> {
    let keys: BTreeSet<&K> = before.keys().chain(after.keys()).collect();
    let pairs = keys
        .into_iter()
        .map(|key| (key, before.get(key), after.get(key)));
    pairs.filter(|(_, from, to)| from != to)
}

fn line(path: String, from: Option<String>, to: Option<String>) -> DiffLine {
    DiffLine { path, from, to }
}

fn freeze(freeze: &Freeze) -> String {
    let places: Vec<&str> = freeze.namespaces.iter().map(|name| name.as_str()).collect();
    let places = if places.is_empty() {
        "everything".to_owned()
    } else {
        places.join(", ")
    };
    let lasts = freeze.until.since(freeze.from);
    format!("{places} for {lasts}: {}", freeze.reason)
}

fn emergency(glass: &Glass) -> String {
    glass.reason.clone()
}

/// The lines that go and come, file by file. Against the shipped policies there is nothing to compare
/// here: those are no part of what is wanted.
fn policies(before: &Law, after: &Law) -> Vec<DiffLine> {
    let which = |law: &Law| match &law.policies {
        Some(_) => "own".to_owned(),
        None => "shipped".to_owned(),
    };
    let (Some(old), Some(new)) = (&before.policies, &after.policies) else {
        let (from, to) = (which(before), which(after));
        return (from != to)
            .then(|| line("policies".to_owned(), Some(from), Some(to)))
            .into_iter()
            .collect();
    };
    let differs = |(file, from, to): (&String, Option<&String>, Option<&String>)| {
        let (from, to) = (text(from), text(to));
        line(format!("policies.{file}"), only(from, to), only(to, from))
    };
    pairs(old, new).map(differs).collect()
}

fn text(text: Option<&String>) -> &str {
    text.map_or("", String::as_str)
}

/// The lines of one text that the other does not have.
fn only(one: &str, other: &str) -> Option<String> {
    let others: BTreeSet<&str> = other.lines().map(str::trim).collect();
    let mut own: Vec<&str> = (one.lines().map(str::trim))
        .filter(|line| !line.is_empty() && !others.contains(line))
        .collect();
    let more = own.len().saturating_sub(LINES);
    own.truncate(LINES);
    let rest = if more > 0 {
        format!("\n… and {more} more lines")
    } else {
        String::new()
    };
    (!own.is_empty()).then(|| own.join("\n") + &rest)
}
