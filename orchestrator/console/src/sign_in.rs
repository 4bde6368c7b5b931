//! Signing in by a link that is good once, and signing out.
//!
//! The link's secret stands behind `#`, which browsers send nowhere; the page's script puts it into the
//! form and takes it out of the address. Without scripts a person pastes the code.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Form,
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::html;

use crate::{
    guard::over_tls,
    problem::Problem,
    state::Console,
    ui::frame::bare,
    visit::{COOKIE, Posted, secret_of},
};

/// The page with the form.
pub(crate) async fn form(State(console): State<Arc<Console>>) -> Html<String> {
    let page = bare(
        "Sign in",
        &html! {
            h1 { "Sign in to Ostler" }
            p.lead { "Run " code { "ostler console" } " on the daemon's machine. It prints a link that is good once, and its code." }
            form #sign-in method="post" action="/sign-in" {
                label for="code" { "Code" }
                input #code type="password" name="code" autocomplete="off" required autofocus;
                button type="submit" { "Sign in" }
            }
            @if console.elsewhere.is_some() {
                p { "Or " a href="/sign-in/elsewhere" { "sign in with your identity provider" } "." }
            }
        },
    );
    Html(page.into_string())
}

/// Uses up the link.
pub(crate) async fn enter(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    form: Result<Form<BTreeMap<String, String>>, axum::extract::rejection::FormRejection>,
) -> Result<Response, Problem> {
    let Form(fields) = form.map_err(|_| Problem::bad("the form cannot be read"))?;
    let code = fields.get("code").map_or("", |code| code.trim());
    let signed = Arc::clone(&console.gate).sign_in(code).await;
    let signed = signed.ok_or(Problem::BadLink)?;
    let lasts = signed.lasts.0 / 1_000;
    with_cookie(&signed.secret, lasts, over_tls(&headers))
}

/// Ends the session.
pub(crate) async fn leave(headers: HeaderMap, posted: Posted) -> Result<Response, Problem> {
    if let Some(secret) = secret_of(&headers) {
        posted.visit.console.gate.sign_out(secret);
    }
    with_cookie("", 0, over_tls(&headers))
}

fn with_cookie(secret: &str, lasts: u64, tls: bool) -> Result<Response, Problem> {
    let cookie = cookie(secret, lasts, tls)?;
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

/// The cookie of a session that lasts so many seconds.
pub(crate) fn cookie(secret: &str, lasts: u64, tls: bool) -> Result<HeaderValue, Problem> {
    let secure = if tls { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={secret}; Path=/; Max-Age={lasts}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).map_err(|_| Problem::BadLink)
}
