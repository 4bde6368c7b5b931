//! What went wrong, as a page in words with the fitting status.

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use ostler_core::id::{ApprovalId, CallId};
use ostler_tools::words::untrusted;

use crate::ui::frame::bare;

/// Why a request was not answered with what it asked for.
#[derive(Debug)]
pub(crate) enum Problem {
    /// Nobody is signed in, and a page was asked for: to the sign-in page.
    GoSignIn,
    /// Nobody is signed in.
    SignedOut,
    /// A form that no page of this session made.
    Forged,
    /// The page of another site asks.
    Foreign,
    /// The sign-in link is not good.
    BadLink,
    /// The issuer's page cannot be found now.
    NoIssuer,
    /// Nobody who may be anything here came back from the issuer.
    NotKnown,
    /// Policy says no.
    Denied { words: String, call: CallId },
    /// Somebody else must say yes first.
    Held {
        approval: ApprovalId,
        words: String,
        call: CallId,
    },
    /// The arguments are not accepted, or there is no such thing.
    Refused { words: String, call: Option<CallId> },
    /// It could not be done.
    Failed { words: String, call: Option<CallId> },
    /// There is no such page.
    NoPage,
    /// Too many follow already.
    Busy,
}

impl Problem {
    /// A request that the console itself does not accept.
    pub(crate) fn bad(words: &str) -> Self {
        Self::Refused {
            words: words.to_owned(),
            call: None,
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::SignedOut | Self::GoSignIn => StatusCode::UNAUTHORIZED,
            Self::Forged | Self::Foreign | Self::BadLink | Self::NotKnown | Self::Denied { .. } => {
                StatusCode::FORBIDDEN
            }
            Self::Held { .. } => StatusCode::ACCEPTED,
            Self::Refused { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoPage => StatusCode::NOT_FOUND,
            Self::Failed { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy | Self::NoIssuer => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    const fn title(&self) -> &'static str {
        match self {
            Self::SignedOut | Self::GoSignIn => "You are not signed in",
            Self::Forged => "This form was not sent from a page of your session",
            Self::Foreign => "This request came from another site",
            Self::BadLink => "This link is not good any more",
            Self::NoIssuer => "Your identity provider cannot be asked",
            Self::NotKnown => "You are not signed in",
            Self::Denied { .. } => "Policy says no",
            Self::Held { .. } => "Held until somebody says yes",
            Self::Refused { .. } => "Not accepted",
            Self::Failed { .. } => "It could not be done",
            Self::NoPage => "There is no such page",
            Self::Busy => "Too many browsers follow at a time",
        }
    }

    fn words(&self) -> &str {
        match self {
            Self::SignedOut | Self::GoSignIn => {
                "Your session ended, or there never was one. Run `ostler console` on the daemon's machine for a new link."
            }
            Self::Forged => "Nothing was done. Go back, load the page again, and repeat it there.",
            Self::Foreign => {
                "Nothing was done. Open the console by the address that `ostler console` prints."
            }
            Self::BadLink => {
                "A link is good once, and for five minutes. Run `ostler console` again for a new one."
            }
            Self::NoIssuer => {
                "It does not answer, or does not say where people sign in; the daemon's log says which. `ostler console` gives a link meanwhile."
            }
            Self::NotKnown => {
                "Your identity provider did not say who you are in time, or you are in no group that may be anything here. Try again from the sign-in page."
            }
            Self::Denied { words, .. }
            | Self::Held { words, .. }
            | Self::Refused { words, .. }
            | Self::Failed { words, .. } => words,
            Self::NoPage => "What you look for may have ended, or the address has a slip.",
            Self::Busy => "Pages still work; load them again to see what changed.",
        }
    }

    fn call(&self) -> Option<&CallId> {
        match self {
            Self::Denied { call, .. } | Self::Held { call, .. } => Some(call),
            Self::Refused { call, .. } | Self::Failed { call, .. } => call.as_ref(),
            _ => None,
        }
    }

    fn page(&self) -> Markup {
        let home = !matches!(
            self,
            Self::SignedOut | Self::BadLink | Self::NoIssuer | Self::NotKnown
        );
        bare(
            self.title(),
            &html! {
                h1 { (self.title()) }
                p.lead { bdi { (untrusted(self.words())) } }
                @if let Some(call) = self.call() {
                    p.quiet { "Recorded as " code { (call) } "." }
                }
                p {
                    @if let Self::Held { approval, .. } = self {
                        a.button href={ "/approvals/" (approval) } { "See the request" } " "
                    }
                    @if home { a href="/" { "Back to the night desk" } }
                    @else { a href="/sign-in" { "Sign in with a code" } }
                }
            },
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if matches!(self, Self::GoSignIn) {
            return Redirect::to("/sign-in").into_response();
        }
        (self.status(), Html(self.page().into_string())).into_response()
    }
}
