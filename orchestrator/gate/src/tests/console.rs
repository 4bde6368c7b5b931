//! Signing in to the console: once, in time, as oneself, on record.

use std::sync::Arc;

use ostler_core::time::Span;
use ostler_tools::principal::{Principal, Role};
use serde_json::{Value, json};

use super::{House, admin, denied, done, healer, house, strangers::assistant, user};
use crate::Reception;

const TOOL: &str = "create_console_session";

async fn link(house: &House, who: &Principal, args: Value) -> String {
    let made = done(house.call(who, TOOL, args).await);
    made["code"].as_str().unwrap().to_owned()
}

async fn sign_in(house: &House, code: &str) -> Option<String> {
    let signed = Arc::clone(&house.gate).sign_in(code).await?;
    Some(signed.secret.to_string())
}

#[tokio::test]
async fn a_link_is_good_once_for_exactly_who_asked() {
    let house = house().await;
    let vic = user("vic", Role::Viewer);
    let code = link(&house, &vic, json!({})).await;
    assert!(sign_in(&house, "x").await.is_none());
    let secret = sign_in(&house, &code).await.unwrap();
    assert_eq!(house.last().await.tool, "(console sign-in)");
    assert_eq!(house.last().await.principal, "user:vic");
    let session = house.gate.session(&secret).unwrap();
    assert_eq!(session.principal, vic);
    assert!(sign_in(&house, &code).await.is_none(), "a second time");
    assert_eq!(house.last().await.principal, "anonymous");
    assert!(house.gate.session(&code).is_none());
    let texts = house.store.texts().concat();
    assert!(!texts.contains(&code) && !texts.contains(&secret));
    house.gate.sign_out(&secret);
    assert!(house.gate.session(&secret).is_none());
}

#[tokio::test]
async fn links_and_sessions_end() {
    let house = house().await;
    let late = link(&house, &admin(), json!({})).await;
    house.clock.advance(Span::minutes(5));
    assert!(sign_in(&house, &late).await.is_none());
    let code = link(&house, &admin(), json!({})).await;
    let secret = sign_in(&house, &code).await.unwrap();
    house.clock.advance(Span::minutes(59));
    assert!(house.gate.session(&secret).is_some());
    house.clock.advance(Span::minutes(60));
    assert!(house.gate.session(&secret).is_none(), "idle for an hour");
    let code = link(&house, &admin(), json!({})).await;
    let secret = sign_in(&house, &code).await.unwrap();
    for _ in 0..24 {
        house.clock.advance(Span::minutes(30));
        house.gate.session(&secret);
    }
    assert!(
        house.gate.session(&secret).is_none(),
        "however much it is used"
    );
}

#[tokio::test]
async fn a_session_is_never_more_than_who_asked() {
    let house = house().await;
    let all = Principal::User {
        name: "root".to_owned(),
        roles: vec![Role::Viewer, Role::Operator, Role::Admin],
    };
    let code = link(&house, &all, json!({ "role": "viewer" })).await;
    let secret = sign_in(&house, &code).await.unwrap();
    let session = house.gate.session(&secret).unwrap();
    assert_eq!(session.principal, user("root", Role::Viewer));
    let vic = user("vic", Role::Viewer);
    let code = link(&house, &vic, json!({ "role": "admin" })).await;
    let secret = sign_in(&house, &code).await.unwrap();
    assert_eq!(house.gate.session(&secret).unwrap().principal, vic);
    for other in [healer(), assistant(&[Role::Viewer, Role::Operator])] {
        denied(house.call(&other, TOOL, json!({})).await);
    }
}

#[tokio::test]
async fn a_session_ends_with_the_token_of_its_person() {
    let house = house().await;
    let token = json!({ "name": "vera", "roles": ["viewer"] });
    done(house.call(&admin(), "create_token", token.clone()).await);
    let vera = user("vera", Role::Viewer);
    let code = link(&house, &vera, json!({})).await;
    let waits = link(&house, &vera, json!({})).await;
    let secret = sign_in(&house, &code).await.unwrap();
    assert!(house.gate.session(&secret).is_some());
    done(
        house
            .call(&admin(), "revoke_token", json!({ "name": "vera" }))
            .await,
    );
    assert!(house.gate.session(&secret).is_none());
    done(house.call(&admin(), "create_token", token).await);
    assert!(sign_in(&house, &waits).await.is_none(), "another token now");
}
