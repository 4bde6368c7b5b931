//! The log's key changes: whoever kept an older one verifies the log as before, and no key signs after its end.

use std::sync::Arc;

use ostler_tools::answer::{AuditExport, AuditKeyRotated, AuditVerification};
use serde_json::json;

use super::{House, admin, done, house, open, operator, scale};
use crate::{
    GateError, Keys, Retention,
    answer::Outcome,
    audit::{Report, export_lines, prove, verify, verify_since},
    ports::StoreError,
};

async fn rotate(house: &House) -> AuditKeyRotated {
    let answer = house.call(&admin(), "rotate_audit_key", json!({})).await;
    serde_json::from_value(done(answer)).unwrap()
}

async fn export(house: &House) -> String {
    let answer = house.call(&operator(), "export_audit", json!({})).await;
    let page: AuditExport = serde_json::from_value(done(answer)).unwrap();
    assert_eq!(page.next, None);
    export_lines(&page)
}

async fn work(house: &House, replicas: u32) {
    done(
        house
            .call(&operator(), "scale_service", scale(replicas))
            .await,
    );
}

/// A line of a witness, as of now.
async fn head(house: &House) -> String {
    serde_json::to_string(&house.gate.signed_head().await).unwrap() + "\n"
}

#[tokio::test]
async fn every_key_the_log_ever_had_verifies_it() {
    let house = house().await;
    let mut witness = head(&house).await;
    work(&house, 2).await;
    let first = rotate(&house).await;
    witness += &head(&house).await;
    work(&house, 3).await;
    let second = rotate(&house).await;
    assert_eq!(first.public_key, second.previous);
    work(&house, 1).await;
    witness += &head(&house).await;

    let text = export(&house).await;
    for key in [&first.previous, &second.previous, &second.public_key] {
        let Report { keys, agreed, .. } = verify_since(&text, Some(key), &witness).unwrap();
        assert_eq!((keys, agreed), (3, 3));
        prove(&text, 1).unwrap().verify(Some(key)).unwrap();
    }
    let stranger = Keys::ephemeral().signer().public_key();
    assert!(verify(&text, Some(&stranger)).is_err());
    assert!(prove(&text, 1).unwrap().verify(Some(&stranger)).is_err());
    let answer = house.call(&operator(), "verify_audit", json!({})).await;
    let found: AuditVerification = serde_json::from_value(done(answer)).unwrap();
    assert!(found.ok && found.keys == 3, "{found:?}");
    assert_eq!(found.public_key, second.public_key);
    for line in witness.lines() {
        let seen = serde_json::from_str(line).unwrap();
        house.gate.continues(&seen).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_without_its_changes_of_key_is_not_the_one_that_was_kept() {
    let house = house().await;
    let witness = head(&house).await;
    let rotated = rotate(&house).await;
    let text = export(&house).await;
    let without: String = (text
        .lines()
        .filter(|line| !line.starts_with(r#"{"handover""#)))
    .flat_map(|line| [line, "\n"])
    .collect();
    assert_ne!(without, text);
    verify(&without, Some(&rotated.public_key)).unwrap();
    assert!(verify(&without, Some(&rotated.previous)).is_err());
    assert!(verify_since(&without, None, &witness).is_err());
    let moved: String = (text.lines().rev().skip(1).chain(text.lines().last()))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert!(
        verify(&moved, None).is_err(),
        "leaves stand before changes of the key"
    );
}

#[tokio::test]
async fn the_next_start_has_the_next_key() {
    let (store, clock) = (Arc::default(), Arc::default());
    let dir = tempfile::tempdir().unwrap();
    let old = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let first = open(&store, &clock, keys()).await.unwrap();
    for file in ["audit-signing.key", "secret-sealing.key"] {
        std::fs::copy(dir.path().join(file), old.path().join(file)).unwrap();
    }
    let rotated = rotate(&first).await;
    let second = open(&store, &clock, keys()).await.unwrap();
    verify(&export(&second).await, Some(&rotated.previous)).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);

    // The power went before the new key's file was in its place.
    let from = dir.path().join("audit-signing.key");
    std::fs::rename(&from, old.path().join("audit-signing.next.key")).unwrap();
    let keys = Keys::open_or_create(old.path()).unwrap();
    let third = open(&store, &clock, keys).await.unwrap();
    verify(&export(&third).await, Some(&rotated.public_key)).unwrap();
}

#[tokio::test]
async fn a_key_that_was_handed_over_opens_the_log_no_more() {
    let (store, clock) = (Arc::default(), Arc::default());
    let dir = tempfile::tempdir().unwrap();
    let keys = Keys::open_or_create(dir.path()).unwrap();
    let house = open(&store, &clock, keys).await.unwrap();
    let stolen = tempfile::tempdir().unwrap();
    for file in ["audit-signing.key", "secret-sealing.key"] {
        std::fs::copy(dir.path().join(file), stolen.path().join(file)).unwrap();
    }
    rotate(&house).await;
    let keys = Keys::open_or_create(stolen.path()).unwrap();
    let error = open(&store, &clock, keys).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, GateError::Tampered(_)), "{error}");
    assert!(error.to_string().contains("another key"), "{error}");
}

#[tokio::test]
async fn a_change_that_was_not_written_did_not_happen_and_can_be_asked_for_again() {
    let house = house().await;
    let before = house.gate.signed_head().await.public_key;
    house.store.fail_with(Some(|| StoreError::Failed {
        operation: "write to",
        source: "the disk is full".into(),
    }));
    let answer = house.call(&admin(), "rotate_audit_key", json!({})).await;
    assert!(
        matches!(answer.outcome, Outcome::Failed { .. }),
        "{answer:?}"
    );
    house.store.fail_with(None);
    assert_eq!(house.gate.signed_head().await.public_key, before);
    work(&house, 2).await;
    let rotated = rotate(&house).await;
    assert_eq!(rotated.previous, before);
    assert_eq!(
        verify(&export(&house).await, Some(&before)).unwrap().keys,
        2
    );
}

#[tokio::test]
async fn two_who_ask_at_once_leave_a_log_that_verifies() {
    let house = house().await;
    let held = house.store.hold().await;
    let gate = &house.gate;
    let ask = || {
        let gate = Arc::clone(gate);
        tokio::spawn(async move { gate.call(&admin(), "rotate_audit_key", json!({})).await })
    };
    let both = (ask(), ask());
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    drop(held);
    let first: AuditKeyRotated = serde_json::from_value(done(both.0.await.unwrap())).unwrap();
    let second: AuditKeyRotated = serde_json::from_value(done(both.1.await.unwrap())).unwrap();
    assert_eq!(first, second, "one change for both");
    work(&house, 2).await;
    let report = verify(&export(&house).await, Some(&first.previous)).unwrap();
    assert_eq!(report.keys, 2);
}

#[tokio::test]
async fn retention_leaves_the_changes_of_the_key() {
    let house = house().await;
    let rotated = rotate(&house).await;
    house
        .clock
        .advance(ostler_core::time::Span::minutes(3 * 24 * 60));
    work(&house, 2).await;
    let all = Retention {
        all: Some(ostler_core::time::Span::minutes(24 * 60)),
        ..Retention::default()
    };
    assert!(house.gate.retain(&all).await.unwrap() >= 2);
    let text = export(&house).await;
    let report = verify(&text, Some(&rotated.previous)).unwrap();
    assert!(report.kept_from >= 2 && report.keys == 2, "{report:?}");
}
