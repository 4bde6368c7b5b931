//! The log: what was written can be checked, and what was changed is found.

use std::sync::Arc;

use ostler_tools::answer::{AuditEntries, AuditExport, AuditVerification};
use serde_json::json;

use super::{House, done, house, open, operator, scale};
use crate::{
    GateError, Keys,
    answer::Outcome,
    audit::{export_lines, verify},
    ports::{Commit, NewLeaf, Store as _, StoreError},
    testing::{MemoryStore, SetClock},
};

async fn verification(house: &House) -> AuditVerification {
    serde_json::from_value(done(
        house.call(&operator(), "verify_audit", json!({})).await,
    ))
    .unwrap()
}

#[tokio::test]
async fn a_flipped_byte_is_found_and_its_leaf_named() {
    let house = house().await;
    for replicas in 1..4 {
        done(
            house
                .call(&operator(), "scale_service", scale(replicas))
                .await,
        );
    }
    let before = verification(&house).await;
    assert!(before.ok && before.leaves == 4, "{before:?}");
    house.store.tamper(2, |leaf| leaf.bytes[20] ^= 1);
    let after = verification(&house).await;
    assert!(!after.ok);
    assert_eq!(after.bad_leaf, Some(2));
    house.store.tamper(2, |leaf| leaf.bytes[20] ^= 1);
    house.store.tamper(1, |leaf| leaf.hash[0] ^= 1);
    assert_eq!(verification(&house).await.bad_leaf, Some(1));
}

#[tokio::test]
async fn an_export_is_checked_without_the_gate() {
    let house = house().await;
    for replicas in [1, 2, 3, 2, 1] {
        done(
            house
                .call(&operator(), "scale_service", scale(replicas))
                .await,
        );
    }
    let (mut text, mut from, mut key) = (String::new(), Some(0), String::new());
    while let Some(start) = from {
        let answer = house
            .call(
                &operator(),
                "export_audit",
                json!({ "from": start, "limit": 3 }),
            )
            .await;
        let page: AuditExport = serde_json::from_value(done(answer)).unwrap();
        text.push_str(&export_lines(&page));
        (from, key) = (page.next, page.public_key);
    }
    assert!(verify(&text, Some(&key)).unwrap().leaves >= 6);
    let changed = text.replacen("user:ann", "user:eve", 1);
    assert_eq!(verify(&changed, Some(&key)).unwrap_err().leaf, Some(0));
}

#[tokio::test]
async fn entries_are_found_by_who_and_what() {
    let house = house().await;
    for replicas in 1..4 {
        done(
            house
                .call(&operator(), "scale_service", scale(replicas))
                .await,
        );
        done(
            house
                .call(&super::healer(), "list_services", json!({}))
                .await,
        );
    }
    let ask = json!({ "principal": "agent:healer", "limit": 2 });
    let found: AuditEntries =
        serde_json::from_value(done(house.call(&operator(), "list_audit", ask).await)).unwrap();
    assert_eq!(found.entries.len(), 2);
    assert!(
        found
            .entries
            .iter()
            .all(|entry| entry.principal == "agent:healer" && entry.tool == "list_services")
    );
    assert!(found.entries[0].index < found.entries[1].index);
    assert_eq!(found.total, 7);
}

#[tokio::test]
async fn the_next_start_checks_the_end_of_the_log() {
    let (store, clock): (Arc<MemoryStore>, Arc<SetClock>) = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let first = open(&store, &clock, keys()).await.unwrap();
    done(
        first
            .call(
                &operator(),
                "apply_services",
                json!({ "yaml": super::SHOP }),
            )
            .await,
    );
    done(first.call(&operator(), "scale_service", scale(2)).await);
    let second = open(&store, &clock, keys()).await.unwrap();
    assert_eq!(second.replicas(), 2);
    assert!(verification(&second).await.ok);
    // The first gate is behind now: it reads again instead of overwriting.
    done(second.call(&operator(), "scale_service", scale(3)).await);
    done(first.call(&operator(), "scale_service", scale(4)).await);
    assert_eq!((first.replicas(), first.gate.intent().revision.0), (4, 4));
    let stranger = open(&store, &clock, Keys::ephemeral()).await;
    assert!(
        matches!(stranger.err().unwrap(), GateError::Tampered(_)),
        "the checkpoint is not by this key"
    );
}

#[tokio::test]
async fn large_arguments_leave_their_hash() {
    let house = house().await;
    let yaml = format!("{}{}", super::SHOP, "# padding\n".repeat(8_000));
    done(
        house
            .call(&operator(), "apply_services", json!({ "yaml": yaml }))
            .await,
    );
    let leaf = house.last().await;
    assert!(leaf.arguments["bytes"].as_u64().unwrap() > 80_000);
    assert_eq!(leaf.arguments["sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_policy_is_explained_without_acting() {
    let house = house().await;
    let ask = json!({ "tool": "scale_service", "arguments": scale(50), "principal": "user:x", "roles": ["operator"] });
    let answer = house.call(&operator(), "explain_policy", ask).await;
    let explained = done(answer);
    assert_eq!(
        (
            explained["decision"].as_str(),
            explained["needs"][0].as_str()
        ),
        (Some("needs_approval"), Some("admin"))
    );
    assert_eq!(explained["facts"]["replicas_delta"], 50);
    assert_eq!(house.replicas(), 0);
    let unknown = house
        .call(&operator(), "explain_policy", json!({ "tool": "nonsense" }))
        .await;
    assert!(matches!(unknown.outcome, Outcome::Refused { .. }));
}

#[tokio::test]
async fn the_oldest_leaf_is_still_checked_after_a_restart() {
    let (store, clock): (Arc<MemoryStore>, Arc<SetClock>) = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let first = open(&store, &clock, keys()).await.unwrap();
    let args = json!({ "yaml": super::SHOP });
    done(first.call(&operator(), "apply_services", args).await);
    done(first.call(&operator(), "scale_service", scale(2)).await);
    first.gate.close().await;
    store.tamper(0, |leaf| leaf.bytes[20] ^= 1);
    let second = open(&store, &clock, keys()).await.unwrap();
    let found = verification(&second).await;
    assert_eq!((found.ok, found.bad_leaf), (false, Some(0)));
    assert!(found.problem.unwrap().starts_with("leaf 0: "));
}

#[tokio::test]
async fn a_forged_leaf_is_never_signed_over() {
    let (store, clock): (Arc<MemoryStore>, Arc<SetClock>) = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let house = open(&store, &clock, keys()).await.unwrap();
    let args = json!({ "yaml": super::SHOP });
    done(house.call(&operator(), "apply_services", args).await);
    done(house.call(&operator(), "list_services", json!({})).await);
    house.gate.close().await;
    open(&store, &clock, keys()).await.unwrap();
    let kept = store.load().await.unwrap();
    let bytes = br#"{"index":2,"tool":"nothing"}"#.to_vec();
    let forged = Commit {
        base: kept.intent.revision,
        moved: None,
        before: Arc::new(kept.intent),
        records: Default::default(),
        removed: Vec::new(),
        leaves: vec![NewLeaf {
            hash: crate::audit::leaf_hash(&bytes),
            bytes,
        }],
        leaf_index: kept.leaves,
        checkpoint: None,
        handover: None,
        taken: None,
    };
    store.commit(&forged).await.unwrap();
    let GateError::Tampered(tampered) = open(&store, &clock, keys()).await.err().unwrap() else {
        panic!("it opened")
    };
    assert_eq!(tampered.leaf, Some(2), "{tampered}");
    // The running daemon meets a conflict, and does not take the forged leaf over either.
    let answer = house.call(&operator(), "scale_service", scale(2)).await;
    assert!(
        matches!(answer.outcome, Outcome::Failed { .. }),
        "{answer:?}"
    );
    assert_eq!(store.load().await.unwrap().leaves, 3);
}

#[tokio::test]
async fn what_workloads_wrote_is_on_record_before_it_is_answered() {
    let house = house().await;
    let logs = json!({ "instance": "cart-aaaaaaaa" });
    done(house.call(&operator(), "read_logs", logs.clone()).await);
    assert_eq!(house.store.texts().len(), 2, "no flush was needed");
    let export = json!({ "from": 0 });
    done(house.call(&operator(), "export_audit", export).await);
    assert_eq!(house.store.texts().len(), 3);
    house.store.fail_with(Some(|| StoreError::Full));
    let answer = house.call(&operator(), "read_logs", logs).await;
    assert!(
        matches!(answer.outcome, Outcome::Failed { .. }),
        "{answer:?}"
    );
    house.store.fail_with(None);
}

#[tokio::test]
async fn a_store_that_was_put_back_or_forked_does_not_continue_what_was_seen() {
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let fresh = || async {
        open(&Arc::default(), &Arc::default(), keys())
            .await
            .unwrap()
    };
    let house = fresh().await;
    let apply = |replicas: u32| json!({ "yaml": super::SHOP.replace("min: 0", &format!("min: {replicas}")) });
    done(house.call(&operator(), "apply_services", apply(1)).await);
    let early = house.gate.signed_head().await;
    done(house.call(&operator(), "apply_services", apply(2)).await);
    let late = house.gate.signed_head().await;
    assert_eq!((early.size(), late.size()), (Some(1), Some(2)));
    for seen in [&early, &late] {
        house.gate.continues(seen).await.unwrap();
    }
    let yesterday = fresh().await;
    let words = yesterday
        .gate
        .continues(&late)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        words.contains("leaf 0") && words.contains("held 2 entries"),
        "{words}"
    );
    let other = fresh().await;
    for replicas in [3, 4, 5] {
        done(
            other
                .call(&operator(), "apply_services", apply(replicas))
                .await,
        );
    }
    let words = other.gate.continues(&late).await.unwrap_err().to_string();
    assert!(words.contains("rewritten"), "{words}");
    // A text that was changed is for `verify` to find: the daemon opens and says so when it is asked.
    house.store.tamper(1, |leaf| leaf.bytes.push(b' '));
    house.gate.continues(&early).await.unwrap();
}
