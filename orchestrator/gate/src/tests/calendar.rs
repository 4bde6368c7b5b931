//! Freezes, budgets, two people for data; and what leaves keep so that other policies can be asked.

use std::{collections::BTreeSet, sync::Arc};

use ostler_core::{
    law::Freeze,
    time::{Span, Time},
};
use ostler_policies::{Asked, Bundle, Engine, Source};
use ostler_tools::{
    catalogue::ALL,
    principal::{Principal, Role},
};
use serde_json::json;

use super::{House, admin, denied, done, held, house, operator, scale};
use crate::{Calendar, Keys, actions};

fn balancer() -> Principal {
    Principal::Agent {
        name: "balancer".parse().unwrap(),
    }
}

fn freeze(house: &House) {
    let freeze = Freeze {
        from: Time(0),
        until: Time(u64::MAX),
        namespaces: BTreeSet::from(["shop".parse().unwrap()]),
        reason: String::new(),
    };
    house.gate.follow(Calendar {
        freezes: vec![freeze],
        windows: Vec::new(),
    });
}

async fn token(house: &House, name: &str) {
    let args = json!({ "name": name, "roles": [Role::Admin], "expires_in": "1h" });
    done(house.call(&admin(), "create_token", args).await);
}

#[tokio::test]
async fn a_freeze_asks_an_admin_and_ends() {
    let house = house().await;
    freeze(&house);
    let before = house.replicas();
    let (_, words) = held(house.call(&operator(), "scale_service", scale(3)).await);
    assert!(words.contains("freeze"), "{words}");
    assert_eq!(house.replicas(), before);
    // The only admin there is decides alone; with a second one, not.
    done(house.call(&admin(), "scale_service", scale(4)).await);
    token(&house, "zoe").await;
    held(house.call(&admin(), "scale_service", scale(5)).await);
    assert_eq!(house.replicas(), 4);
    house.gate.follow(Calendar::default());
    done(house.call(&operator(), "scale_service", scale(3)).await);
}

#[tokio::test]
async fn an_agent_has_a_budget_of_changes_that_outlives_the_gate() {
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let (store, clock) = (Arc::default(), Arc::default());
    let house = super::open(&store, &clock, keys()).await.unwrap();
    let yaml = json!({ "yaml": super::SHOP });
    done(house.call(&operator(), "apply_services", yaml).await);
    for round in 0..20 {
        done(
            house
                .call(&balancer(), "scale_service", scale(2 + round % 2))
                .await,
        );
    }
    let (_, words) = held(house.call(&balancer(), "scale_service", scale(4)).await);
    assert!(words.contains("budget-agents"), "{words}");
    done(house.call(&operator(), "scale_service", scale(4)).await);
    let again = super::open(&store, &clock, keys()).await.unwrap();
    held(again.call(&balancer(), "scale_service", scale(5)).await);
    again.clock.advance(Span::minutes(61));
    done(again.call(&balancer(), "scale_service", scale(5)).await);
}

#[tokio::test]
async fn two_admins_remove_what_keeps_data() {
    let house = house().await;
    let yaml = super::SHOP.replace("name: cart", "name: db").replace(
        "replicas: { min: 0, max: 100 }",
        "volumes: [{ mount: /data, source: { named: { name: data, capacity: 1Gi } } }]",
    );
    done(
        house
            .call(&admin(), "apply_services", json!({ "yaml": yaml }))
            .await,
    );
    token(&house, "zoe").await;
    let args = json!({ "service": "shop/db" });
    let (approval, words) = held(house.call(&admin(), "delete_service", args.clone()).await);
    assert!(words.contains("two-people-remove-data"), "{words}");
    let zoe = super::user("zoe", Role::Admin);
    done(house.call(&zoe, "approve", json!({ "id": approval })).await);
    done(house.call(&admin(), "delete_service", args).await);
}

#[tokio::test]
async fn a_leaf_keeps_enough_to_ask_other_policies() {
    let house = house().await;
    done(house.call(&operator(), "scale_service", scale(3)).await);
    denied(
        house
            .call(&super::user("vic", Role::Viewer), "scale_service", scale(4))
            .await,
    );
    let log = house.log().await;
    let asked = |tool: &str, outcome: &str| {
        let fits =
            |leaf: &&ostler_tools::answer::AuditEntry| leaf.tool == tool && leaf.outcome == outcome;
        let leaf = log.iter().rev().find(fits).unwrap();
        let asked: Asked = serde_json::from_value(leaf.judged.clone().unwrap()).unwrap();
        (
            asked.again(&leaf.tool, &leaf.services, leaf.at).unwrap(),
            leaf.decision.clone().unwrap(),
        )
    };
    let (request, was) = asked("scale_service", "done");
    assert_eq!(request.facts.replicas_to, 3);
    let same = Engine::load(&super::policies(), &actions(ALL)).unwrap();
    assert_eq!(same.otherwise(&request, &was), None);
    let strict = Bundle::new(vec![Source {
        name: "x.cedar".to_owned(),
        text: r#"@id("x") @words("x") permit (principal in Role::"admin", action, resource);"#
            .to_owned(),
    }]);
    let strict = Engine::load(&strict, &actions(ALL)).unwrap();
    let otherwise = strict.otherwise(&request, &was).unwrap();
    assert_eq!(
        (otherwise.was.as_str(), otherwise.would_be.as_str()),
        ("allow", "deny")
    );
    let (request, was) = asked("scale_service", "denied");
    assert_eq!(strict.otherwise(&request, &was), None);
}
