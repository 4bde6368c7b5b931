//! `kubectl describe`: keys with values, deeper ones indented below; a table of events at the end.

use super::quantity::age_s;

/// A line with what is indented below it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// What stands before the colon, or the whole line where there is none.
    pub key: String,
    /// What stands after it.
    pub value: String,
    /// What is indented below it.
    pub below: Vec<Entry>,
}

impl Entry {
    /// The first entry below with a key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.below.iter().find(|entry| entry.key == key)
    }

    /// The value of the first entry below with a key; nothing where it says that there is none.
    pub fn value_of(&self, key: &str) -> Option<&str> {
        let value = self.get(key)?.value.as_str();
        (!value.is_empty() && value != "<none>").then_some(value)
    }

    /// A value that may go on over the lines below, as labels and taints do.
    pub fn values_of(&self, key: &str) -> Vec<&str> {
        let Some(entry) = self.get(key) else {
            return Vec::new();
        };
        let first =
            Some(entry.value.as_str()).filter(|value| !value.is_empty() && *value != "<none>");
        first
            .into_iter()
            .chain(entry.below.iter().map(|below| below.key.as_str()))
            .collect()
    }
}

/// Something that happened, as the table at the end has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// A short word for it.
    pub reason: String,
    /// Seconds ago, for the last time.
    pub ago_s: Option<f64>,
    /// How often.
    pub count: u64,
    /// In words.
    pub message: String,
}

/// The whole text as one entry.
pub fn tree(text: &str) -> Entry {
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .peekable();
    let mut root = Entry::default();
    below(&mut lines, None, &mut root);
    root
}

fn below<'t>(
    lines: &mut std::iter::Peekable<impl Iterator<Item = &'t str>>,
    outer: Option<usize>,
    into: &mut Entry,
) {
    while let Some(line) = lines.peek().copied() {
        let depth = line.len() - line.trim_start().len();
        if outer.is_some_and(|outer| depth <= outer) {
            return;
        }
        lines.next();
        let mut entry = entry(line.trim());
        below(lines, Some(depth), &mut entry);
        into.below.push(entry);
    }
}

fn entry(line: &str) -> Entry {
    // A colon ends a key only at the end of the line or before a space.
    let (key, value) = match line.split_once(": ") {
        Some((key, value)) => (key, value.trim()),
        None => (line.strip_suffix(':').unwrap_or(line), ""),
    };
    Entry {
        key: key.trim().to_owned(),
        value: value.to_owned(),
        below: Vec::new(),
    }
}

/// The table of events at the end of a description.
pub fn events(text: &str) -> Vec<Happened> {
    let table = text.split("\nEvents:").nth(1).unwrap_or_default();
    table.lines().filter_map(happened).collect()
}

/// `Type  Reason  Age  From  Message`, apart by two spaces or more.
fn happened(line: &str) -> Option<Happened> {
    let mut rest = line.trim();
    let mut next = || {
        let (cell, more) = rest.split_once("  ").unwrap_or((rest, ""));
        rest = more.trim_start();
        cell
    };
    let (kind, reason, age, _from) = (next(), next(), next(), next());
    if !matches!(kind, "Normal" | "Warning") {
        return None;
    }
    let (ago, times) = age.split_once(' ').unwrap_or((age, ""));
    let count = times
        .trim_start_matches("(x")
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok());
    Some(Happened {
        reason: reason.to_owned(),
        ago_s: age_s(ago),
        count: count.unwrap_or(1),
        message: rest.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:   one\nLabels:   app=one\n          tier=web\nContainers:\n  main:\n    State:   Waiting\n      Reason:   Crash\nEvents:\n  Type  Reason  Age  From  Message\n  ----  ------  ----  ----  -------\n  Warning  BackOff  85s (x3 over 2m)  kubelet  Back-off  again\n";

    #[test]
    fn what_is_indented_is_found_below() {
        let root = tree(TEXT);
        assert_eq!(root.value_of("Name"), Some("one"));
        assert_eq!(root.values_of("Labels"), ["app=one", "tier=web"]);
        let state = root
            .get("Containers")
            .unwrap()
            .get("main")
            .unwrap()
            .get("State")
            .unwrap();
        assert_eq!(state.value, "Waiting");
        assert_eq!(state.value_of("Reason"), Some("Crash"));
    }

    #[test]
    fn events_have_age_and_count() {
        let all = events(TEXT);
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].count, all[0].ago_s), (3, Some(85.0)));
        assert_eq!(all[0].message, "Back-off  again");
    }
}
