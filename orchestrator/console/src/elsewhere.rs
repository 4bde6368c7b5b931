//! Signing in by somebody else's page: to the issuer and back. What comes back is who somebody is; the link and
//! the session are then asked for by a call of that person's, judged and recorded as any other.

use std::sync::Arc;

use async_trait::async_trait;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{DOCTYPE, html};
use ostler_gate::answer::Outcome;
use ostler_tools::{answer::ConsoleLink, principal::Principal};
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use crate::{problem::Problem, sign_in::cookie, state::Console, visit::cookie_of};

/// The cookie that ties a browser to the way it was sent on.
const COOKIE: &str = "ostler_sign_in";
/// Where the issuer sends people back to.
const BACK: &str = "/sign-in/back";

/// Somebody who says who people are, on pages of their own.
#[async_trait]
pub trait Elsewhere: Send + Sync {
    /// Whether the console is served with TLS.
    fn secure(&self) -> bool;
    /// Where people reach the console, where somebody said so.
    fn address(&self) -> Option<&str>;
    /// Where to send a browser that is to come back to `back`; nothing where that cannot be told now.
    async fn begin(&self, back: &str) -> Option<Begun>;
    /// Who somebody is that came back; nobody where anything about it is not as it must be.
    async fn finish(&self, state: &str, code: &str, browser: &str) -> Option<Principal>;
}

/// A browser that is sent away.
pub struct Begun {
    /// Where to.
    pub to: String,
    /// What it must bring back as a cookie, so that nobody is signed in by another's way.
    pub browser: Zeroizing<String>,
}

/// What an issuer sends back.
#[derive(Deserialize)]
pub(crate) struct Back {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
}

/// Sends a browser away.
pub(crate) async fn begin(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let elsewhere = console.elsewhere.as_ref().ok_or(Problem::NoPage)?;
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let scheme = if elsewhere.secure() { "https" } else { "http" };
    let called = host.map(|host| format!("{scheme}://{host}"));
    let address = elsewhere.address().map(ToOwned::to_owned).or(called);
    let address = address.ok_or_else(|| Problem::bad("the request names no host"))?;
    let begun = elsewhere.begin(&format!("{address}{BACK}")).await;
    let begun = begun.ok_or(Problem::NoIssuer)?;
    // It must come along when the issuer sends the browser back, so it cannot be strict.
    let secure = if elsewhere.secure() { "; Secure" } else { "" };
    let tied = format!(
        "{COOKIE}={}; Path=/sign-in; Max-Age=600; HttpOnly; SameSite=Lax{secure}",
        begun.browser.as_str()
    );
    let tied = HeaderValue::from_str(&tied).map_err(|_| Problem::NoIssuer)?;
    Ok(([(header::SET_COOKIE, tied)], Redirect::to(&begun.to)).into_response())
}

/// Somebody comes back.
pub(crate) async fn finish(
    State(console): State<Arc<Console>>,
    Query(back): Query<Back>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let elsewhere = console.elsewhere.as_ref().ok_or(Problem::NoPage)?;
    let browser = cookie_of(&headers, COOKIE).unwrap_or_default();
    let who = elsewhere.finish(&back.state, &back.code, browser).await;
    let who = who.ok_or(Problem::NotKnown)?;
    let gate = Arc::clone(&console.gate);
    let answer = Arc::clone(&gate)
        .call(&who, "create_console_session", json!({}))
        .await;
    let link: ConsoleLink = match answer.outcome {
        Outcome::Done { value, .. } => {
            serde_json::from_value(value).map_err(|_| Problem::NotKnown)?
        }
        Outcome::Denied { words, .. } => {
            return Err(Problem::Denied {
                words,
                call: answer.call,
            });
        }
        _ => return Err(Problem::NotKnown),
    };
    let signed = gate.sign_in(&link.code).await.ok_or(Problem::BadLink)?;
    let session = cookie(&signed.secret, signed.lasts.0 / 1_000, elsewhere.secure())?;
    // A redirect would still be the other site's doing, and the strict cookie would stay behind.
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Signed in" } meta http-equiv="refresh" content="0; url=/"; }
            body { p { "You are signed in. " a href="/" { "Go on to the night desk" } } }
        }
    };
    Ok(([(header::SET_COOKIE, session)], Html(page.into_string())).into_response())
}
