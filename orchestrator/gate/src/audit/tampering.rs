//! What somebody with the file may do to a log, one test each: found offline, and the place named.

use super::{
    Signer,
    seen::SignedHead,
    tree::{Frontier, leaf_hash},
    verify::{Tampered, export_lines, verify, verify_since},
};
use crate::digest::hex;
use ostler_tools::answer::AuditExport;

fn signer() -> Signer {
    Signer::new(ed25519_dalek::SigningKey::from_bytes(&[7; 32]))
}

fn texts(count: u64, by: &str) -> Vec<String> {
    (0..count)
        .map(|index| format!(r#"{{"index":{index},"principal":"{by}"}}"#))
        .collect()
}

fn grown(leaves: &[String]) -> Frontier {
    let mut tree = Frontier::default();
    leaves
        .iter()
        .for_each(|leaf| tree.push(leaf_hash(leaf.as_bytes())));
    tree
}

/// A whole log as the daemon exports it.
fn log(leaves: Vec<String>) -> String {
    let tree = grown(&leaves);
    let hashes = leaves.iter().map(|leaf| hex(&leaf_hash(leaf.as_bytes())));
    export_lines(&AuditExport {
        from: 0,
        cut: None,
        hashes: hashes.collect(),
        handovers: Vec::new(),
        next: None,
        total: tree.size(),
        checkpoint: signer().sign(&tree),
        public_key: signer().public_key(),
        leaves,
    })
}

/// What a witness keeps of a log.
fn seen(leaves: &[String]) -> String {
    let head = SignedHead {
        checkpoint: signer().sign(&grown(leaves)),
        public_key: signer().public_key(),
    };
    serde_json::to_string(&head).unwrap() + "\n"
}

/// Its lines, changed: the last is the signed head.
fn with_lines(export: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines = export.lines().map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n")
}

fn found(export: &str) -> Tampered {
    verify(export, Some(&signer().public_key())).unwrap_err()
}

#[test]
fn flip() {
    let export = log(texts(9, "user:ann"));
    let flipped = with_lines(&export, |lines| lines[4] = lines[4].replace("ann", "bob"));
    assert_eq!(found(&flipped).leaf, Some(4));
}

#[test]
fn flip_with_its_hash_made_to_fit() {
    let mut leaves = texts(9, "user:ann");
    let export = log(leaves.clone());
    leaves[4] = leaves[4].replace("ann", "bob");
    let head = export.lines().next_back().unwrap().to_owned();
    let forged = with_lines(&log(leaves), |lines| *lines.last_mut().unwrap() = head);
    assert!(found(&forged).what.contains("rewritten"));
    // Whoever kept earlier heads learns where.
    let witness = seen(&texts(3, "user:ann")) + &seen(&texts(6, "user:ann"));
    let tampered = verify_since(&forged, Some(&signer().public_key()), &witness).unwrap_err();
    assert_eq!(tampered.leaf, Some(3), "{tampered}");
}

#[test]
fn drop() {
    let export = log(texts(9, "user:ann"));
    let dropped = with_lines(&export, |lines| drop_line(lines, 3));
    assert_eq!(found(&dropped).leaf, Some(3));
}

fn drop_line(lines: &mut Vec<String>, at: usize) {
    let _gone = lines.remove(at);
}

#[test]
fn reorder() {
    let export = log(texts(9, "user:ann"));
    let moved = with_lines(&export, |lines| lines.swap(2, 6));
    assert_eq!(found(&moved).leaf, Some(2));
}

#[test]
fn truncate() {
    let export = log(texts(9, "user:ann"));
    let cut = with_lines(&export, |lines| drop_line(lines, 8));
    assert_eq!(found(&cut).leaf, Some(8));
    let headless = with_lines(&export, |lines| lines.truncate(5));
    assert!(found(&headless).what.contains("before its checkpoint"));
}

#[test]
fn append() {
    let export = log(texts(9, "user:ann"));
    let more = log(texts(10, "user:ann"));
    let extra = more.lines().nth(9).unwrap().to_owned();
    let longer = with_lines(&export, |lines| lines.insert(9, extra.clone()));
    assert_eq!(found(&longer).leaf, Some(9));
    let after = with_lines(&export, |lines| lines.push(extra));
    assert!(found(&after).what.contains("after the checkpoint"));
}

#[test]
fn rollback_to_yesterday() {
    let yesterday = log(texts(6, "user:ann"));
    assert!(verify(&yesterday, None).is_ok(), "its own head fits");
    let witness = seen(&texts(4, "user:ann")) + &seen(&texts(9, "user:ann"));
    let tampered = verify_since(&yesterday, None, &witness).unwrap_err();
    assert_eq!(tampered.leaf, Some(6));
    assert!(tampered.what.contains("9 leaves"), "{tampered}");
}

#[test]
fn fork() {
    // The same key signed two histories: somebody had it, or the file was put back and went on.
    let mut other = texts(5, "user:ann");
    other.extend(texts(12, "user:eve").split_off(5));
    let forked = log(other);
    assert!(verify(&forked, None).is_ok(), "its own head fits");
    let witness = seen(&texts(5, "user:ann")) + &seen(&texts(9, "user:ann"));
    let tampered = verify_since(&forked, None, &witness).unwrap_err();
    assert_eq!(
        tampered.leaf,
        Some(5),
        "the first five were seen, and agree"
    );
    assert!(tampered.what.contains("forked"), "{tampered}");
}

#[test]
fn a_log_that_went_on_agrees_with_its_witness() {
    let witness = seen(&[]) + &seen(&texts(5, "user:ann")) + &seen(&texts(9, "user:ann"));
    let report = verify_since(&log(texts(12, "user:ann")), None, &witness).unwrap();
    assert_eq!(report.agreed, 3);
}

#[test]
fn a_witness_that_is_damaged_or_of_another_log_is_refused() {
    let export = log(texts(3, "user:ann"));
    let line = seen(&texts(2, "user:ann"));
    for bad in ["nonsense\n".to_owned(), line.replace("\\n2\\n", "\\n3\\n")] {
        let tampered = verify_since(&export, None, &(line.clone() + &bad)).unwrap_err();
        assert!(
            tampered.what.contains("line 2 of the witness"),
            "{tampered}"
        );
    }
}
