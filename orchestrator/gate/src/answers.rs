//! Outcomes made from results, in the shapes that tools promise.

use ostler_tools::answer::Changed;
use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::Outcome,
    ports::{PastChange, StoreError},
};

/// What a read or an act came to: its name in the log, and the outcome.
pub(crate) fn read(result: Result<Value, String>) -> (&'static str, Outcome) {
    match result {
        Ok(value) => (
            "done",
            Outcome::Done {
                value,
                revision: None,
            },
        ),
        Err(words) => ("failed", Outcome::Failed { words }),
    }
}

/// The words for the log: an outcome's own, or these.
pub(crate) fn words_of(outcome: &Outcome, otherwise: &str) -> String {
    match outcome {
        Outcome::Done { .. } => otherwise.to_owned(),
        Outcome::Held { words, .. }
        | Outcome::Denied { words, .. }
        | Outcome::Refused { words }
        | Outcome::Failed { words } => words.clone(),
    }
}

/// A change that was made.
pub(crate) fn changed(past: &PastChange, told: Vec<String>) -> Outcome {
    let answer = Changed {
        summary: past.summary.clone(),
        revision: past.revision,
        services: past.services.clone(),
        undoable: past.inverse.is_some(),
        told,
    };
    match value(&answer) {
        Ok(value) => Outcome::Done {
            value,
            revision: Some(past.revision),
        },
        Err(words) => Outcome::Failed { words },
    }
}

/// An answer as JSON.
pub(crate) fn value<T: Serialize>(answer: &T) -> Result<Value, String> {
    serde_json::to_value(answer)
        .map_err(|error| format!("the answer could not be written as JSON: {error}"))
}

/// The store said no.
pub(crate) fn not_stored(error: &StoreError) -> Outcome {
    let mut words = format!("{error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        words.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    Outcome::Failed {
        words: format!("{words}; nothing was changed"),
    }
}

/// Up to three names that look like a word, nearest first.
pub(crate) fn near<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Vec<&'n str> {
    let mut found: Vec<(usize, &str)> = names
        .map(|name| (distance(word, name), name))
        .filter(|(far, name)| *far <= 3 || (word.len() >= 4 && name.contains(word)))
        .collect();
    found.sort_unstable();
    found.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, a) in one.bytes().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.bytes()) {
            let above = *cell;
            let next = (above + 1)
                .min(left + 1)
                .min(diagonal + usize::from(a != b));
            diagonal = above;
            left = next;
            *cell = next;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let names = [
            "scale_service",
            "list_services",
            "get_service",
            "delete_service",
        ];
        assert_eq!(near("scale_servce", names.into_iter()), ["scale_service"]);
        assert_eq!(near("delete", names.into_iter()), ["delete_service"]);
        assert_eq!(near("xyz", names.into_iter()), Vec::<&str>::new());
        assert_eq!(
            (
                distance("kitten", "sitting"),
                distance("", "abc"),
                distance("abc", "abc")
            ),
            (3, 3, 0)
        );
    }
}
