//! Exports, witnesses and proofs of the audit log, as they come from whoever wants to be believed: any text, and a
//! real log that was changed. The changed one never verifies, the real one always does.

use std::sync::OnceLock;

use ostler_gate::audit::{Proof, export_lines, verify, verify_since};
use serde_json::json;

use crate::house::{admin, exported, open, runtime};

/// A log with two changes of its key, and the key that it had first.
struct Real {
    lines: Vec<String>,
    first_key: String,
}

/// Reads one input: text (an export, and a witness after a line of dashes), or with a first byte of 1 what to do
/// to the real log.
pub fn try_one(input: &[u8]) {
    match input.split_first() {
        Some((1, deeds)) => changed(deeds),
        _ => any_text(input),
    }
}

fn any_text(input: &[u8]) {
    let Some(text) = crate::text(input) else {
        return;
    };
    let (export, witness) = text.split_once("\n---\n").unwrap_or((text, ""));
    if let Ok(report) = verify_since(export, None, witness) {
        assert!(report.kept_from <= report.leaves);
    }
    if let Ok(proof) = serde_json::from_str::<Proof>(text) {
        let _verdict = proof.verify(None);
    }
}

fn changed(deeds: &[u8]) {
    let real = real();
    let mut lines = real.lines.clone();
    for deed in deeds.chunks_exact(4).take(8) {
        do_to(&mut lines, deed);
    }
    let verdict = verify(&text(&lines), Some(&real.first_key));
    assert_eq!(
        verdict.is_ok(),
        lines == real.lines,
        "{verdict:?}: {lines:#?}"
    );
}

/// One change: a line that goes, comes twice or changes places, or a letter that is another.
fn do_to(lines: &mut Vec<String>, deed: &[u8]) {
    let [what, first, second, third] = *deed else {
        return;
    };
    if lines.is_empty() {
        return;
    }
    let (one, other) = (
        usize::from(first) % lines.len(),
        usize::from(second) % lines.len(),
    );
    match what % 5 {
        0 => drop(lines.remove(one)),
        1 => lines.insert(other, lines[one].clone()),
        2 => lines.swap(one, other),
        3 => lines.truncate(one),
        _ => {
            let mut bytes = lines[one].clone().into_bytes();
            let at = (usize::from(second) << 8 | usize::from(third)) % bytes.len();
            if bytes[at].is_ascii_alphanumeric() {
                bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            }
            lines[one] = String::from_utf8(bytes).unwrap();
        }
    }
}

fn text(lines: &[String]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn real() -> &'static Real {
    static REAL: OnceLock<Real> = OnceLock::new();
    REAL.get_or_init(|| {
        runtime().block_on(async {
            let gate = open().await;
            let first_key = gate.signed_head().await.public_key;
            for tool in [
                "get_status",
                "rotate_audit_key",
                "list_nodes",
                "rotate_audit_key",
                "get_status",
            ] {
                gate.call(&admin(), tool, json!({})).await;
            }
            let export = export_lines(&exported(&gate).await);
            Real {
                lines: export.lines().map(str::to_owned).collect(),
                first_key,
            }
        })
    })
}
