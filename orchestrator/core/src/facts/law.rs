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

/// The lines that go and come, file by file. The shipped policies are no part of what is wanted, so against
/// those only the files can be named.
fn policies(before: &Law, after: &Law) -> Vec<DiffLine> {
    let (Some(old), Some(new)) = (&before.policies, &after.policies) else {
        let (from, to) = (which(before), which(after));
        return (from != to)
            .then(|| line("policies".to_owned(), Some(from), Some(to)))
            .into_iter()
            .collect();
    };
    let differs = |(file, from, to): (&String, Option<&String>, Option<&String>)| {
        let (from, to) = (lines(from), lines(to));
        let (gone, new) = middle(&from, &to);
        line(format!("policies.{file}"), shown(gone), shown(new))
    };
    pairs(old, new).map(differs).collect()
}

fn which(law: &Law) -> String {
    let Some(policies) = &law.policies else {
        return "the shipped ones".to_owned();
    };
    let file =
        |(name, text): (&String, &String)| format!("{name} ({} lines)", text.lines().count());
    let files: Vec<String> = policies.iter().map(file).collect();
    files.join(", ")
}

fn lines(text: Option<&String>) -> Vec<&str> {
    text.map_or_else(Vec::new, |text| text.lines().collect())
}

/// What lies between the lines that both texts begin with and those that both end with.
fn middle<'t>(from: &'t [&'t str], to: &'t [&'t str]) -> (&'t [&'t str], &'t [&'t str]) {
    let alike = |pair: &(&&str, &&str)| pair.0 == pair.1;
    let first = from.iter().zip(to).take_while(alike).count();
    let (from, to) = (
        from.get(first..).unwrap_or_default(),
        to.get(first..).unwrap_or_default(),
    );
    let last = from
        .iter()
        .rev()
        .zip(to.iter().rev())
        .take_while(alike)
        .count();
    let upto = |all: &'t [&'t str]| all.get(..all.len() - last).unwrap_or_default();
    (upto(from), upto(to))
}

fn shown(lines: &[&str]) -> Option<String> {
    let some: Vec<&str> = lines.iter().take(LINES).copied().collect();
    let more = lines.len().saturating_sub(LINES);
    let rest = if more > 0 {
        format!("\n… and {more} more lines")
    } else {
        String::new()
    };
    (!some.is_empty()).then(|| some.join("\n") + &rest)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn law(text: &str) -> Law {
        Law {
            policies: Some(Arc::new([("a.cedar".to_owned(), text.to_owned())].into())),
            ..Law::default()
        }
    }

    #[test]
    fn lines_that_change_places_are_seen() {
        let differs = of(&law("one\nsame\ntwo\nend"), &law("two\nsame\none\nend"));
        assert_eq!(differs.len(), 1);
        assert_eq!(differs[0].from.as_deref(), Some("one\nsame\ntwo"));
        assert_eq!(differs[0].to.as_deref(), Some("two\nsame\none"));
        let grown = of(&law("one"), &law("one\ntwo"));
        assert_eq!(
            (grown[0].from.as_deref(), grown[0].to.as_deref()),
            (None, Some("two"))
        );
        let shipped = of(&Law::default(), &law("one"));
        assert_eq!(shipped[0].to.as_deref(), Some("a.cedar (1 lines)"));
    }
}
