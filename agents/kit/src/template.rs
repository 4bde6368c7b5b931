//! Log lines folded into templates: numbers, ids and quoted parts become `#`, equal ones are counted.

use std::collections::BTreeMap;

use ostler_tools::{complaints::FAILURE_WORDS, kinds::kind_of};
use serde::{Deserialize, Serialize};

use crate::text::Untrusted;

/// Most templates kept of one log.
pub const TEMPLATES_LIMIT: usize = 12;

/// One kind of log line with how often it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The line with its varying parts replaced.
    pub text: Untrusted,
    /// How often.
    pub count: u32,
    /// Place in order of first sight, for a stable order.
    pub first: u32,
}

/// Folds lines; the most frequent templates first, then the most recent, [`TEMPLATES_LIMIT`] at most.
/// Templates that speak of a failure are kept before those that don't.
#[must_use]
pub fn fold<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Template> {
    let mut seen: BTreeMap<Untrusted, Template> = BTreeMap::new();
    for (index, line) in lines.enumerate().take(2_000) {
        let text = Untrusted::new(&kind_of(line));
        if text.as_str().is_empty() {
            continue;
        }
        let first = u32::try_from(index).unwrap_or(u32::MAX);
        let entry = seen.entry(text.clone()).or_insert(Template {
            text,
            count: 0,
            first,
        });
        entry.count = entry.count.saturating_add(1);
    }
    let mut templates: Vec<Template> = seen.into_values().collect();
    templates.sort_by_key(|template| {
        (
            !speaks_of_failure(&template.text),
            std::cmp::Reverse(template.count),
            std::cmp::Reverse(template.first),
        )
    });
    templates.truncate(TEMPLATES_LIMIT);
    templates
}

/// Whether a line speaks of a failure. A hint, never proof.
#[must_use]
pub fn speaks_of_failure(text: &Untrusted) -> bool {
    text.mentions(&FAILURE_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_differ_in_numbers_are_one_template() {
        let lines = [
            "GET /item/17 200 3ms",
            "GET /item/4 200 12ms",
            "error: cannot open /etc/app.yaml",
            "GET /item/9 200 1ms",
        ];
        let templates = fold(lines.into_iter());
        assert_eq!(templates.len(), 2);
        assert_eq!(
            templates[0].text.as_str(),
            "error: cannot open /etc/app.yaml"
        );
        assert_eq!(
            (templates[1].text.as_str(), templates[1].count),
            ("GET /item/# # #ms", 3)
        );
    }

    #[test]
    fn a_flood_of_different_lines_stays_bounded() {
        let lines: Vec<String> = (0..5_000)
            .map(|n| format!("word{} {}", "x".repeat(n % 300), "y".repeat(n % 7)))
            .collect();
        assert!(fold(lines.iter().map(String::as_str)).len() <= TEMPLATES_LIMIT);
    }
}
