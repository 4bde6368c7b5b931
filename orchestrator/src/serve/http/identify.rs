//! Who sends a request: a bearer token's owner, whom a certificate speaks for, or nobody, who comes no
//! further than the record.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ostler_tools::principal::Principal;
use rmcp::model::Extensions;
use serde_json::Value;

use super::{Inner, resource};
use crate::serve::tls::{Certified, Peer};

/// Largest request of an unknown caller that is looked at, in bytes.
const UNKNOWN_BODY_LIMIT: usize = 64 << 10;

/// What a request says of who sends it.
struct Claims {
    /// What was written where a token stands; empty where that is no bearer token.
    token: Option<String>,
    /// By the connection.
    certified: Certified,
}

/// Why a request is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nobody {
    /// It brings nothing.
    Nothing,
    /// A token that is no good.
    Token,
    /// A certificate that is nobody's who is known.
    Certificate,
    /// A certificate that is no good any more.
    Ended,
    /// A token of one person over the connection of another.
    Both,
}

/// The proof that [`authenticate`] left with the request.
pub fn caller_of(extensions: &Extensions) -> Option<Principal> {
    extensions
        .get::<Parts>()?
        .extensions
        .get::<Principal>()
        .cloned()
}

/// Finds out who calls; nobody unknown comes further.
pub async fn authenticate(
    State(inner): State<Arc<Inner>>,
    mut request: Request,
    next: Next,
) -> Response {
    let claims = Claims {
        token: token_of(request.headers()),
        certified: certified(&inner, &request),
    };
    let owner = match claims.token.as_deref() {
        None | Some("") => None,
        Some(token) => owner(&inner, token).await,
    };
    let why = match caller(&claims, owner) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            return next.run(request).await;
        }
        Err(why) => why,
    };
    inner.http.turned_away.fetch_add(1, Ordering::Relaxed);
    if let Some(unsaid) = inner.quiet.may_say() {
        tracing::warn!(
            ?why,
            unsaid,
            "an HTTP request without proof of who sends it was turned away"
        );
    }
    record_unknown(&inner, request.into_body()).await;
    turned_away(&inner, why)
}

/// Weighs what a request brings. A token is said on purpose, a certificate comes along: so a token that is
/// no good is not made up for by a certificate, and one of somebody else than the certificate's person is
/// somebody's who should not have it.
fn caller(claims: &Claims, owner: Option<Principal>) -> Result<Principal, Nobody> {
    match (&claims.token, owner, &claims.certified) {
        (_, _, Certified::Ended) => Err(Nobody::Ended),
        (Some(_), None, _) => Err(Nobody::Token),
        (Some(_), Some(owner), Certified::Person(person)) => match same(&owner, person) {
            true => Ok(owner),
            false => Err(Nobody::Both),
        },
        (Some(_), Some(owner), Certified::Nothing | Certified::Nobody) => Ok(owner),
        (None, _, Certified::Person(person)) => Ok(person.clone()),
        (None, _, Certified::Nobody) => Err(Nobody::Certificate),
        (None, _, Certified::Nothing) => Err(Nobody::Nothing),
    }
}

/// Whether two proofs are of one person, whatever their roles.
fn same(one: &Principal, other: &Principal) -> bool {
    one.to_string() == other.to_string()
}

fn certified(inner: &Inner, request: &Request) -> Certified {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    match (&inner.http.tls, peer) {
        (Some(tls), Some(ConnectInfo(peer))) => tls.who(peer),
        _ => Certified::Nothing,
    }
}

/// The daemon's own tokens first; others are the issuer's to know.
async fn owner(inner: &Inner, token: &str) -> Option<Principal> {
    if let Some(own) = inner.http.door.authenticate(token).await {
        return Some(own);
    }
    inner.http.issuer.as_ref()?.authenticate(token).await
}

/// The bearer token; empty where something else is written in its place.
fn token_of(headers: &HeaderMap) -> Option<String> {
    let written = headers.get(header::AUTHORIZATION)?;
    let pair = written.to_str().ok().and_then(|text| text.split_once(' '));
    let bearer = pair.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    Some(bearer.map_or_else(String::new, |(_, token)| token.trim().to_owned()))
}

/// Lets the gate deny a call of nobody, and record it within limits; its answer is not shown to them.
async fn record_unknown(inner: &Inner, body: Body) {
    let read =
        tokio::time::timeout(Duration::from_secs(5), to_bytes(body, UNKNOWN_BODY_LIMIT)).await;
    let Ok(Ok(bytes)) = read else { return };
    let Ok(message) = serde_json::from_slice::<Value>(&bytes) else {
        return;
    };
    if message.get("method").and_then(Value::as_str) != Some("tools/call") {
        return;
    }
    let params = message.get("params").cloned().unwrap_or_default();
    let tool = params
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let args = params
        .get("arguments")
        .cloned()
        .unwrap_or_else(|| Value::Object(Default::default()));
    let door = Arc::clone(&inner.http.door);
    let _denied = door.call(&Principal::Anonymous, tool, args).await;
}

fn turned_away(inner: &Inner, why: Nobody) -> Response {
    let knows_clients = inner
        .http
        .tls
        .as_ref()
        .is_some_and(|tls| tls.knows_clients());
    let (error, words) = match why {
        Nobody::Token => (
            ", error=\"invalid_token\"",
            "the bearer token is unknown, revoked, expired or not for this server",
        ),
        Nobody::Nothing if knows_clients => ("", "a bearer token or a certificate is needed"),
        Nobody::Nothing => ("", "a bearer token is needed"),
        Nobody::Certificate => (
            "",
            "no person here has a name that is in your certificate; an administrator adds it to `tls.clients.people`",
        ),
        Nobody::Ended => (
            "",
            "your certificate has expired, was revoked or is of an authority that no longer counts; connect anew",
        ),
        Nobody::Both => (
            ", error=\"invalid_token\"",
            "the bearer token is not of the person whose certificate you bring; leave one of them away",
        ),
    };
    let issuer = inner.http.issuer.as_deref();
    let metadata = issuer.map(resource::hint).unwrap_or_default();
    let challenge = format!("Bearer realm=\"ostler\"{error}{metadata}");
    let other = issuer.map_or_else(String::new, |issuer| {
        format!(", or sign in at {}", issuer.address())
    });
    let help = format!(
        "make one with `ostler token create NAME --role viewer` on the daemon's machine{other}"
    );
    let message = match why {
        Nobody::Nothing | Nobody::Token => format!("{words}; {help}"),
        Nobody::Certificate | Nobody::Ended | Nobody::Both => words.to_owned(),
    };
    let body = serde_json::json!({ "error": "unauthorized", "message": message });
    let headers = [
        (header::WWW_AUTHENTICATE, challenge),
        (header::CONTENT_TYPE, "application/json".to_owned()),
    ];
    (StatusCode::UNAUTHORIZED, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use ostler_tools::principal::Role;

    use super::*;

    fn user(name: &str, role: Role) -> Principal {
        Principal::User {
            name: name.to_owned(),
            roles: vec![role],
        }
    }

    #[test]
    fn a_token_and_a_certificate_must_be_of_one_person() {
        let (ann, otto) = (user("ann", Role::Viewer), user("otto", Role::Operator));
        let admin = user("ann", Role::Admin);
        let person = || Certified::Person(ann.clone());
        let none = Certified::Nothing;
        let token = || Some("t".to_owned());
        for (token, owner, certified, comes) in [
            (None, None, none.clone(), Err(Nobody::Nothing)),
            (token(), None, none.clone(), Err(Nobody::Token)),
            (token(), Some(&otto), none, Ok(&otto)),
            (None, None, person(), Ok(&ann)),
            (None, None, Certified::Nobody, Err(Nobody::Certificate)),
            (None, None, Certified::Ended, Err(Nobody::Ended)),
            (token(), None, person(), Err(Nobody::Token)),
            (token(), None, Certified::Nobody, Err(Nobody::Token)),
            (token(), Some(&otto), Certified::Nobody, Ok(&otto)),
            (token(), Some(&otto), Certified::Ended, Err(Nobody::Ended)),
            (token(), Some(&otto), person(), Err(Nobody::Both)),
            (token(), Some(&admin), person(), Ok(&admin)),
            (Some(String::new()), None, person(), Err(Nobody::Token)),
        ] {
            let claims = Claims { token, certified };
            let words = format!("{:?} {owner:?} {:?}", claims.token, claims.certified);
            let came = caller(&claims, owner.cloned());
            assert_eq!(came, comes.cloned(), "{words}");
        }
    }
}
