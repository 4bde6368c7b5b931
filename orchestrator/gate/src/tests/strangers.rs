//! Callers of whom nothing is known, and callers who may not call a tool at all.

use ostler_core::time::Span;
use ostler_tools::principal::{Principal, Role};
use serde_json::json;

use super::{denied, done, healer, held, house, operator, refused, scale, user};

#[tokio::test]
async fn what_strangers_send_is_not_kept() {
    let house = house().await;
    let args = json!({ "service": "attack-text", "replicas": 3 });
    let (words, _) = denied(
        house
            .call(&Principal::Anonymous, "scale_service", args)
            .await,
    );
    assert!(words.contains("nobody proved who calls"), "{words}");
    let odd = json!({ "x": "attack-text" });
    denied(house.call(&Principal::Anonymous, "attack-text", odd).await);
    let log = house.log().await;
    let leaves = &log[1..];
    assert_eq!(leaves.len(), 2);
    for leaf in leaves {
        assert_eq!(leaf.principal, "anonymous");
        assert_eq!(leaf.outcome, "denied");
        assert_eq!(leaf.arguments["sha256"].as_str().unwrap().len(), 64);
    }
    let texts = house.store.texts();
    assert!(texts.iter().all(|text| !text.contains("attack-text")));
    assert!(house.gate.tools_for(&Principal::Anonymous).is_empty());
}

#[tokio::test]
async fn a_flood_of_strangers_leaves_a_few_leaves_and_a_count() {
    let house = house().await;
    for _ in 0..500 {
        denied(
            house
                .call(&Principal::Anonymous, "list_services", json!({}))
                .await,
        );
    }
    assert_eq!(house.log().await.len(), 11);
    house.clock.advance(Span::minutes(1));
    denied(
        house
            .call(&Principal::Anonymous, "list_services", json!({}))
            .await,
    );
    let log = house.log().await;
    assert_eq!(log.len(), 13);
    assert_eq!(log[11].arguments["calls"], 490);
    for _ in 0..12 {
        denied(
            house
                .call(&Principal::Anonymous, "list_services", json!({}))
                .await,
        );
    }
    house.gate.close().await;
    assert_eq!(
        house.last().await.arguments["calls"],
        3,
        "told at the end too"
    );
}

#[tokio::test]
async fn who_may_not_call_a_tool_learns_nothing_from_it() {
    let house = house().await;
    let viewer = user("vic", Role::Viewer);
    // Arguments that the tool itself would refuse in words that say what exists.
    let unknown = json!({ "service": "shop/none", "replicas": 2 });
    let (words, _) = denied(house.call(&viewer, "scale_service", unknown).await);
    assert!(!words.contains("shop/cart"), "{words}");
    let (words, _) = denied(
        house
            .call(&viewer, "exec_instance", json!({ "x": 1 }))
            .await,
    );
    assert!(!words.contains("unknown field"), "{words}");
    let (_, policies) = denied(house.call(&healer(), "exec_instance", json!({})).await);
    assert_eq!(policies, ["agents-never-exec"]);
    let (_, policies) = denied(house.call(&healer(), "approve", json!({})).await);
    assert_eq!(policies, ["agents-never-approve"]);
    let big = json!({ "service": "x".repeat(2 << 20) });
    denied(house.call(&viewer, "scale_service", big).await);
    assert!(house.last().await.arguments["bytes"].as_u64().unwrap() > 1 << 20);
}

pub(super) fn assistant(roles: &[Role]) -> Principal {
    Principal::Assistant {
        of: "ann".to_owned(),
        roles: roles.to_vec(),
    }
}

#[tokio::test]
async fn an_assistant_looks_and_asks_and_its_person_says_yes() {
    let house = house().await;
    let ask = assistant(&[Role::Viewer, Role::Operator]);
    done(house.call(&ask, "list_services", json!({})).await);
    let (id, words) = held(house.call(&ask, "scale_service", scale(2)).await);
    assert!(words.contains("operator"), "{words}");
    assert_eq!(house.replicas(), 0);
    for tool in ["approve", "reject"] {
        let (_, policies) = denied(
            house
                .call(&ask, tool, json!({ "id": id, "reason": "x" }))
                .await,
        );
        assert_eq!(policies, ["assistants-never-approve"]);
    }
    denied(
        house
            .call(
                &ask,
                "create_token",
                json!({ "name": "x", "roles": ["admin"] }),
            )
            .await,
    );
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    done(house.call(&ask, "scale_service", scale(2)).await);
    assert_eq!(house.replicas(), 2);
    assert_eq!(house.last().await.principal, "assistant:ann");
    let exec = json!({ "instance": "cart-aaaaaaaa", "command": ["true"], "input": "hunter2" });
    let (id, _) = held(house.call(&ask, "exec_instance", exec.clone()).await);
    done(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    let other = json!({ "instance": "cart-aaaaaaaa", "command": ["true"], "input": "hunter3" });
    held(house.call(&ask, "exec_instance", other).await);
    done(house.call(&ask, "exec_instance", exec).await);
    let shown = serde_json::to_string(&house.gate.records().approvals).unwrap();
    assert!(!shown.contains("hunter"), "{shown}");
    house.log().await;
    assert!(
        house
            .store
            .texts()
            .iter()
            .all(|text| !text.contains("hunter"))
    );
}

#[tokio::test]
async fn a_persons_limits_are_their_assistants() {
    let house = house().await;
    let ask = assistant(&[Role::Viewer, Role::Operator]);
    let (id, words) = held(
        house
            .call(&ask, "delete_service", json!({ "service": "shop/cart" }))
            .await,
    );
    assert!(words.contains("admin"), "{words}");
    let refusal = refused(
        house
            .call(&operator(), "approve", json!({ "id": id }))
            .await,
    );
    assert!(refusal.contains("role admin"), "{refusal}");
    let looks = assistant(&[Role::Viewer]);
    done(house.call(&looks, "list_services", json!({})).await);
    denied(house.call(&looks, "scale_service", scale(2)).await);
    denied(
        house
            .call(&looks, "read_logs", json!({ "instance": "cart-aaaaaaaa" }))
            .await,
    );
}

#[tokio::test]
async fn an_agent_that_calls_without_end_is_refused_and_counted() {
    let house = house().await;
    for _ in 0..1_200 {
        denied(house.call(&healer(), "exec_instance", json!({})).await);
    }
    let before = house.log().await.len();
    for _ in 0..300 {
        let words = refused(house.call(&healer(), "exec_instance", json!({})).await);
        assert!(words.contains("1200 calls within a minute"), "{words}");
    }
    assert_eq!(house.log().await.len(), before);
    done(house.call(&operator(), "list_services", json!({})).await);
    house.clock.advance(Span::minutes(1));
    done(house.call(&healer(), "list_services", json!({})).await);
    house.gate.close().await;
    let told = house.log().await;
    let told = told
        .iter()
        .find(|leaf| leaf.tool == "(more calls)")
        .unwrap();
    assert_eq!(told.principal, "agent:healer");
    assert_eq!(told.arguments["calls"], 300);
}
