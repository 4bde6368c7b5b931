//! Allowed, denied, refused, failed; undo; the core's own requests.

use ostler_core::{id::Generation, plan::Request};
use ostler_tools::principal::Role;
use serde_json::json;

use super::{admin, denied, done, healer, house, operator, refused, scale, user};
use crate::{answer::Outcome, ports::StoreError};

#[tokio::test]
async fn a_permitted_change_is_committed_told_and_recorded() {
    let house = house().await;
    let answer = house.call(&operator(), "scale_service", scale(3)).await;
    let call = answer.call.clone();
    assert_eq!(done(answer)["revision"], 2);
    assert_eq!(house.replicas(), 3);
    assert_eq!(*house.world.moved.lock().unwrap(), [1, 2]);
    let leaf = house.last().await;
    assert_eq!(
        (leaf.call, leaf.principal.as_str(), leaf.outcome.as_str()),
        (Some(call), "user:ann", "done")
    );
    assert_eq!(
        (leaf.decision.as_deref(), leaf.policies),
        (Some("allow"), vec!["operator-changes".to_owned()])
    );
    assert_eq!(leaf.revision.unwrap().0, 2);
    assert_eq!(leaf.services, ["shop/cart".parse().unwrap()]);
}

#[tokio::test]
async fn a_denied_call_changes_nothing_and_says_why() {
    let house = house().await;
    let (words, policies) = denied(
        house
            .call(
                &healer(),
                "delete_service",
                json!({ "service": "shop/cart" }),
            )
            .await,
    );
    assert_eq!(policies, ["agents-never-delete"]);
    assert!(
        words.contains("no agent removes services") && words.contains("healer-acts"),
        "{words}"
    );
    assert_eq!(house.gate.intent().revision.0, 1);
    assert_eq!(house.last().await.outcome, "denied");
    let viewer = user("vic", Role::Viewer);
    let (words, _) = denied(house.call(&viewer, "scale_service", scale(2)).await);
    assert!(
        words.contains("no policy permits it") && words.contains("viewers may look"),
        "{words}"
    );
    let (_, policies) = denied(
        house
            .call(&viewer, "read_logs", json!({ "instance": "cart-aaaaaaaa" }))
            .await,
    );
    assert!(policies.is_empty());
    let nobody = ostler_tools::principal::Principal::User {
        name: "x".into(),
        roles: Vec::new(),
    };
    denied(house.call(&nobody, "list_services", json!({})).await);
}

#[tokio::test]
async fn bad_arguments_are_refused_in_words() {
    let house = house().await;
    assert!(
        refused(house.call(&operator(), "scale_servce", json!({})).await).contains("scale_service")
    );
    assert!(
        refused(
            house
                .call(&operator(), "scale_service", json!({ "x": 1 }))
                .await
        )
        .contains("scale_service")
    );
    let words = refused(house.call(&operator(), "scale_service", scale(101)).await);
    assert!(words.contains("0 to 100"), "{words}");
    let big = json!({ "service": "x".repeat(2 << 20) });
    assert!(
        refused(house.call(&operator(), "scale_service", big).await).contains("at most 1048576")
    );
    let outcomes: Vec<_> = house
        .log()
        .await
        .into_iter()
        .map(|leaf| leaf.outcome)
        .collect();
    assert_eq!(
        outcomes,
        ["done", "refused", "refused", "refused", "refused"]
    );
}

#[tokio::test]
async fn reads_are_recorded_too() {
    let house = house().await;
    done(house.call(&operator(), "list_services", json!({})).await);
    done(
        house
            .call(
                &operator(),
                "read_logs",
                json!({ "instance": "cart-aaaaaaaa" }),
            )
            .await,
    );
    assert_eq!(house.world.asked.lock().unwrap().len(), 1);
    let log = house.log().await;
    let tools: Vec<_> = log
        .iter()
        .map(|leaf| (leaf.tool.as_str(), leaf.outcome.as_str()))
        .collect();
    assert_eq!(
        tools,
        [
            ("apply_services", "done"),
            ("list_services", "done"),
            ("read_logs", "done")
        ]
    );
}

#[tokio::test]
async fn an_act_is_on_record_before_it_is_done() {
    let house = house().await;
    let args = json!({ "instance": "cart-aaaaaaaa", "command": ["true"] });
    house.store.fail_with(Some(|| StoreError::Full));
    let answer = house.call(&operator(), "exec_instance", args.clone()).await;
    assert!(
        matches!(answer.outcome, Outcome::Failed { .. }),
        "{answer:?}"
    );
    assert!(
        house.world.asked.lock().unwrap().is_empty(),
        "nothing was done unrecorded"
    );
    house.store.fail_with(None);
    done(house.call(&operator(), "exec_instance", args).await);
    assert_eq!(house.world.asked.lock().unwrap().len(), 1);
    let outcomes: Vec<_> = house
        .log()
        .await
        .into_iter()
        .map(|leaf| leaf.outcome)
        .collect();
    assert_eq!(outcomes, ["done", "started", "done"]);
}

#[tokio::test]
async fn when_the_store_fails_nothing_changed() {
    let house = house().await;
    house.store.fail_with(Some(|| StoreError::Full));
    let answer = house.call(&operator(), "scale_service", scale(3)).await;
    let Outcome::Failed { words } = answer.outcome else {
        panic!("{answer:?}")
    };
    assert!(
        words.contains("full") && words.contains("nothing was changed"),
        "{words}"
    );
    assert_eq!((house.replicas(), house.gate.intent().revision.0), (0, 1));
    assert_eq!(*house.world.moved.lock().unwrap(), [1]);
    house.store.fail_with(None);
    done(house.call(&operator(), "scale_service", scale(3)).await);
    assert_eq!(house.replicas(), 3);
}

#[tokio::test]
async fn a_change_is_taken_back_once() {
    let house = house().await;
    done(house.call(&operator(), "scale_service", scale(3)).await);
    // Back to zero stops the service: that is for an admin, also as an undo.
    let undo = json!({ "revision": 2 });
    super::held(house.call(&operator(), "undo_change", undo.clone()).await);
    assert_eq!(house.replicas(), 3);
    done(house.call(&admin(), "undo_change", undo).await);
    assert_eq!(house.replicas(), 0);
    let words = refused(
        house
            .call(&operator(), "undo_change", json!({ "revision": 2 }))
            .await,
    );
    assert!(
        words.contains("taken back already, by revision 3"),
        "{words}"
    );
    done(house.call(&operator(), "scale_service", scale(2)).await);
    done(house.call(&operator(), "scale_service", scale(4)).await);
    let words = refused(
        house
            .call(&operator(), "undo_change", json!({ "revision": 4 }))
            .await,
    );
    assert!(words.contains("revision 5"), "{words}");
    done(
        house
            .call(&operator(), "undo_change", json!({ "revision": 5 }))
            .await,
    );
    let undo = json!({ "revision": 4 });
    done(house.call(&admin(), "undo_change", undo).await);
    assert_eq!(house.replicas(), 0);
}

#[tokio::test]
async fn an_undo_is_judged_by_what_it_does() {
    let house = house().await;
    let answer = house
        .call(&operator(), "undo_change", json!({ "revision": 1 }))
        .await;
    let (_, words) = super::held(answer);
    assert!(
        words.contains("admin"),
        "taking back the creation deletes: {words}"
    );
    denied(
        house
            .call(&healer(), "undo_change", json!({ "revision": 1 }))
            .await,
    );
}

#[tokio::test]
async fn the_core_settles_and_nobody_else_does() {
    let house = house().await;
    let settle = |generation| Request::Settle {
        service: "shop/cart".parse().unwrap(),
        generation: Generation(generation),
    };
    let stale = refused(house.gate.request(&settle(7)).await);
    assert!(stale.contains("no longer current"), "{stale}");
    let now = house.gate.intent().services[&"shop/cart".parse().unwrap()].generation;
    done(house.gate.request(&settle(now.0)).await);
    let args = json!({ "service": "shop/cart", "generation": now });
    let answer = house.call(&admin(), "settle_service", args).await;
    assert!(matches!(
        answer.outcome,
        Outcome::Refused { .. } | Outcome::Denied { .. }
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_calls_keep_one_order() {
    let house = house().await;
    let calls: Vec<_> = (0..40_u32)
        .map(|number| {
            let gate = std::sync::Arc::clone(&house.gate);
            tokio::spawn(async move {
                let read = gate.call(&operator(), "list_services", json!({})).await;
                let change = gate
                    .call(&operator(), "scale_service", scale(1 + number % 3))
                    .await;
                (read, change)
            })
        })
        .collect();
    for call in calls {
        let (read, change) = call.await.unwrap();
        done(read);
        // Between one and three nobody has to be asked, in whatever order they come.
        done(change);
    }
    let moved = house.world.moved.lock().unwrap().clone();
    assert_eq!(moved, (1..=moved.len() as u64).collect::<Vec<_>>());
    let log = house.log().await;
    assert_eq!(log.len(), 81);
    assert!(log.iter().zip(0..).all(|(leaf, index)| leaf.index == index));
    let revisions: Vec<_> = log
        .iter()
        .filter_map(|leaf| leaf.revision.map(|revision| revision.0))
        .collect();
    assert_eq!(revisions, moved);
}

#[tokio::test]
async fn tokens_speak_for_their_name_until_they_end() {
    let house = house().await;
    let made = done(
        house
            .call(
                &admin(),
                "create_token",
                json!({ "name": "ci", "roles": ["viewer"], "expires_in": "1h" }),
            )
            .await,
    );
    let secret = made["token"].as_str().unwrap();
    assert!(secret.starts_with("ostler_ci_"));
    assert_eq!(
        house.gate.authenticate(secret).await,
        Some(user("ci", Role::Viewer))
    );
    assert_eq!(
        house.gate.authenticate(&secret[..secret.len() - 1]).await,
        None
    );
    assert_eq!(house.gate.authenticate("").await, None);
    assert!(
        house
            .store
            .texts()
            .iter()
            .all(|text| !text.contains(secret))
    );
    house.clock.advance(ostler_core::time::Span::minutes(60));
    assert_eq!(house.gate.authenticate(secret).await, None);
    let made = done(
        house
            .call(
                &admin(),
                "create_token",
                json!({ "name": "cd", "roles": ["viewer"] }),
            )
            .await,
    );
    done(
        house
            .call(&admin(), "revoke_token", json!({ "name": "cd" }))
            .await,
    );
    assert_eq!(
        house
            .gate
            .authenticate(made["token"].as_str().unwrap())
            .await,
        None
    );
    denied(
        house
            .call(
                &operator(),
                "create_token",
                json!({ "name": "x", "roles": ["admin"] }),
            )
            .await,
    );
}

#[tokio::test]
async fn secrets_are_sealed_and_never_recorded() {
    let house = house().await;
    let args = json!({ "secret": "shop/password", "value": "correct-horse" });
    done(house.call(&operator(), "put_secret", args).await);
    let wrong = json!({ "secret": "Not A Name", "value": "correct-horse" });
    let words = refused(house.call(&operator(), "put_secret", wrong).await);
    let odd = json!({ "secret": "shop/password", "value": { "nested": "correct-horse" } });
    let more = refused(house.call(&operator(), "put_secret", odd).await);
    house.gate.flush().await.unwrap();
    for text in house.store.texts().iter().chain([&words, &more]) {
        assert!(!text.contains("correct-horse"), "{text}");
    }
    let name = ostler_core::intent::SecretKey::try_from("shop/password".to_owned()).unwrap();
    assert_eq!(
        house.gate.reveal(&name).unwrap().as_slice(),
        b"correct-horse"
    );
    let other = ostler_core::intent::SecretKey::try_from("shop/other".to_owned()).unwrap();
    assert!(house.gate.reveal(&other).is_err());
}

#[tokio::test]
async fn callers_see_the_tools_that_policy_could_permit() {
    let house = house().await;
    let names = |caller: &ostler_tools::principal::Principal| {
        let tools = house.gate.tools_for(caller);
        tools.iter().map(|tool| tool.name).collect::<Vec<_>>()
    };
    let viewer = names(&user("vic", Role::Viewer));
    assert!(viewer.contains(&"list_services"));
    assert!(!viewer.contains(&"scale_service"));
    assert_eq!(names(&admin()).len(), ostler_tools::catalogue::ALL.len());
    assert!(!names(&healer()).contains(&"approve"));
}

#[test]
fn the_shipped_bundle_fits_the_shipped_catalogue() {
    let actions = crate::actions(ostler_tools::catalogue::ALL);
    let engine =
        ostler_policies::Engine::load(&ostler_policies::Bundle::embedded(), &actions).unwrap();
    assert_eq!(engine.lint(), Vec::<String>::new());
}
