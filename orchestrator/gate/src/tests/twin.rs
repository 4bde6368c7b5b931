//! A proposal is tried on a fork before anybody is asked, again when somebody looks, and it is said
//! when nothing can be foretold.

use std::sync::Arc;

use ostler_core::time::Span;
use serde_json::{Value, json};

use super::{
    House,
    approvals::{body, incident, restart},
    done, healer, house, operator, scale, seen_with_machine,
};

/// A house whose machine is known, with one instance that is wanted and runs.
async fn with_machine() -> House {
    let house = house().await;
    done(house.call(&operator(), "scale_service", scale(1)).await);
    *house.world.view.lock().unwrap() = Arc::new(seen_with_machine());
    house.clock.advance(Span::minutes(1));
    house
}

async fn propose(house: &House, calls: Value) -> (String, String) {
    let (incident, call) = incident(house).await;
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    let made = done(house.call(&healer(), "submit_proposal", args).await);
    (incident, made["proposal"].as_str().unwrap().to_owned())
}

fn restarting() -> Value {
    json!([{ "tool": "restart_instances", "arguments": restart(), "reason": "it hangs" }])
}

async fn shown(house: &House, proposal: &str) -> Value {
    let args = json!({ "proposal": proposal });
    done(house.call(&operator(), "get_proposal", args).await)
}

fn said(house: &House, incident: &str) -> Vec<String> {
    let records = house.gate.records();
    let timeline = &records.incidents[&incident.parse().unwrap()].timeline;
    timeline.iter().map(|entry| entry.what.clone()).collect()
}

#[tokio::test]
async fn who_is_asked_sees_what_would_happen() {
    let house = with_machine().await;
    let (incident, proposal) = propose(&house, restarting()).await;
    let words = said(&house, &incident);
    let tried = "tried on a fork of revision 2: ";
    assert!(
        words.iter().any(|words| words.starts_with(tried)),
        "{words:?}"
    );
    let told = &shown(&house, &proposal).await["forecast"];
    assert_eq!(told["revision"], 2);
    let forecast = &told["forecast"];
    let steps: Vec<&str> = forecast["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["what"].as_str())
        .filter(|words| !words.starts_with("route"))
        .collect();
    assert_eq!(
        steps,
        [
            "stop cart-aaaaaaaa: someone asked",
            "restart cart-aaaaaaaa (attempt 2): someone asked"
        ]
    );
    assert_eq!(forecast["disturbed"], json!(["cart-aaaaaaaa"]));
    assert_eq!(forecast["least_ready"]["shop/cart"], 0);
    assert_eq!(forecast["comes_to_rest"], true);
    assert_eq!(forecast["violations"], json!([]));
    let words = told["words"].as_str().unwrap();
    assert!(
        words.contains("shop/cart: 0 of 1 ready at least, healthy in the end"),
        "{words}"
    );
}

#[tokio::test]
async fn it_is_tried_anew_once_the_world_moved_and_no_more_once_begun() {
    let house = with_machine().await;
    let (incident, proposal) = propose(&house, restarting()).await;
    let other = json!({ "yaml": super::SHOP.replace("name: cart", "name: other") });
    done(house.call(&operator(), "apply_services", other).await);
    assert_eq!(shown(&house, &proposal).await["forecast"]["revision"], 3);
    done(
        house
            .call(&operator(), "approve", json!({ "id": proposal }))
            .await,
    );
    let words = said(&house, &incident);
    let tried = "tried on a fork of revision 3: ";
    assert!(
        words.iter().any(|words| words.starts_with(tried)),
        "{words:?}"
    );
    let acting = json!({ "proposal": proposal, "state": "acting", "done": 0 });
    done(house.call(&healer(), "advance_proposal", acting).await);
    assert_eq!(shown(&house, &proposal).await["forecast"], Value::Null);
}

#[tokio::test]
async fn that_nothing_can_be_foretold_is_said() {
    let house = house().await;
    let (incident, proposal) = propose(&house, restarting()).await;
    let told = &shown(&house, &proposal).await["forecast"];
    assert_eq!(told["forecast"], Value::Null);
    let why = "cannot be foretold: nothing is known of the machines yet";
    assert_eq!(told["words"], why);
    assert!(
        said(&house, &incident)
            .iter()
            .any(|words| words.ends_with(why))
    );
}

#[tokio::test]
async fn calls_rest_on_those_before_them() {
    let house = with_machine().await;
    let limits = |memory: &str| {
        let arguments = json!({ "service": "shop/cart", "memory": memory });
        json!({ "tool": "set_limits", "arguments": arguments, "reason": "small" })
    };
    let (_, proposal) = propose(&house, json!([limits("96Mi"), limits("128Mi")])).await;
    let told = &shown(&house, &proposal).await["forecast"];
    let forecast = &told["forecast"];
    assert_eq!(forecast["report"]["shop/cart"]["ready"], 1, "{told}");
    assert_eq!(forecast["least_ready"]["shop/cart"], 1);
    assert_eq!(forecast["disturbed"], json!([]), "it runs on");
    let steps = forecast["steps"].as_array().unwrap().iter();
    let kinds = steps.map(|step| &step["step"]["step"]);
    let steps: Vec<&Value> = kinds.filter(|kind| *kind != "route").collect();
    assert_eq!(steps, ["resize"], "two calls, one resize");
}
