//! What people rule by tools: freezes, emergencies, and which policies are in force.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::time::Span;
use ostler_policies::Bundle;
use ostler_tools::principal::{Principal, Role};
use serde_json::{Value, json};

use super::{
    House, admin, denied, done, healer, held, house, open, operator, refused, scale, user,
};
use crate::{Keys, answer::Outcome, testing::MemoryStore};

/// The shipped policies as somebody's own, in which nobody may look at nodes.
pub(super) fn own_policies() -> BTreeMap<String, String> {
    let shipped = Bundle::embedded();
    let files = shipped.files().iter();
    let mut files: BTreeMap<String, String> = files
        .map(|file| (file.name.clone(), file.text.clone()))
        .collect();
    let rule = r#"@id("nobody-sees-nodes")
@words("nobody looks at nodes here")
forbid (principal, action == Action::"list_nodes", resource);"#;
    files.insert("own.cedar".to_owned(), rule.to_owned());
    files
}

/// The shipped policies with one more.
fn with_rule(rule: &str) -> BTreeMap<String, String> {
    let mut files = own_policies();
    let rule = format!("@id(\"more\") @words(\"one more\") {rule}");
    files.insert("more.cedar".to_owned(), rule);
    files
}

async fn second_admin(house: &House) {
    let args = json!({ "name": "zoe", "roles": [Role::Admin], "expires_in": "9h" });
    done(house.call(&admin(), "create_token", args).await);
}

async fn put(house: &House, files: Value) -> Outcome {
    let args = json!({ "files": files });
    house.call(&admin(), "put_policies", args).await.outcome
}

fn assistant() -> Principal {
    Principal::Assistant {
        of: "ann".to_owned(),
        roles: vec![Role::Viewer, Role::Operator],
    }
}

#[tokio::test]
async fn a_freeze_that_an_operator_called_is_lifted_by_an_admin_or_by_time() {
    let house = house().await;
    let freeze = json!({ "name": "easter", "reason": "eggs", "for": "2h", "namespaces": ["shop"] });
    done(
        house
            .call(&operator(), "freeze_changes", freeze.clone())
            .await,
    );
    let (_, words) = held(house.call(&operator(), "scale_service", scale(3)).await);
    assert!(words.contains("frozen"), "{words}");
    let elsewhere = json!({ "secret": "other/word", "value": "x" });
    done(house.call(&operator(), "put_secret", elsewhere).await);
    let status = done(house.call(&operator(), "get_status", json!({})).await);
    assert_eq!(status["freezes"][0]["reason"], "eggs", "{status}");
    // Nor by calling it anew, shorter, later or elsewhere.
    for (key, value) in [
        ("for", json!("1m")),
        ("namespaces", json!(["other"])),
        ("from", json!(10_000_000_000_000_u64)),
    ] {
        let mut less = freeze.clone();
        less[key] = value;
        let (_, by) = denied(house.call(&operator(), "freeze_changes", less).await);
        assert_eq!(by, ["only-admins-rule"], "{key}");
    }
    let mut more = freeze.clone();
    (more["for"], more["namespaces"]) = (json!("3h"), json!([]));
    done(house.call(&operator(), "freeze_changes", more).await);
    let lift = json!({ "name": "easter" });
    denied(house.call(&operator(), "lift_freeze", lift.clone()).await);
    // Nor by taking back: an undo of a freeze is a lift.
    let undo = json!({ "revision": 4 });
    denied(house.call(&operator(), "undo_change", undo).await);
    done(house.call(&admin(), "lift_freeze", lift.clone()).await);
    done(house.call(&operator(), "scale_service", scale(3)).await);
    let words = refused(house.call(&admin(), "lift_freeze", lift.clone()).await);
    assert!(words.contains("no freeze `easter`"), "{words}");
    done(house.call(&operator(), "freeze_changes", freeze).await);
    second_admin(&house).await;
    held(house.call(&admin(), "lift_freeze", lift).await);
    house.clock.advance(Span::minutes(121));
    done(house.call(&operator(), "scale_service", scale(2)).await);
}

#[tokio::test]
async fn an_emergency_is_one_persons_ends_and_stops_at_data() {
    let house = house().await;
    second_admin(&house).await;
    let freeze = json!({ "name": "easter", "reason": "eggs", "for": "48h" });
    done(house.call(&admin(), "freeze_changes", freeze).await);
    let fire = json!({ "reason": "the shop is down", "for": "1h" });
    for caller in [assistant(), healer(), user("vic", Role::Viewer)] {
        denied(house.call(&caller, "break_glass", fire.clone()).await);
    }
    let why = json!({ "reason": " " });
    refused(house.call(&operator(), "break_glass", why).await);
    let long = json!({ "reason": "x", "for": "5h" });
    refused(house.call(&operator(), "break_glass", long).await);
    held(house.call(&operator(), "scale_service", scale(60)).await);
    done(house.call(&operator(), "break_glass", fire.clone()).await);
    let status = done(house.call(&healer(), "get_status", json!({})).await);
    assert_eq!(status["emergencies"][0]["person"], "ann", "{status}");
    // Frozen, and a jump from nothing to many: neither holds her up, and the log says why.
    done(house.call(&operator(), "scale_service", scale(60)).await);
    let leaf = house.last().await;
    assert!(leaf.words.contains("in an emergency"), "{}", leaf.words);
    held(
        house
            .call(&user("bob", Role::Operator), "scale_service", scale(1))
            .await,
    );
    held(house.call(&assistant(), "scale_service", scale(1)).await);
    // Policy stays with admins, and with two of them.
    let own = json!({ "files": own_policies() });
    denied(house.call(&operator(), "put_policies", own.clone()).await);
    done(house.call(&admin(), "break_glass", fire).await);
    held(house.call(&admin(), "put_policies", own).await);
    done(house.call(&operator(), "mend_glass", json!({})).await);
    held(house.call(&operator(), "scale_service", scale(1)).await);
    house.clock.advance(Span::minutes(61));
    held(house.call(&admin(), "scale_service", scale(2)).await);
}

#[tokio::test]
async fn other_policies_are_in_force_at_once_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let (store, clock) = (Arc::default(), Arc::default());
    let house = open(&store, &clock, keys()).await.unwrap();
    done(house.call(&operator(), "list_nodes", json!({})).await);
    let asked = json!({ "yaml": super::SHOP });
    done(house.call(&operator(), "apply_services", asked).await);
    let more = json!({ "service": "shop/cart", "memory": "65Mi" });
    let (approval, _) = held(house.call(&healer(), "set_limits", more).await);
    let outcome = put(&house, json!(own_policies())).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    let (words, _) = denied(house.call(&operator(), "list_nodes", json!({})).await);
    assert!(words.contains("nobody looks at nodes here"), "{words}");
    let tools = house.gate.tools_for(&operator());
    assert!(tools.iter().any(|tool| tool.name == "list_services"));
    // What waits was asked under other policies.
    let yes = json!({ "id": approval });
    let words = refused(house.call(&operator(), "approve", yes).await);
    assert!(words.contains("has changed"), "{words}");
    house.gate.close().await;
    let house = open(&store, &clock, keys()).await.unwrap();
    denied(house.call(&operator(), "list_nodes", json!({})).await);
    assert_eq!(house.gate.policy_problem(), None);
    let outcome = put(&house, json!({})).await;
    assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    done(house.call(&operator(), "list_nodes", json!({})).await);
}

#[tokio::test]
async fn a_bundle_with_a_mistake_or_without_a_way_back_leaves_the_old_one() {
    let house = house().await;
    let mut fixed = own_policies();
    fixed.insert("invariants.cedar".to_owned(), "// none".to_owned());
    let typo =
        r#"@id("a") @words("b") permit (principal, action, resource) when { context.frosen };"#;
    let no_way = r#"forbid (principal, action == Action::"put_policies", resource);"#;
    let at_night = r#"forbid (principal, action == Action::"approve", resource) when { context.hour_utc == 3 };"#;
    let nobody = r#"@id("a") @words("b") permit (principal in Role::"viewer", action, resource);"#;
    for (files, named) in [
        (json!({ "own.cedar": "permit" }), "own.cedar"),
        (json!({ "own.cedar": typo }), "frosen"),
        (json!({ "own.cedar": nobody }), "could not always"),
        (json!(with_rule(no_way)), "could not always"),
        (json!(with_rule(at_night)), "could not always"),
        (json!({ "../own.cedar": nobody }), "no name for a file"),
        (json!(fixed), "invariants.cedar"),
    ] {
        let Outcome::Refused { words } = put(&house, files).await else {
            panic!("{named} was taken")
        };
        assert!(words.contains(named), "{words}");
    }
    assert_eq!(house.gate.intent().law.policies, None);
    done(house.call(&operator(), "scale_service", scale(1)).await);
}

#[tokio::test]
async fn policies_that_no_longer_load_deny_all_but_looking_and_mending() {
    let dir = tempfile::tempdir().unwrap();
    let keys = || Keys::open_or_create(dir.path()).unwrap();
    let (store, clock): (Arc<MemoryStore>, _) = (Arc::default(), Arc::default());
    let house = open(&store, &clock, keys()).await.unwrap();
    let shop = json!({ "yaml": super::SHOP });
    done(house.call(&operator(), "apply_services", shop).await);
    house.gate.close().await;
    // As a version finds them that knows other tools: no call leads to that.
    store.with_intent(|intent| {
        let files = [("own.cedar".to_owned(), "no cedar".to_owned())];
        intent.law.policies = Some(Arc::new(files.into()));
    });
    let house = open(&store, &clock, keys()).await.unwrap();
    let problem = house.gate.policy_problem().unwrap();
    assert!(problem.contains("own.cedar"), "{problem}");
    done(house.call(&operator(), "list_services", json!({})).await);
    // The kill switch and the core go on.
    let mut view = super::seen();
    (view.agents).insert("healer".parse().unwrap(), Default::default());
    *house.world.view.lock().unwrap() = Arc::new(view);
    let agent = json!({ "agent": "healer" });
    done(house.call(&admin(), "pause_agent", agent).await);
    let settle = json!({ "service": "shop/cart", "generation": 1 });
    let settled = house
        .call(&Principal::System, "settle_service", settle)
        .await;
    assert!(
        matches!(settled.outcome, Outcome::Done { .. }),
        "{settled:?}"
    );
    let asked = json!({ "yaml": super::SHOP });
    for caller in [operator(), admin(), healer()] {
        denied(house.call(&caller, "apply_services", asked.clone()).await);
    }
    denied(house.call(&operator(), "put_policies", json!({})).await);
    done(house.call(&admin(), "put_policies", json!({})).await);
    done(house.call(&operator(), "apply_services", asked).await);
    assert_eq!(house.gate.policy_problem(), None);
}
