//! A person's word on a believed cause: only people's, kept with the incident, readable by agents.

use super::*;

#[tokio::test]
async fn only_people_correct_and_agents_read_it() {
    let house = house().await;
    let cause = json!({
        "kind": "bad_change", "culprit": "shop/cart", "confidence": 0.9, "explanation": "a change", "evidence": [],
    });
    let opened = json!({
        "service": "shop/cart", "title": "cart: crash loop", "cause": cause, "symptoms": ["crash_loop"],
    });
    let opened = done(house.call(&healer(), "open_incident", opened).await);
    let id = &opened["incident"];
    let correction = json!({ "incident": id, "cause": "disk_full", "reason": "the disk was full" });
    let assistant = operator().assistant(Role::Operator).unwrap();
    for other in [healer(), assistant] {
        let (_, policies) = denied(
            house
                .call(&other, "correct_incident", correction.clone())
                .await,
        );
        assert_eq!(policies, ["only-people-correct"], "{other}");
    }
    let same = json!({ "incident": id, "cause": "bad_change", "reason": "it was" });
    refused(house.call(&operator(), "correct_incident", same).await);
    done(
        house
            .call(&operator(), "correct_incident", correction)
            .await,
    );
    let read = done(
        house
            .call(&healer(), "get_incident", json!({ "incident": id }))
            .await,
    );
    let kept = &read["incident"]["correction"];
    assert_eq!(kept["by"], "user:ann", "{kept}");
    assert_eq!(
        (&kept["wrong"], &kept["cause"]),
        (&json!("bad_change"), &json!("disk_full"))
    );
    let list = done(house.call(&healer(), "list_incidents", json!({})).await);
    assert_eq!(list["incidents"][0]["symptoms"], json!(["crash_loop"]));
    assert_eq!(
        list["incidents"][0]["correction"]["words"],
        "the disk was full"
    );
}
