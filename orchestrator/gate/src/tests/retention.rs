//! Retention: what goes goes on record, and whatever else is missing is found.

use ostler_core::time::Span;
use ostler_tools::answer::{AuditEntries, AuditExport, AuditVerification};
use serde_json::json;

use super::{House, done, healer, house, operator, scale};
use crate::{
    Retention,
    audit::{export_lines, verify},
    ports::Store as _,
};

const DAY: Span = Span::minutes(24 * 60);

fn days(count: u64) -> Option<Span> {
    Some(Span(DAY.0 * count))
}

fn reads(count: u64) -> Retention {
    Retention {
        reads: days(count),
        ..Retention::default()
    }
}

fn all(count: u64) -> Retention {
    Retention {
        all: days(count),
        ..Retention::default()
    }
}

async fn verification(house: &House) -> AuditVerification {
    let answer = house.call(&operator(), "verify_audit", json!({})).await;
    serde_json::from_value(done(answer)).unwrap()
}

/// Ten days, each with a change, five reads and a denied read.
async fn ten_days() -> House {
    let house = house().await;
    for day in 0..10 {
        done(
            house
                .call(&operator(), "scale_service", scale(1 + day % 2))
                .await,
        );
        for _ in 0..5 {
            done(house.call(&healer(), "list_services", json!({})).await);
        }
        let nobody = ostler_tools::principal::Principal::User {
            name: "x".into(),
            roles: Vec::new(),
        };
        super::denied(house.call(&nobody, "list_services", json!({})).await);
        house.gate.flush().await.unwrap();
        house.clock.advance(DAY);
    }
    house
}

async fn exported(house: &House, limit: u32) -> (String, String) {
    let (mut text, mut from, mut key) = (String::new(), Some(0), String::new());
    while let Some(start) = from {
        let ask = json!({ "from": start, "limit": limit });
        let answer = house.call(&operator(), "export_audit", ask).await;
        let page: AuditExport = serde_json::from_value(done(answer)).unwrap();
        text.push_str(&export_lines(&page));
        (from, key) = (page.next, page.public_key);
    }
    (text, key)
}

#[tokio::test]
async fn old_reads_go_and_everything_else_stays() {
    let house = ten_days().await;
    let before = house.store.log_bytes().await.unwrap();
    assert_eq!(house.gate.retain(&Retention::default()).await.unwrap(), 0);
    assert_eq!(house.gate.retain(&reads(5)).await.unwrap(), 25);
    assert_eq!(house.gate.retain(&reads(5)).await.unwrap(), 0, "once");
    assert!(house.store.log_bytes().await.unwrap() < before);
    let found = verification(&house).await;
    assert!(found.ok, "{found:?}");
    assert_eq!((found.kept_from, found.dropped), (0, 25));
    let ask = json!({ "limit": 500 });
    let listed = done(house.call(&operator(), "list_audit", ask).await);
    let listed: AuditEntries = serde_json::from_value(listed).unwrap();
    let count = |tool: &str, outcome: &str| {
        let fits = |entry: &&ostler_tools::answer::AuditEntry| {
            entry.tool == tool && entry.outcome == outcome
        };
        listed.entries.iter().filter(fits).count()
    };
    assert_eq!(count("list_services", "done"), 25);
    assert_eq!(count("list_services", "denied"), 10, "decisions stay");
    assert_eq!(count("scale_service", "done"), 10);
    assert_eq!(count("retain_audit", "done"), 1);
    house.clock.advance(DAY);
    assert_eq!(house.gate.retain(&reads(5)).await.unwrap(), 5);
    let found = verification(&house).await;
    assert_eq!((found.ok, found.dropped), (true, 30));
}

#[tokio::test]
async fn a_cut_log_still_verifies_here_and_elsewhere_and_after_a_restart() {
    let (store, clock) = Default::default();
    let dir = tempfile::tempdir().unwrap();
    let keys = || crate::Keys::open_or_create(dir.path()).unwrap();
    let first = super::open(&store, &clock, keys()).await.unwrap();
    let args = json!({ "yaml": super::SHOP });
    done(first.call(&operator(), "apply_services", args).await);
    for day in 0..8 {
        done(
            first
                .call(&operator(), "scale_service", scale(1 + day % 2))
                .await,
        );
        done(first.call(&healer(), "list_services", json!({})).await);
        first.gate.flush().await.unwrap();
        clock.advance(DAY);
    }
    let both = Retention {
        reads: days(2),
        all: days(4),
        bytes: None,
    };
    assert!(first.gate.retain(&both).await.unwrap() > 8);
    let found = verification(&first).await;
    assert!(
        found.ok && found.kept_from == 9 && found.dropped == 2,
        "{found:?}"
    );
    first.gate.close().await;
    let second = super::open(&store, &clock, keys()).await.unwrap();
    let found = verification(&second).await;
    assert!(found.ok && found.kept_from == 9, "{found:?}");
    done(second.call(&operator(), "scale_service", scale(1)).await);
    for limit in [3, 1_000] {
        let (text, key) = exported(&second, limit).await;
        let report = verify(&text, Some(&key)).unwrap();
        assert_eq!((report.kept_from, report.dropped), (9, 2));
        let lines: Vec<&str> = text.lines().collect();
        for gone in 0..lines.len() {
            let mut fewer = lines.clone();
            fewer.remove(gone);
            assert!(
                verify(&fewer.join("\n"), Some(&key)).is_err(),
                "line {gone}"
            );
        }
    }
    clock.advance(DAY);
    assert!(second.gate.retain(&both).await.unwrap() > 0);
    let found = verification(&second).await;
    assert!(found.ok && found.kept_from == 10, "{found:?}");
}

#[tokio::test]
async fn a_record_that_retention_did_not_drop_is_missed() {
    let house = ten_days().await;
    house.gate.retain(&reads(5)).await.unwrap();
    let changed = (0..house.store.texts().len())
        .find(|index| house.store.texts()[*index].contains("scale_service"))
        .unwrap();
    house.store.tamper(changed, |leaf| leaf.bytes.clear());
    let found = verification(&house).await;
    assert_eq!((found.ok, found.bad_leaf), (false, Some(changed as u64)));
    assert!(found.problem.unwrap().contains("retention did not drop it"));
    let refused = house.gate.retain(&reads(1)).await.unwrap_err();
    assert!(refused.contains("does not verify"), "{refused}");
}

#[tokio::test]
async fn a_cut_that_retention_did_not_make_is_found() {
    for from_told in [false, true] {
        let (store, clock) = Default::default();
        let dir = tempfile::tempdir().unwrap();
        let keys = || crate::Keys::open_or_create(dir.path()).unwrap();
        let house = super::open(&store, &clock, keys()).await.unwrap();
        let args = json!({ "yaml": super::SHOP });
        done(house.call(&operator(), "apply_services", args).await);
        for day in 0..6 {
            done(
                house
                    .call(&operator(), "scale_service", scale(1 + day % 2))
                    .await,
            );
            clock.advance(DAY);
        }
        if from_told {
            assert!(house.gate.retain(&all(4)).await.unwrap() > 0);
        }
        house.gate.close().await;
        // The edge is computed right, so that the root still fits: only the record is missing.
        store.forge(|retained, leaves| {
            let mut edge =
                crate::audit::Frontier::from_parts(retained.cut, retained.peaks.clone()).unwrap();
            while edge.size() < 5 {
                edge.push(leaves.remove(0).hash);
            }
            (retained.cut, retained.peaks) = (5, edge.peaks().to_vec());
        });
        let again = super::open(&store, &clock, keys()).await.unwrap();
        let found = verification(&again).await;
        assert_eq!((found.ok, found.bad_leaf), (false, Some(5)), "{found:?}");
        let (text, key) = exported(&again, 1_000).await;
        assert!(verify(&text, Some(&key)).is_err());
    }
}

#[tokio::test]
async fn what_evidence_cites_is_kept() {
    let house = house().await;
    let (incident, call) = super::approvals::incident(&house).await;
    let calls = json!([{ "tool": "restart_instances", "arguments": super::approvals::restart(), "reason": "it hangs" }]);
    let body = super::approvals::body(&calls, &call);
    let args = json!({ "incident": incident, "proposal": body });
    done(house.call(&healer(), "submit_proposal", args).await);
    done(house.call(&healer(), "list_services", json!({})).await);
    house.gate.flush().await.unwrap();
    house.clock.advance(Span(DAY.0 * 9));
    assert_eq!(house.gate.retain(&reads(5)).await.unwrap(), 1);
    assert!(house.store.texts().iter().any(|text| text.contains(&call)));
}

#[tokio::test]
async fn a_log_that_is_too_large_loses_its_oldest_but_not_the_last_day() {
    let house = ten_days().await;
    let small = Retention {
        bytes: Some(1),
        ..Retention::default()
    };
    assert!(house.gate.retain(&small).await.unwrap() > 50);
    let found = verification(&house).await;
    assert!(found.ok, "{found:?}");
    let texts = house.store.texts();
    assert!(texts.iter().any(|text| text.contains("retain_audit")));
    for _ in 0..3 {
        done(house.call(&operator(), "list_services", json!({})).await);
    }
    house.gate.flush().await.unwrap();
    assert_eq!(house.gate.retain(&small).await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_can_ask_for_retention_or_pretend_it() {
    let house = ten_days().await;
    let args = json!({ "cut": 50, "root": "", "from": 0, "dropped": "////////" });
    let answer = house.call(&super::admin(), "retain_audit", args).await;
    assert!(super::refused(answer).contains("there is no tool"));
    house.gate.flush().await.unwrap();
    let changed = (0..house.store.texts().len())
        .find(|index| house.store.texts()[*index].contains("scale_service"))
        .unwrap();
    house.store.tamper(changed, |leaf| leaf.bytes.clear());
    assert!(!verification(&house).await.ok);
}
