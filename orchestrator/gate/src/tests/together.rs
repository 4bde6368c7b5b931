//! What is decided while the disk is busy is written together: nobody is told sooner, and if the disk
//! refuses, none of it ever was.

use std::{sync::Arc, time::Duration};

use ostler_core::id::Revision;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{House, admin, done, healer, house, operator, scale};
use crate::{
    answer::{Answer, Outcome},
    ports::StoreError,
};

fn later(house: &House, tool: &'static str, args: Value) -> JoinHandle<Answer> {
    let gate = Arc::clone(&house.gate);
    tokio::spawn(async move { gate.call(&admin(), tool, args).await })
}

/// Waits until the intent was decided up to a revision, written or not.
async fn decided(house: &House, revision: u64) {
    let wait = async {
        while house.gate.ledger.lock().await.ahead().intent.revision < Revision(revision) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .unwrap();
}

/// One change that is being written, and twenty that were decided meanwhile.
async fn twenty_on_top_of_one(house: &House) -> Vec<JoinHandle<Answer>> {
    let mut calls = vec![later(house, "scale_service", scale(50))];
    decided(house, 2).await;
    calls.extend((1..=20).map(|replicas| later(house, "scale_service", scale(replicas))));
    decided(house, 22).await;
    calls
}

#[tokio::test]
async fn decisions_wait_for_the_disk_together() {
    let house = house().await;
    let before = house.store.commits();
    let disk = house.store.hold().await;
    let calls = twenty_on_top_of_one(&house).await;
    assert!(calls.iter().all(|call| !call.is_finished()));
    assert_eq!(
        house.gate.intent().revision,
        Revision(1),
        "shown before it is on disk"
    );
    drop(disk);
    for call in calls {
        done(call.await.unwrap());
    }
    assert_eq!(house.store.commits() - before, 2);
    let moved: Vec<u64> = (1..=22).collect();
    assert_eq!(*house.world.moved.lock().unwrap(), moved);
    let log = house.log().await;
    let revisions: Vec<u64> = (log.iter())
        .filter_map(|leaf| leaf.revision.map(|revision| revision.0))
        .collect();
    assert_eq!(
        revisions, moved,
        "a leaf each, in the order of the decisions"
    );
    let verified = done(house.call(&admin(), "verify_audit", json!({})).await);
    assert_eq!(verified["ok"], true, "{verified}");
    let changes = json!({ "service": "shop/cart", "limit": 50 });
    let changes = done(house.call(&operator(), "list_changes", changes).await);
    let leaves: Vec<u64> = (changes["changes"].as_array().unwrap().iter())
        .map(|change| change["leaf"].as_u64().unwrap())
        .collect();
    assert_eq!(leaves, (0..22).rev().collect::<Vec<u64>>());
}

#[tokio::test]
async fn what_stood_on_what_was_not_written_never_was() {
    let house = house().await;
    let disk = house.store.hold().await;
    let calls = twenty_on_top_of_one(&house).await;
    house.store.fail_with(Some(|| StoreError::Full));
    drop(disk);
    for call in calls {
        let answer = call.await.unwrap();
        let Outcome::Failed { words } = answer.outcome else {
            panic!("{answer:?}")
        };
        assert!(words.contains("nothing was changed"), "{words}");
    }
    house.store.fail_with(None);
    assert_eq!(house.gate.intent().revision, Revision(1));
    assert_eq!(*house.world.moved.lock().unwrap(), [1]);
    done(house.call(&operator(), "scale_service", scale(1)).await);
    assert_eq!(house.gate.intent().revision, Revision(2));
    let verified = done(house.call(&admin(), "verify_audit", json!({})).await);
    assert_eq!(verified["ok"], true, "{verified}");
}

#[tokio::test]
async fn a_yes_is_used_up_before_it_is_on_disk() {
    let house = house().await;
    done(house.call(&operator(), "scale_service", scale(4)).await);
    let restart = json!({ "instances": ["cart-aaaaaaaa"] });
    let asked = house
        .call(&healer(), "restart_instances", restart.clone())
        .await;
    let (approval, _) = super::held(asked);
    let yes = json!({ "id": approval });
    done(house.call(&operator(), "approve", yes).await);
    let disk = house.store.hold().await;
    let twice: Vec<_> = (0..2)
        .map(|_| {
            let (gate, args) = (Arc::clone(&house.gate), restart.clone());
            tokio::spawn(async move { gate.call(&healer(), "restart_instances", args).await })
        })
        .collect();
    decided(&house, 3).await;
    drop(disk);
    let mut outcomes = Vec::new();
    for call in twice {
        outcomes.push(call.await.unwrap().outcome);
    }
    let granted = |outcome: &&Outcome| matches!(outcome, Outcome::Done { .. });
    assert_eq!(outcomes.iter().filter(granted).count(), 1, "{outcomes:?}");
}

#[tokio::test]
async fn what_is_not_on_disk_yet_counts_for_an_undo() {
    let house = house().await;
    let disk = house.store.hold().await;
    let one = later(&house, "scale_service", scale(7));
    decided(&house, 2).await;
    let twice = [1, 2].map(|_| later(&house, "undo_change", json!({ "revision": 2 })));
    decided(&house, 3).await;
    drop(disk);
    done(one.await.unwrap());
    let mut undone = 0;
    for call in twice {
        undone += usize::from(matches!(call.await.unwrap().outcome, Outcome::Done { .. }));
    }
    assert_eq!(undone, 1, "taken back once");
    let disk = house.store.hold().await;
    let one = later(&house, "scale_service", scale(8));
    decided(&house, 4).await;
    let two = later(&house, "scale_service", scale(9));
    decided(&house, 5).await;
    let below = later(&house, "undo_change", json!({ "revision": 4 }));
    // That moves nothing: what tells that it was decided is its leaf.
    while house.gate.ledger.lock().await.leaves_ahead() < 3 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(disk);
    done(one.await.unwrap());
    done(two.await.unwrap());
    let words = super::refused(below.await.unwrap());
    assert!(words.contains("changed the same since"), "{words}");
}
