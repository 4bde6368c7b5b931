//! What holds for every answer: no script or style but ours, no frame, nothing cached; and for every
//! POST that it comes from this very site.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::problem::Problem;

/// Where this is sent: the Content Security Policy, level 3.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types ostler";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // A form post without a referrer would carry `Origin: null`, which the guard could not check.
    (header::REFERRER_POLICY, "same-origin"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Turns posts of other sites away, and puts the headers on every answer.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET && request.method() != Method::HEAD;
    let mut response = if changes && !same_site(request.headers()) {
        Problem::Foreign.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let kept = headers.entry(header::CACHE_CONTROL);
    kept.or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Browsers say which site sends a form: it must be this one, to the port. Who says nothing is no
/// browser, and still needs the session and its form token.
fn same_site(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let fetched = text(HeaderName::from_static("sec-fetch-site"));
    if fetched.is_some_and(|site| site != "same-origin" && site != "none") {
        return false;
    }
    let Some(origin) = text(header::ORIGIN) else {
        return true;
    };
    let site = origin.split_once("://").map(|(_, site)| site);
    site.is_some() && site == text(header::HOST)
}

/// Whether the browser says that it came over TLS.
pub(crate) fn over_tls(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN);
    origin.is_some_and(|origin| origin.as_bytes().starts_with(b"https://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), value.parse().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn only_this_very_site_posts() {
        let host = ("host", "127.0.0.1:7070");
        let ours = [host, ("origin", "http://127.0.0.1:7070")];
        assert!(same_site(&headers(&ours)));
        assert!(same_site(&headers(&[host])), "no browser");
        for origin in ["http://127.0.0.1:7071", "http://evil.example", "null", ""] {
            assert!(
                !same_site(&headers(&[host, ("origin", origin)])),
                "{origin}"
            );
        }
        for site in ["cross-site", "same-site"] {
            let pairs = [host, ours[1], ("sec-fetch-site", site)];
            assert!(!same_site(&headers(&pairs)), "{site}");
        }
    }
}
