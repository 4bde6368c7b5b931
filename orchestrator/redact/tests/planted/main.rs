//! Plants secrets of every kind that is known here in lines as programs write them: they go, what
//! stands around them stays; and what only looks like one stays.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at the first surprise"
)]

mod harmless;
mod maker;
mod named;
mod tokens;

use std::collections::BTreeSet;

use maker::Maker;
use ostler_redact::{REDACTED, Redactor};

/// How many secrets of a kind are made up.
const SEEDS: u64 = 4;
/// Where any token may stand; `§` is the secret.
const ANYWHERE: [&str; 12] = [
    "2026-03-01T10:00:00Z INFO cart: calling upstream with § (attempt 2)",
    r#"{"level":"info","message":"signed in with §","attempt":2}"#,
    "Authorization: Bearer §",
    "value: §\nnext: 1",
    "curl -s https://api.example.com/v1/items?page=2 -H 'X-Key: §' | jq .",
    "argv = ['run', '§', '--fast']",
    r"first line\n§\nlast line in JSON",
    "https://example.com/callback?state=1&next=%2Fhome&value=§&page=2",
    "<value>§</value>",
    "\u{1b}[32m§\u{1b}[0m is what it used",
    "§",
    "käse → §, done.",
];

fn planted() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let tokens = tokens::KINDS
        .iter()
        .map(|(kind, secret)| (*kind, *secret, ANYWHERE.to_vec()));
    let named = named::KINDS
        .iter()
        .map(|(kind, secret, line)| (*kind, *secret, vec![*line]));
    tokens.chain(named).collect()
}

/// What is left of a line, and what should be.
fn cleaned(secret: &str, line: &str) -> (String, String) {
    let clean = Redactor::default().text(&line.replace('§', secret));
    (clean, line.replace('§', REDACTED))
}

#[test]
fn two_hundred_kinds_of_planted_secrets_go_and_the_rest_stays() {
    let kinds = planted();
    let names: BTreeSet<_> = kinds.iter().map(|(kind, ..)| kind).collect();
    assert_eq!(names.len(), kinds.len(), "a kind is listed once");
    assert!(kinds.len() >= 200, "{} kinds", kinds.len());
    let mut wrong = Vec::new();
    for (number, (kind, pattern, lines)) in kinds.iter().enumerate() {
        for seed in 0..SEEDS {
            let secret = Maker(seed << 32 | number as u64).make(pattern);
            for line in lines {
                let (clean, expected) = cleaned(&secret, line);
                if clean != expected {
                    wrong.push(format!("{kind} (seed {seed})\n  is     {clean:?}\n  not    {expected:?}\n  of     {secret:?}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_was_taken_out_is_left_alone_the_second_time() {
    let redactor = Redactor::default();
    for (number, (kind, pattern, lines)) in planted().iter().enumerate() {
        let secret = Maker(number as u64).make(pattern);
        for line in lines {
            let once = redactor.replaced(&line.replace('§', &secret), &mut |_| {
                "[redacted-7]".to_owned()
            });
            assert_eq!(redactor.text(&once), once, "{kind}");
        }
    }
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let mut texts: Vec<String> = harmless::TEXTS
        .iter()
        .map(|text| (*text).to_owned())
        .collect();
    texts.extend(
        harmless::PATTERNS
            .iter()
            .enumerate()
            .flat_map(|(number, pattern)| {
                (0..SEEDS).map(move |seed| Maker(seed << 32 | number as u64).make(pattern))
            }),
    );
    assert!(harmless::TEXTS.len() + harmless::PATTERNS.len() >= 100);
    let redactor = Redactor::default();
    let wrong: Vec<_> = texts
        .iter()
        .map(|text| (text, redactor.text(text)))
        .filter(|(text, clean)| *text != clean)
        .collect();
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn what_is_taken_though_it_is_harmless_is_known() {
    for (why, text) in harmless::TAKEN {
        assert!(
            Redactor::default().text(text).contains(REDACTED),
            "{why}: `{text}` could be a control now"
        );
    }
}

#[test]
fn a_text_of_beginnings_only_is_read_to_its_end() {
    for piece in [
        "sk-a-",
        "AKIA",
        "eyJ.",
        "a://b:",
        "password",
        "-----BEGIN ",
        "ghp_§",
    ] {
        let text = piece.repeat(1 << 14) + " end";
        assert!(
            Redactor::default().text(&text).len() <= text.len(),
            "{piece}"
        );
    }
}
