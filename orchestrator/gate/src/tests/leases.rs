//! One agent at a time works on a service; the more important one takes it over; people are told.

use ostler_core::{
    proposal::{Proposal, ProposalState},
    time::Span,
};
use ostler_tools::{principal::Principal, record::ApprovalState};
use serde_json::{Value, json};

use super::{House, approvals::body, done, healer, held, house, operator, refused, scale};

fn agent(name: &str) -> Principal {
    Principal::Agent {
        name: name.parse().unwrap(),
    }
}

/// The open incident of the cart, which everybody writes to, and a call to cite.
async fn open_incident(house: &House, by: &Principal) -> (String, String) {
    let look = house.call(by, "list_services", json!({})).await;
    let known = house.gate.records().incidents.keys().next().cloned();
    if let Some(known) = known {
        return (known.to_string(), look.call.to_string());
    }
    let title = json!({ "service": "shop/cart", "title": "slow" });
    let opened = done(house.call(by, "open_incident", title).await);
    let incident = opened["incident"].as_str().unwrap().to_owned();
    (incident, look.call.to_string())
}

async fn propose(house: &House, by: &Principal, tool: &str, args: Value) -> crate::answer::Answer {
    let (incident, call) = open_incident(house, by).await;
    let calls = json!([{ "tool": tool, "arguments": args, "reason": "why not" }]);
    let args = json!({ "incident": incident, "proposal": body(&calls, &call) });
    house.call(by, "submit_proposal", args).await
}

async fn scales(house: &House, by: &str, replicas: u32) -> crate::answer::Answer {
    propose(house, &agent(by), "scale_service", scale(replicas)).await
}

async fn heals(house: &House) -> crate::answer::Answer {
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    propose(house, &healer(), "set_limits", limits).await
}

fn id(answer: crate::answer::Answer) -> String {
    done(answer)["proposal"].as_str().unwrap().to_owned()
}

fn proposal(house: &House, id: &str) -> Proposal {
    house.gate.records().proposals[&id.parse().unwrap()].clone()
}

async fn advance(house: &House, by: &Principal, id: &str, state: &str, count: u32) -> Value {
    let args = json!({ "proposal": id, "state": state, "done": count });
    done(house.call(by, "advance_proposal", args).await)
}

fn said(house: &House, proposal: &Proposal) -> Vec<String> {
    let records = house.gate.records();
    let timeline = &records.incidents[&proposal.incident].timeline;
    timeline.iter().map(|entry| entry.what.clone()).collect()
}

#[tokio::test]
async fn who_is_not_more_important_is_refused_in_words_until_the_holder_is_through() {
    let house = house().await;
    let held = id(heals(&house).await);
    for other in ["upgrader", "scaler"] {
        let words = refused(scales(&house, other, 3).await);
        for part in [
            "`shop/cart` is leased to agent:healer",
            &held,
            "for another",
            "priority is 300",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        let leaf = house.last().await;
        assert_eq!(
            (leaf.outcome.as_str(), leaf.tool.as_str()),
            ("refused", "submit_proposal")
        );
        let direct = house.call(&agent(other), "scale_service", scale(3)).await;
        assert!(refused(direct).contains("is leased to agent:healer"));
    }
    assert_eq!(house.replicas(), 0);
    // Its own next proposal meets no lease, nor does one for another service.
    id(heals(&house).await);
    let yaml = json!({ "yaml": super::SHOP.replace("name: cart", "name: other") });
    done(house.call(&operator(), "apply_services", yaml).await);
    let other = json!({ "service": "shop/other", "replicas": 2 });
    id(propose(&house, &agent("scaler"), "scale_service", other).await);
    let expired = |state| matches!(state, ProposalState::Expired);
    for mine in house.gate.records().proposals.values() {
        if mine.by == "agent:healer" {
            advance(&house, &healer(), mine.id.as_str(), "expired", 0).await;
        }
    }
    assert!(expired(proposal(&house, &held).state));
    id(scales(&house, "scaler", 3).await);
}

#[tokio::test]
async fn of_equals_the_first_one_works() {
    let house = house().await;
    id(scales(&house, "scaler", 3).await);
    let words = refused(scales(&house, "balancer", 2).await);
    assert!(
        words.contains("leased to agent:scaler") && words.contains("yours 100"),
        "{words}"
    );
}

#[tokio::test]
async fn the_more_important_one_takes_it_over() {
    let house = house().await;
    let lost = id(scales(&house, "scaler", 3).await);
    let taken = done(heals(&house).await);
    assert!(
        taken["words"]
            .as_str()
            .unwrap()
            .starts_with("takes the lease over from agent:scaler"),
        "{taken}"
    );
    let leaf = house.last().await;
    assert!(
        leaf.words
            .contains("takes the lease over from agent:scaler"),
        "{}",
        leaf.words
    );
    let lost = proposal(&house, &lost);
    assert_eq!(lost.state, ProposalState::Expired);
    let why = "withdrawn: agent:healer (priority 300) takes the lease over from agent:scaler (priority 100)";
    assert_eq!(lost.outcome.as_deref(), Some(why));
    assert!(said(&house, &lost).iter().any(|words| words == why));
    let direct = house
        .call(&agent("scaler"), "scale_service", scale(3))
        .await;
    assert!(refused(direct).contains("is leased to agent:healer"));
}

#[tokio::test]
async fn what_was_carried_out_of_a_proposal_that_loses_is_named() {
    let house = house().await;
    let scaler = agent("scaler");
    let lost = id(scales(&house, "scaler", 3).await);
    advance(&house, &scaler, &lost, "acting", 0).await;
    done(house.call(&scaler, "scale_service", scale(3)).await);
    advance(&house, &scaler, &lost, "verifying", 1).await;
    id(heals(&house).await);
    let lost = proposal(&house, &lost);
    assert_eq!(lost.state, ProposalState::Failed);
    let stands = "what was carried out of it stands: 1 of 1 calls are on record";
    assert!(
        lost.outcome.as_deref().unwrap().ends_with(stands),
        "{lost:?}"
    );
    let verified = json!({ "proposal": lost.id, "state": "verified", "done": 1 });
    refused(house.call(&scaler, "advance_proposal", verified).await);
}

#[tokio::test]
async fn a_persons_yes_does_not_outlive_the_lease() {
    let house = house().await;
    let asked = proposal(&house, &id(heals(&house).await));
    let approval = asked.approval.clone().unwrap();
    done(
        house
            .call(&operator(), "approve", json!({ "id": approval }))
            .await,
    );
    let limits = json!({ "service": "shop/cart", "memory": "96Mi" });
    id(propose(&house, &agent("warden"), "set_limits", limits.clone()).await);
    let state = house.gate.records().approvals[&approval].state;
    assert_eq!(state, ApprovalState::Expired);
    let words = refused(house.call(&healer(), "set_limits", limits).await);
    assert!(words.contains("is leased to agent:warden"), "{words}");
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    let house = house().await;
    let held = id(heals(&house).await);
    let until = proposal(&house, &held).lease_until.unwrap();
    let house_now = || ostler_core::time::Time(1_795_000_000_000);
    assert!(
        until.since(house_now()) <= Span::minutes(60 + 15 + 60),
        "bounded"
    );
    house.clock.advance(Span::minutes(60 + 15 + 60));
    id(scales(&house, "scaler", 3).await);
}

#[tokio::test]
async fn people_are_told_and_never_held_up() {
    let house = house().await;
    let held_by = id(heals(&house).await);
    let changed = done(house.call(&operator(), "scale_service", scale(2)).await);
    let told = changed["told"][0].as_str().unwrap();
    assert!(
        told.starts_with("agent:healer works on `shop/cart`") && told.contains(&held_by),
        "{told}"
    );
    assert_eq!(house.replicas(), 2);
    let words = said(&house, &proposal(&house, &held_by));
    let meanwhile = format!("while proposal `{held_by}` was open");
    assert!(
        words.iter().any(|words| words.ends_with(&meanwhile)),
        "{words:?}"
    );
    let assistant = Principal::Assistant {
        of: "ann".into(),
        roles: vec![ostler_tools::principal::Role::Operator],
    };
    held(house.call(&assistant, "scale_service", scale(4)).await);
}
