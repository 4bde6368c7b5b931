//! Taking back, for every tool in the catalogue that changes the intent: exactly as it was, or why not.

use std::sync::Arc;

use ostler_core::intent::Intent;
use ostler_tools::{
    catalogue::ALL,
    contract::{Class, Tool},
    principal::Principal,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    House, SHOP, admin,
    autonomy::{self, promotion},
    done, house, refused, scale, seen_with_machine,
};

/// What a tool's change comes to when it is taken back.
enum Case {
    /// After these calls, this call is undone exactly.
    Exact(Vec<(&'static str, Value)>, Value),
    /// After these calls, this call has no way back, and these words say why.
    NoWayBack(Vec<(&'static str, Value)>, Value, &'static str),
    /// It moves no intent.
    NoChange,
}

fn node() -> Value {
    json!({ "node": "n1" })
}

fn other_cart() -> Value {
    // Everything that undoing could forget: bounds that move the count, labels, spec, a new service.
    let changed = SHOP
        .replace("64Mi", "80Mi")
        .replace("min: 0", "min: 5")
        .replace("namespace: shop }", "namespace: shop, labels: { a: b } }");
    assert!(changed.contains("labels"));
    json!({ "yaml": format!("{changed}---{}", SHOP.replace("name: cart", "name: new")) })
}

fn other_version() -> Value {
    json!({
        "service": "shop/cart", "image": format!("shop/cart:2@sha256:{}", "b".repeat(64)),
        "strategy": { "canary": { "steps": [{ "share": "10%" }] } },
    })
}

pub(super) fn scaling_cart() -> Value {
    let target = "scaling: { targets: [ { signal: requestRate, perInstance: 50 } ] }, resources";
    let changed = SHOP.replace("resources", target);
    json!({ "yaml": changed })
}

/// A settled cart, and a canary of another image.
fn rolling_cart() -> Vec<(&'static str, Value)> {
    let strategy = "update: { strategy: { canary: { steps: [ { share: 50% } ] } } }, resources";
    let changed = SHOP
        .replace("resources", strategy)
        .replace("cart:1", "cart:2");
    assert!(changed.contains("cart:2"));
    vec![
        (
            "settle_service",
            json!({ "service": "shop/cart", "generation": 1 }),
        ),
        ("apply_services", json!({ "yaml": changed })),
    ]
}

fn tune(replicas: u32) -> Value {
    let floor = json!({ "from": 0, "until": 1, "replicas": replicas });
    json!({ "service": "shop/cart", "floors": [floor], "for": "1h" })
}

/// One case a tool: a new tool without one stops here.
fn case(tool: &str) -> Case {
    use Case::{Exact, NoChange, NoWayBack};
    let cart = json!({ "service": "shop/cart" });
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    let restart = json!({ "instances": ["cart-aaaaaaaa"] });
    let put = |value: &str| json!({ "secret": "shop/key", "value": value });
    match tool {
        "apply_services" => Exact(
            vec![("scale_service", scale(3)), ("restart_service", cart)],
            other_cart(),
        ),
        "scale_service" => Exact(vec![("scale_service", scale(3))], scale(7)),
        "tune_scaling" => Exact(
            vec![
                ("apply_services", scaling_cart()),
                ("tune_scaling", tune(3)),
            ],
            tune(5),
        ),
        "set_limits" => Exact(vec![("restart_instances", restart)], limits),
        "upgrade_service" => Exact(vec![("scale_service", scale(3))], other_version()),
        "rollback_service" => Exact(vec![("set_limits", limits)], cart),
        "delete_service" => Exact(
            vec![("scale_service", scale(4)), ("set_limits", limits)],
            cart,
        ),
        "put_secret" => Exact(vec![("put_secret", put("old"))], put("new")),
        "delete_secret" => Exact(
            vec![("put_secret", put("old"))],
            json!({ "secret": "shop/key" }),
        ),
        "cordon_node" | "drain_node" => Exact(vec![], node()),
        "uncordon_node" => Exact(vec![("drain_node", node())], node()),
        "undo_change" => Exact(vec![("scale_service", scale(3))], json!({ "revision": 2 })),
        "pause_agent" => Exact(vec![], json!({ "agent": "healer" })),
        "resume_agent" => Exact(
            vec![("pause_agent", json!({ "agent": "healer" }))],
            json!({ "agent": "healer" }),
        ),
        "restart_service" => NoWayBack(
            vec![],
            cart,
            "a restart sets nothing that could be put back",
        ),
        "restart_instances" => NoWayBack(
            vec![],
            restart,
            "a restart sets nothing that could be put back",
        ),
        "promote_agent" => Exact(vec![], promotion()),
        "demote_agent" => NoWayBack(
            vec![("promote_agent", promotion())],
            json!({ "agent": "healer", "reason": "it guesses" }),
            "for a person to say anew",
        ),
        "freeze_changes" | "lift_freeze" | "break_glass" | "mend_glass" | "put_policies" => {
            law_case(tool)
        }
        "settle_service" => NoWayBack(
            vec![],
            json!({ "service": "shop/cart", "generation": 1 }),
            "something that happened",
        ),
        rollout if rollout.ends_with("_rollout") => rollout_case(rollout),
        "create_token" | "revoke_token" | "create_console_session" | "rotate_audit_key" => NoChange,
        other => panic!("`{other}` changes things and has no case here: is it undone exactly?"),
    }
}

/// The same, of what people rule.
fn law_case(tool: &str) -> Case {
    use Case::{Exact, NoWayBack};
    match tool {
        "freeze_changes" => Exact(vec![], freeze()),
        "lift_freeze" => Exact(
            vec![("freeze_changes", freeze())],
            json!({ "name": "easter" }),
        ),
        "break_glass" => Exact(vec![], json!({ "reason": "fire" })),
        "mend_glass" => NoWayBack(
            vec![("break_glass", json!({ "reason": "fire" }))],
            json!({}),
            "an emergency is declared anew",
        ),
        "put_policies" => Exact(vec![], json!({ "files": super::law::own_policies() })),
        _ => Case::NoChange,
    }
}

fn freeze() -> Value {
    json!({ "name": "easter", "reason": "eggs", "for": "48h" })
}

/// The same, of those who have a say in a rollout.
fn rollout_case(tool: &str) -> Case {
    use Case::{Exact, NoWayBack};
    let cart = json!({ "service": "shop/cart" });
    let whole = "what got traffic has had it";
    match tool {
        "pause_rollout" | "abort_rollout" => Exact(rolling_cart(), cart),
        "resume_rollout" => {
            let mut before = rolling_cart();
            before.push(("pause_rollout", cart.clone()));
            Exact(before, cart)
        }
        "promote_rollout" => NoWayBack(rolling_cart(), cart, whole),
        "advance_rollout" => {
            let steps = json!({ "service": "shop/cart", "generation": 2,
                "from": { "stage": "canary", "step": 0 }, "to": { "stage": "rolling" } });
            NoWayBack(rolling_cart(), steps, whole)
        }
        other => panic!("`{other}` moves rollouts and has no case here: is it undone exactly?"),
    }
}

/// SHA-256 of all that is wanted. Left out is what only grows or says when: the revision, generations
/// with their history, moments.
fn fingerprint(intent: &Intent) -> String {
    let services = intent.services.iter().map(|(key, service)| {
        json!([
            key,
            *service.spec,
            service.labels,
            service.replicas,
            service.restart_after,
            service.tuning,
            service.stage(),
            service.paused().is_some()
        ])
    });
    let secrets = intent
        .secrets
        .iter()
        .map(|(key, sealed)| json!([key, sealed]));
    let all = json!([
        services.collect::<Vec<_>>(),
        secrets.collect::<Vec<_>>(),
        intent.cordoned,
        intent.draining,
        intent.paused_agents,
        intent.law,
        intent.promoted_agents,
    ]);
    crate::digest::hex(&Sha256::digest(all.to_string()))
}

async fn with_node() -> House {
    let house = house().await;
    let mut view = seen_with_machine();
    let healer = view.agents.entry("healer".parse().unwrap()).or_default();
    healer.make = Some(autonomy::make());
    autonomy::trust(&house);
    *house.world.view.lock().unwrap() = Arc::new(view);
    house
}

fn caller_of(tool: &str) -> Principal {
    match tool {
        "settle_service" | "advance_rollout" => Principal::System,
        _ => admin(),
    }
}

async fn make(house: &House, tool: &str, args: Value) {
    done(house.call(&caller_of(tool), tool, args).await);
}

async fn undo(house: &House) -> crate::answer::Answer {
    let revision = house.gate.intent().revision.0;
    house
        .call(&admin(), "undo_change", json!({ "revision": revision }))
        .await
}

fn changes(tool: &&Tool) -> bool {
    matches!(tool.class, Class::Change | Class::Admin)
}

#[tokio::test]
async fn every_change_is_taken_back_exactly_or_says_why_not() {
    let mut exact = 0;
    for tool in ALL.iter().filter(changes) {
        let house = with_node().await;
        match case(tool.name) {
            Case::NoChange => {}
            Case::NoWayBack(before, args, why) => {
                for (earlier, args) in before {
                    make(&house, earlier, args).await;
                }
                make(&house, tool.name, args).await;
                let words = refused(undo(&house).await);
                assert!(
                    words.contains("cannot be taken back: ") && words.contains(why),
                    "{words}"
                );
            }
            Case::Exact(before, args) => {
                for (earlier, args) in before {
                    make(&house, earlier, args).await;
                }
                let was = house.gate.intent();
                make(&house, tool.name, args).await;
                let changed = house.gate.intent();
                assert_ne!(
                    fingerprint(&was),
                    fingerprint(&changed),
                    "{} did nothing",
                    tool.name
                );
                done(undo(&house).await);
                let now = house.gate.intent();
                assert_eq!(
                    fingerprint(&was),
                    fingerprint(&now),
                    "{}\n{was:#?}\n{now:#?}",
                    tool.name
                );
                assert!(now.revision > changed.revision, "revisions only grow");
                exact += 1;
            }
        }
    }
    assert!(exact >= 11, "{exact} tools were tried");
}

#[tokio::test]
async fn a_node_is_put_back_from_whatever_it_was() {
    for before in [None, Some("cordon_node"), Some("drain_node")] {
        for tool in ["cordon_node", "uncordon_node", "drain_node"] {
            let house = with_node().await;
            if let Some(before) = before {
                make(&house, before, node()).await;
            }
            let was = fingerprint(&house.gate.intent());
            make(&house, tool, node()).await;
            done(undo(&house).await);
            assert_eq!(was, fingerprint(&house.gate.intent()), "{before:?}, {tool}");
        }
    }
}

#[tokio::test]
async fn several_changes_are_taken_back_in_reverse_and_not_otherwise() {
    let house = with_node().await;
    let cart = |house: &House| {
        let intent = house.gate.intent();
        let cart = &intent.services[&"shop/cart".parse().unwrap()];
        json!([*cart.spec, cart.replicas])
    };
    let was = cart(&house);
    let first = house.gate.intent().revision.0 + 1;
    for memory in ["96Mi", "80Mi"] {
        let limits = json!({ "service": "shop/cart", "memory": memory });
        make(&house, "set_limits", limits).await;
    }
    make(&house, "restart_service", json!({ "service": "shop/cart" })).await;
    let back = |revision: u64| json!({ "revision": revision });
    let words = refused(house.call(&admin(), "undo_change", back(first)).await);
    assert!(words.contains("take that back first"), "{words}");
    done(house.call(&admin(), "undo_change", back(first + 1)).await);
    done(house.call(&admin(), "undo_change", back(first)).await);
    assert_eq!(was, cart(&house));
    let words = refused(house.call(&admin(), "undo_change", back(first)).await);
    assert!(words.contains("was taken back already"), "{words}");
}

/// How many there are moves on by itself as the load does: that does not keep a tuning or limits from being taken
/// back, in whatever order, and does not go back with them.
#[tokio::test]
async fn a_tuning_and_limits_are_taken_back_although_the_core_scaled_since() {
    let house = house().await;
    done(house.call(&admin(), "apply_services", scaling_cart()).await);
    let cart = |house: &House| house.gate.intent().services[&"shop/cart".parse().unwrap()].clone();
    let was = cart(&house).spec.resources;
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    let tuned = done(house.call(&admin(), "tune_scaling", tune(3)).await);
    let limited = done(house.call(&admin(), "set_limits", limits).await);
    let scaled = done(house.call(&admin(), "scale_service", scale(3)).await);
    assert_ne!(cart(&house).spec.resources, was);
    let undo = |change: &Value| json!({ "revision": change["revision"] });
    done(house.call(&admin(), "undo_change", undo(&tuned)).await);
    done(house.call(&admin(), "undo_change", undo(&limited)).await);
    let now = cart(&house);
    assert_eq!(
        (&now.tuning, now.replicas, now.spec.resources),
        (&None, 3, was)
    );
    done(house.call(&admin(), "undo_change", undo(&scaled)).await);
}
