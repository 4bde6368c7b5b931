//! A request of somebody who is signed in: who they are, and forms that they really sent.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Form,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, Method, header, request::Parts},
};
use ostler_gate::Session;
use ostler_tools::principal::{Principal, Role};

use crate::{problem::Problem, state::Console};

/// The cookie that holds a session's secret.
pub(crate) const COOKIE: &str = "ostler_session";
/// The header of requests that only bring a page up to date.
const LIVE: &str = "x-ostler-live";
/// The field of every form that shows it to be ours.
pub(crate) const FORM_TOKEN: &str = "form_token";

/// One request of a signed-in person.
pub(crate) struct Visit {
    pub(crate) console: Arc<Console>,
    pub(crate) session: Session,
    /// Words of the action before, to be shown once.
    pub(crate) told: Option<String>,
}

/// A form that a page of this session sent.
pub(crate) struct Posted {
    pub(crate) visit: Visit,
    pub(crate) fields: BTreeMap<String, String>,
}

/// The session's secret, as the browser sends it.
pub(crate) fn secret_of(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, COOKIE)
}

/// A cookie's value.
pub(crate) fn cookie_of<'h>(headers: &'h HeaderMap, cookie: &str) -> Option<&'h str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, value)| (name == cookie).then_some(value))
}

impl FromRequestParts<Arc<Console>> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console>,
    ) -> Result<Self, Problem> {
        let session = secret_of(&parts.headers).and_then(|secret| console.gate.session(secret));
        let shown = parts.method == Method::GET && !parts.headers.contains_key(LIVE);
        let session = session.ok_or(match shown {
            true => Problem::GoSignIn,
            false => Problem::SignedOut,
        })?;
        let told = shown.then(|| console.take_told(&session.form_token));
        Ok(Self {
            console: Arc::clone(console),
            session,
            told: told.flatten(),
        })
    }
}

impl FromRequest<Arc<Console>> for Posted {
    type Rejection = Problem;

    async fn from_request(request: Request, console: &Arc<Console>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, console).await?;
        let request = Request::from_parts(parts, body);
        let form = Form::<BTreeMap<String, String>>::from_request(request, console).await;
        let Form(fields) = form.map_err(|_| Problem::bad("the form cannot be read"))?;
        if fields.get(FORM_TOKEN) != Some(&visit.session.form_token) {
            return Err(Problem::Forged);
        }
        Ok(Self { visit, fields })
    }
}

impl Posted {
    /// A field's text without space around it; nothing where it is empty or absent.
    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        let text = self.fields.get(field)?.trim();
        (!text.is_empty()).then_some(text)
    }

    /// A field that the page always sends.
    pub(crate) fn needed(&self, field: &str) -> Result<&str, Problem> {
        self.text(field)
            .ok_or_else(|| Problem::bad(&format!("`{field}` is empty; fill it in")))
    }

    /// Where to go afterwards: a path of this console, never another site.
    pub(crate) fn back(&self) -> &str {
        let ours = |path: &&str| {
            path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n'])
        };
        self.text("back").filter(ours).unwrap_or("/")
    }
}

impl Visit {
    /// The caller, as the gate knows them.
    pub(crate) const fn principal(&self) -> &Principal {
        &self.session.principal
    }
}

/// What was written in a field, if anything was.
pub(crate) fn given(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

/// The roles of a person.
#[must_use]
pub(crate) fn roles(principal: &Principal) -> &[Role] {
    match principal {
        Principal::User { roles, .. } => roles,
        _ => &[],
    }
}
