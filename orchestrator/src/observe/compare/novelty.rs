//! Kinds of error lines that nobody had written before a rollout, counted by version. Pure: what was read of
//! a log in, counts out. Only hashes of kinds are kept, and of a few new ones their text.
//!
//! What the old version wrote before the new one is listened to is known; from then on, nothing more is learnt,
//! and both versions are counted alike. An instance counts once a look, however much it wrote: the lines of one
//! mishap (a trace of a stack) belong together.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
};

use ostler_core::id::Generation;
use ostler_runtime::backend::LogPage;
use ostler_tools::complaints::error_kind;

use crate::fleet::stream_of;

/// Most kinds that are known of one service: with more of them, a new one says nothing.
const KNOWN_LIMIT: usize = 4_096;

/// Kinds of the error lines in a part of a log, each by its hash.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kinds(BTreeSet<u64>);

impl Kinds {
    /// Of a page of a log.
    pub fn of(page: &LogPage) -> Self {
        let lines = page.lines.iter();
        let kinds = lines.filter_map(|line| error_kind(&line.text, stream_of(line.stream)));
        Self(kinds.map(|kind| hash(&kind)).collect())
    }
}

/// The same in every run of the daemon; whoever makes two kinds meet on purpose hides only their own.
fn hash(kind: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    kind.hash(&mut hasher);
    hasher.finish()
}

/// What is known, and how often each version wrote something else.
#[derive(Debug, Default)]
pub(super) struct Novelty {
    known: BTreeSet<u64>,
    counts: BTreeMap<Generation, u64>,
}

impl Novelty {
    /// What was written before anybody is compared.
    pub fn learn(&mut self, kinds: Kinds) {
        let room = KNOWN_LIMIT.saturating_sub(self.known.len());
        self.known.extend(kinds.0.into_iter().take(room));
    }

    /// What an instance of a version wrote since the last look.
    pub fn heard(&mut self, generation: Generation, kinds: &Kinds) {
        let count = self.counts.entry(generation).or_default();
        if !kinds.0.is_subset(&self.known) {
            *count = count.saturating_add(1);
        }
    }

    /// How often a version wrote kinds that nobody had written before; `None` where nobody listened to it,
    /// or where there are too many kinds to say.
    pub fn count(&self, generation: Generation) -> Option<u64> {
        let counted = self.counts.get(&generation).copied();
        counted.filter(|_| self.known.len() < KNOWN_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use ostler_core::time::Time;
    use ostler_runtime::backend::{LogLine, Stream};

    use super::*;

    fn wrote(lines: &[&str]) -> Kinds {
        let line = |text: &&str| LogLine {
            at: Time(1),
            stream: Stream::Stdout,
            attempt: 1,
            text: (*text).to_owned(),
        };
        Kinds::of(&LogPage {
            lines: lines.iter().map(line).collect(),
            ..LogPage::default()
        })
    }

    const OLD: Generation = Generation(1);
    const NEW: Generation = Generation(2);

    #[test]
    fn what_the_old_version_wrote_before_is_not_new() {
        let mut all = Novelty::default();
        all.learn(wrote(&["ERROR no stock of 7", "INFO all is well"]));
        all.heard(
            NEW,
            &wrote(&["ERROR no stock of 12", "INFO never seen, no error"]),
        );
        all.heard(OLD, &wrote(&["ERROR no stock of 3"]));
        assert_eq!((all.count(NEW), all.count(OLD)), (Some(0), Some(0)));
        assert_eq!(all.count(Generation(3)), None, "nobody listened to it");
    }

    #[test]
    fn new_kinds_count_for_either_version_once_an_instance_and_look() {
        let mut all = Novelty::default();
        all.learn(wrote(&["ERROR no stock of 7"]));
        all.heard(
            NEW,
            &wrote(&["ERROR no money", "ERROR no sense", "ERROR no money"]),
        );
        all.heard(NEW, &wrote(&["ERROR no money"]));
        all.heard(OLD, &wrote(&["ERROR no money", "ERROR no stock of 1"]));
        all.heard(OLD, &wrote(&[]));
        assert_eq!((all.count(NEW), all.count(OLD)), (Some(2), Some(1)));
    }

    #[test]
    fn a_service_of_endless_kinds_is_not_judged_by_them_and_takes_no_more_memory() {
        let mut all = Novelty::default();
        let letters = |mut number: usize| -> String {
            let mut text = String::new();
            for _ in 0..4 {
                text.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
                number /= 26;
            }
            text
        };
        for number in 0..2 * KNOWN_LIMIT {
            all.learn(wrote(&[&format!("ERROR {}", letters(number))]));
        }
        all.heard(NEW, &wrote(&["ERROR another"]));
        assert_eq!(all.known.len(), KNOWN_LIMIT);
        assert_eq!(all.count(NEW), None);
    }
}
