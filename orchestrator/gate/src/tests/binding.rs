//! What a yes is bound to, what the one who answers sees, and when a request is over.

use ostler_core::proposal::ProposalState;
use ostler_tools::record::{Approval, ApprovalState};
use serde_json::{Value, json};

use super::{
    House, admin,
    approvals::{body, incident, restart},
    done, healer, held, house, operator, refused, scale,
};

fn approval(house: &House, id: &str) -> Approval {
    house.gate.records().approvals[&id.parse().unwrap()].clone()
}

fn limits(memory: &str) -> Value {
    json!({ "service": "shop/cart", "memory": memory })
}

async fn asks(house: &House) -> String {
    held(house.call(&healer(), "set_limits", limits("96Mi")).await).0
}

async fn approve(house: &House, id: &str) -> crate::answer::Answer {
    house
        .call(&operator(), "approve", json!({ "id": id }))
        .await
}

/// What somebody does between the question and the answer, and the word that must be said of it.
async fn refused_after(tool: &str, args: Value, word: &str) {
    let house = house().await;
    let seen = json!({ "secret": "shop/db", "value": "first" });
    done(house.call(&admin(), "put_secret", seen).await);
    let with_secret = super::SHOP.replace("image:", "secrets: [{ secret: db }], image:");
    let yaml = json!({ "yaml": with_secret });
    done(house.call(&admin(), "apply_services", yaml).await);
    let id = asks(&house).await;
    done(house.call(&admin(), tool, args).await);
    let words = refused(approve(&house, &id).await);
    assert!(
        words.contains("what you were asked about has changed") && words.contains(word),
        "{tool}: {words}"
    );
    assert!(words.contains("ask again"), "{words}");
    assert_eq!(approval(&house, &id).state, ApprovalState::Expired);
    let again = asks(&house).await;
    assert_ne!(again, id);
    done(approve(&house, &again).await);
    done(house.call(&healer(), "set_limits", limits("96Mi")).await);
}

#[tokio::test]
async fn a_yes_to_what_has_changed_meanwhile_is_refused_in_words() {
    let with = |from: &str, to: &str| {
        let shop = super::SHOP.replace("image:", "secrets: [{ secret: db }], image:");
        let changed = shop.replace(from, to);
        assert_ne!(shop, changed);
        json!({ "yaml": changed })
    };
    refused_after("scale_service", scale(2), "the replicas of service").await;
    let labels = with("namespace: shop", "namespace: shop, labels: { a: b }");
    refused_after("apply_services", labels, "the labels of service").await;
    refused_after(
        "apply_services",
        with("max: 100", "max: 50"),
        "the bounds of",
    )
    .await;
    let image = with("cart:1", "cart:2");
    refused_after("apply_services", image, "the spec, generation of").await;
    let objective = with("spec: {", "spec: { objectives: { availability: 99.0 },");
    refused_after("apply_services", objective, "the spec of service").await;
    let secret = json!({ "secret": "shop/db", "value": "second" });
    refused_after("put_secret", secret, "the value of secret `shop/db`").await;
}

#[tokio::test]
async fn a_yes_does_not_cover_a_call_whose_world_moved_after_it() {
    let house = house().await;
    let id = asks(&house).await;
    done(approve(&house, &id).await);
    let labels = super::SHOP.replace("namespace: shop", "namespace: shop, labels: { a: b }");
    let yaml = json!({ "yaml": labels });
    done(house.call(&operator(), "apply_services", yaml).await);
    let (anew, words) = held(house.call(&healer(), "set_limits", limits("96Mi")).await);
    assert_ne!(anew, id);
    assert!(words.contains("the world moved"), "{words}");
}

#[tokio::test]
async fn what_is_elsewhere_does_not_void_a_request() {
    let house = house().await;
    let id = asks(&house).await;
    let other = super::SHOP.replace("name: cart", "name: other");
    let yaml = json!({ "yaml": other });
    done(house.call(&operator(), "apply_services", yaml).await);
    done(approve(&house, &id).await);
    done(house.call(&healer(), "set_limits", limits("96Mi")).await);
}

#[tokio::test]
async fn who_answers_sees_arguments_and_difference() {
    let house = house().await;
    let id = asks(&house).await;
    let asked = done(
        house
            .call(&operator(), "list_approvals", json!({ "id": id }))
            .await,
    );
    let call = &asked["approvals"][0]["calls"][0];
    assert_eq!(call["arguments"], limits("96Mi"));
    let line = &call["diff"][0]["lines"][0];
    assert_eq!(line["path"], "spec.resources.limits.memory");
    assert_eq!(
        (line["from"].as_str(), line["to"].as_str()),
        (Some("64Mi"), Some("96Mi"))
    );
    let id = held(house.call(&healer(), "restart_instances", restart()).await).0;
    let call = approval(&house, &id).calls.remove(0);
    assert_eq!(call.beside[0].path, "instances.cart-aaaaaaaa");
    let none = json!({ "id": "apr_0000000000000001" });
    let listed = done(house.call(&operator(), "list_approvals", none).await);
    assert_eq!(listed["approvals"], json!([]));
}

#[tokio::test]
async fn a_difference_that_is_too_long_says_so() {
    let house = house().await;
    let env: Vec<String> = (0..150)
        .map(|n| format!("V{n}: '{}'", "x".repeat(150)))
        .collect();
    let many: Vec<String> = (0..4)
        .map(|n| {
            format!(
                "apiVersion: ostler.dev/v1\nkind: Service\nmetadata: {{ name: s{n} }}\nspec: {{ image: 'a:1', replicas: {{ min: 30, max: 40 }}, env: {{ {} }} }}",
                env.join(", ")
            )
        })
        .collect();
    let args = json!({ "yaml": many.join("\n---\n") });
    let (id, _) = held(house.call(&operator(), "apply_services", args).await);
    let call = approval(&house, &id).calls.remove(0);
    let shown: usize = call.diff.iter().map(|service| service.lines.len()).sum();
    assert!(
        shown > 100 && call.omitted > 100,
        "{shown} {}",
        call.omitted
    );
    let kept = serde_json::to_string(&call).unwrap().len();
    assert!(kept < 200_000, "{kept}");
}

async fn proposes(house: &House) -> (String, String, String) {
    let (incident, call) = incident(house).await;
    let calls = json!([{ "tool": "set_limits", "arguments": limits("96Mi"), "reason": "small" }]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let made = done(house.call(&healer(), "submit_proposal", args).await);
    let text = |field: &str| made[field].as_str().unwrap().to_owned();
    (incident, text("proposal"), text("approval"))
}

#[tokio::test]
async fn a_request_ends_with_its_proposal() {
    let house = house().await;
    let (_, proposal, id) = proposes(&house).await;
    let withdraw = json!({ "proposal": proposal, "state": "expired", "done": 0 });
    done(house.call(&healer(), "advance_proposal", withdraw).await);
    assert_eq!(approval(&house, &id).state, ApprovalState::Expired);
    let words = refused(approve(&house, &id).await);
    assert!(words.contains("expired"), "{words}");
    held(house.call(&healer(), "set_limits", limits("96Mi")).await);
}

#[tokio::test]
async fn a_granted_request_ends_with_a_failed_proposal() {
    let house = house().await;
    let (_, proposal, id) = proposes(&house).await;
    done(approve(&house, &id).await);
    let failed = json!({ "proposal": proposal, "state": "failed", "done": 0 });
    done(house.call(&healer(), "advance_proposal", failed).await);
    assert_eq!(approval(&house, &id).state, ApprovalState::Expired);
    held(house.call(&healer(), "set_limits", limits("96Mi")).await);
    assert_eq!(house.gate.intent().revision.0, 1);
}

#[tokio::test]
async fn a_request_ends_with_its_incident() {
    for answered in [false, true] {
        let house = house().await;
        let (incident, proposal, id) = proposes(&house).await;
        if answered {
            done(approve(&house, &id).await);
        }
        let close = json!({ "incident": incident, "note": "known", "state": "closed" });
        done(house.call(&operator(), "note_incident", close).await);
        assert_eq!(approval(&house, &id).state, ApprovalState::Expired);
        let records = house.gate.records();
        assert_eq!(
            records.proposals[&proposal.parse().unwrap()].state,
            ProposalState::Expired
        );
        refused(approve(&house, &id).await);
        held(house.call(&healer(), "set_limits", limits("96Mi")).await);
    }
}

#[tokio::test]
async fn a_proposals_yes_is_refused_when_its_world_moved() {
    let house = house().await;
    let (incident, proposal, id) = proposes(&house).await;
    done(house.call(&operator(), "scale_service", scale(2)).await);
    let words = refused(approve(&house, &proposal).await);
    assert!(words.contains("the replicas of service"), "{words}");
    let records = house.gate.records();
    assert_eq!(approval(&house, &id).state, ApprovalState::Expired);
    assert_eq!(
        records.proposals[&proposal.parse().unwrap()].state,
        ProposalState::Expired
    );
    let timeline = &records.incidents[&incident.parse().unwrap()].timeline;
    assert!(timeline.last().unwrap().what.contains("world moved"));
}

/// Every tool, proposed as the first and as a later call: the rule is the same, whoever applies it.
#[tokio::test]
async fn one_rule_says_what_may_be_proposed() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let good = json!({ "tool": "set_limits", "arguments": limits("96Mi"), "reason": "small" });
    for tool in ostler_tools::catalogue::ALL {
        let other = json!({ "tool": tool.name, "arguments": {}, "reason": "why not" });
        for calls in [json!([other]), json!([good, other])] {
            let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
            let answer = house.call(&healer(), "submit_proposal", args).await;
            let text = serde_json::to_string(&answer.outcome).unwrap();
            let allowed = !text.contains("cannot be proposed");
            let rule =
                tool.class == ostler_tools::contract::Class::Change && tool.secret_args.is_empty();
            assert_eq!(allowed, rule, "{}: {text}", tool.name);
        }
    }
}

#[tokio::test]
async fn a_later_call_may_rest_on_an_earlier_one() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let yaml = super::SHOP
        .replace("max: 100", "max: 100, min: 0")
        .replace("min: 0, max: 100, min: 0", "min: 0, max: 200");
    let calls = json!([
        { "tool": "apply_services", "arguments": { "yaml": yaml }, "reason": "wider bounds" },
        { "tool": "scale_service", "arguments": scale(150), "reason": "more" },
    ]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let made = done(house.call(&operator(), "submit_proposal", args).await);
    assert_eq!(made["state"], "waiting", "a jump needs an admin: {made}");
}

#[tokio::test]
async fn an_incident_takes_fifty_proposals_in_all() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    for number in 0..51 {
        let args = limits(&format!("{}Mi", 70 + number));
        let calls = json!([{ "tool": "set_limits", "arguments": args, "reason": "small" }]);
        let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
        let answer = house.call(&healer(), "submit_proposal", args).await;
        if number == 50 {
            assert!(refused(answer).contains("a person must look"));
            break;
        }
        let made = done(answer);
        let withdraw = json!({ "proposal": made["proposal"], "state": "expired", "done": 0 });
        done(house.call(&healer(), "advance_proposal", withdraw).await);
    }
}

#[tokio::test]
async fn a_proposal_of_a_hundred_manifests_is_refused() {
    let house = house().await;
    let (incident, call) = incident(&house).await;
    let yaml = format!("{}{}", super::SHOP, "# padding\n".repeat(14_000));
    let calls = json!([{ "tool": "apply_services", "arguments": { "yaml": yaml }, "reason": "r" }]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let words = refused(house.call(&operator(), "submit_proposal", args).await);
    assert!(words.contains("at most 131072"), "{words}");
}

#[tokio::test]
async fn what_was_done_an_hour_ago_is_not_taken_back_alone() {
    let house = house().await;
    let id = asks(&house).await;
    done(approve(&house, &id).await);
    done(house.call(&healer(), "set_limits", limits("96Mi")).await);
    house.clock.advance(ostler_core::time::Span::minutes(61));
    let undo = json!({ "revision": 2 });
    // Setting limits is what it may ask for; that includes setting them back.
    super::held(house.call(&healer(), "undo_change", undo).await);
}

#[tokio::test]
async fn evidence_that_nobody_saw_is_refused() {
    let house = house().await;
    let (incident, _) = incident(&house).await;
    let calls = json!([{ "tool": "set_limits", "arguments": limits("96Mi"), "reason": "small" }]);
    let made_up = body(&calls, "call_19f0-0123456789abcdef");
    let args = json!({ "incident": incident, "proposal": made_up });
    let words = refused(house.call(&healer(), "submit_proposal", args).await);
    assert!(words.contains("no such call was made"), "{words}");
}

#[tokio::test]
async fn the_log_says_what_a_yes_was_to() {
    let house = house().await;
    let id = asks(&house).await;
    done(approve(&house, &id).await);
    let leaf = house.last().await;
    let digest = &approval(&house, &id).calls[0].digest;
    assert!(
        leaf.words
            .starts_with("yes to agent:healer: set limits of shop/cart")
    );
    assert!(leaf.words.contains(digest), "{}", leaf.words);
}
