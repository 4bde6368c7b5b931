//! Which log lines tell of an error, and of what kind. A guess from how programs usually write: a level
//! where a line says one, else words that speak of failure. Pure; lines are data of strangers.

use serde_json::{Map, Value};

use crate::{answer::LogStream, kinds::kind_of};

/// Words that speak of a failure wherever they stand, in lower case. A hint, never proof.
pub const FAILURE_WORDS: [&str; 9] = [
    "error",
    "panic",
    "fatal",
    "exception",
    "refused",
    "no such file",
    "no space left",
    "cannot",
    "failed",
];
/// Bytes of a line that are looked at: as many as logs keep.
const LOOKED_AT: usize = 8_192;
/// Bytes of a kind that are kept.
const KIND_LIMIT: usize = 400;
/// Words among which a line's level is looked for.
const HEAD: usize = 8;
/// Words of a line of standard output without a level that may speak of failure: what follows is said of
/// something.
const OPENING: usize = 3;

/// The kind of error that a line tells of, 400 bytes at most; `None` where it tells of none.
///
/// A line with a level goes by that, whatever stream it came on: many programs write everything to standard
/// error. Without one, a line of standard error speaks of failure anywhere, one of standard output in its first
/// words. Of a JSON object, message and cause are the kind; of other lines, all but what varies ([`kind_of`]).
#[must_use]
pub fn error_kind(line: &str, stream: LogStream) -> Option<String> {
    let line = cut(line.trim(), LOOKED_AT);
    let kind = if line.starts_with("{\"") {
        // One that is not whole says nothing.
        of_object(&serde_json::from_str(line).ok()?)?
    } else {
        of_text(line, stream)?
    };
    Some(cut(&kind, KIND_LIMIT).to_owned())
}

fn of_object(object: &Map<String, Value>) -> Option<String> {
    let first = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
    let is_error = match first(&["level", "severity", "lvl", "log.level", "levelname"]) {
        Some(Value::String(level)) => is_error_level(level)?,
        // As bunyan and pino count: 50 is an error, 60 fatal.
        Some(Value::Number(level)) => level.as_u64().is_some_and(|level| level >= 50),
        _ => false,
    };
    let said = [
        first(&["message", "msg", "event"]),
        first(&["error", "err", "cause", "exception"]),
    ];
    let words: Vec<String> = said.into_iter().flatten().map(words_of).collect();
    (is_error && !words.is_empty()).then(|| kind_of(&words.join(": ")))
}

fn words_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn of_text(line: &str, stream: LogStream) -> Option<String> {
    let is_error = level(line).unwrap_or_else(|| {
        let lower = line.to_ascii_lowercase();
        let opening: Vec<&str> = lower.split_whitespace().take(OPENING).collect();
        let within = match stream {
            LogStream::Stderr => lower.clone(),
            LogStream::Stdout => opening.join(" "),
        };
        FAILURE_WORDS.iter().any(|word| within.contains(word))
    });
    is_error.then(|| kind_of(line))
}

/// Whether a line's level is one of errors; `None` where it has no level.
fn level(line: &str) -> Option<bool> {
    line.split_whitespace()
        .take(HEAD)
        .enumerate()
        .find_map(|(place, word)| {
            // logfmt: `level=error`.
            if let Some((name, value)) = word.split_once('=') {
                let is_level = matches!(name, "level" | "lvl" | "severity");
                return is_level
                    .then(|| is_error_level(value.trim_matches('"')))
                    .flatten();
            }
            // klog: `E1126 23:38:01.000000`.
            if place == 0 && is_klog(word) {
                return Some(word.starts_with(['E', 'F']));
            }
            let bare = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
            let shouted = bare.len() > 2 && bare.chars().all(|c| c.is_ascii_uppercase());
            let marked = word.starts_with(['[', '<', '(']) || (place == 0 && word.ends_with(':'));
            (shouted || marked).then(|| is_error_level(bare)).flatten()
        })
}

fn is_klog(word: &str) -> bool {
    let digits = word.strip_prefix(['I', 'W', 'E', 'F']);
    digits.is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether a level is one of errors; `None` for a word that is no level.
fn is_error_level(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "error" | "err" | "eror" | "fatal" | "panic" | "critical" | "crit" | "alert" | "emerg"
        | "emergency" | "severe" => Some(true),
        "warn" | "warning" | "notice" | "info" | "information" | "debug" | "trace" | "verbose"
        | "fine" | "log" => Some(false),
        _ => None,
    }
}

/// The first bytes of a text, whole characters only.
fn cut(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(line: &str) -> Option<String> {
        error_kind(line, LogStream::Stdout)
    }

    fn err(line: &str) -> Option<String> {
        error_kind(line, LogStream::Stderr)
    }

    #[test]
    fn a_level_says_it_whatever_the_stream() {
        for line in [
            r#"{"level":"error","msg":"boom"}"#,
            r#"{"level":50,"msg":"boom"}"#,
            r#"{"severity":"CRITICAL","message":"boom"}"#,
            "2026-11-26T23:37:58Z ERROR boom",
            "2026/11/26 23:37:58 [error] 7#7: boom",
            "time=2026-11-26 level=error msg=boom",
            "error: boom",
            "E1126 23:38:01.000000 7 main.go:9] boom",
        ] {
            assert!(out(line).is_some() && err(line).is_some(), "{line}");
        }
        for line in [
            r#"{"level":"info","msg":"no error, nothing failed"}"#,
            r#"{"level":30,"msg":"fatal attraction"}"#,
            "2026-11-26T23:37:58Z  WARN request failed, trying again",
            "level=info msg=\"an error was mended\"",
            "warning: an error was mended",
            "I1126 23:38:01.000000 7 main.go:9] error counters are reset",
        ] {
            assert!(out(line).is_none() && err(line).is_none(), "{line}");
        }
    }

    #[test]
    fn without_a_level_words_say_it() {
        for line in [
            "panic: runtime error: index out of range [3]",
            "thread 'main' panicked at src/main.rs:4:5:",
            "Exception in thread \"main\" java.lang.Error",
        ] {
            assert!(out(line).is_some() && err(line).is_some(), "{line}");
        }
        let said = "the order of item 7 failed";
        assert_eq!(out(said), None, "said of something");
        assert_eq!(err(said).unwrap(), "the order of item # failed");
        for line in [
            "",
            "{}",
            "{\"error\": ",
            "served in 3ms",
            "{\"msg\":\"error\"}",
            "    at Foo.bar(Foo.java:3)",
        ] {
            assert!(out(line).is_none() && err(line).is_none(), "{line}");
        }
    }

    #[test]
    fn what_varies_makes_no_other_kind() {
        let line = |user: &str, ms: u32, cause: &str| {
            format!(
                "{{\"time_ms\":{ms},\"level\":\"error\",\"user\":\"{user}\",\"message\":\"order {ms} failed\",\"cause\":\"{cause}\"}}"
            )
        };
        let kind = out(&line("ann", 17, "no stock"));
        assert_eq!(kind.as_deref(), Some("order # failed: no stock"));
        assert_eq!(kind, out(&line("bob", 4, "no stock")));
        assert_ne!(kind, out(&line("bob", 4, "no money")));
    }

    #[test]
    fn a_line_of_any_length_and_letters_is_bounded() {
        let long = format!("ERROR {}", "ä ".repeat(10_000));
        let kind = out(&long).unwrap();
        assert!(kind.len() <= KIND_LIMIT && kind.starts_with("ERROR ä"));
        assert!(
            out(&format!(
                "{{\"level\":\"error\",\"msg\":\"{}",
                "[".repeat(9_000)
            ))
            .is_none()
        );
    }
}
