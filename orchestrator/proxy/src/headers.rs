//! What of a head goes on and what does not. Pure.
//!
//! Hop-by-hop lines end here (RFC 9110, section 7.6.1). What says where a request comes from is ours
//! alone: whatever a client writes there is dropped, as nobody outside is trusted to speak for others.

use std::net::IpAddr;

use hyper::{
    HeaderMap, Method, Request, StatusCode, Uri, Version,
    header::{self, HeaderName, HeaderValue},
    http::uri::PathAndQuery,
};

/// Lines that are between two neighbours.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Lines that say where a request comes from.
const ORIGIN: [&str; 7] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

/// Why a request goes no further.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status that it is answered with.
    pub status: StatusCode,
    /// Why and what to do, for whoever sent it.
    pub words: &'static str,
}

const fn refuse(status: StatusCode, words: &'static str) -> Refusal {
    Refusal { status, words }
}

/// What a client wants its connection to become, where that is allowed.
#[must_use]
pub fn wants_websocket<B>(request: &Request<B>) -> bool {
    let asks = |name: HeaderName, word: &str| {
        let lines = request.headers().get_all(name);
        lines.iter().any(|line| {
            let mut words = line.to_str().unwrap_or_default().split(',');
            words.any(|one| one.trim().eq_ignore_ascii_case(word))
        })
    };
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && asks(header::CONNECTION, "upgrade")
        && asks(header::UPGRADE, "websocket")
}

/// Makes a client's request one that is sent to an instance.
///
/// # Errors
/// [`Refusal`]: it says two things at once, or something that is not passed on.
pub fn to_instance<B>(request: &mut Request<B>, peer: IpAddr) -> Result<(), Refusal> {
    if request.method() == Method::CONNECT {
        return Err(refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "CONNECT is not passed on; ask for a path",
        ));
    }
    let websocket = wants_websocket(request);
    let host = host_of(request)?;
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    strip(headers);
    // Answered here, by reading the body.
    headers.remove(header::EXPECT);
    drop_origin(headers);
    headers.insert(header::HOST, host.clone());
    say_origin(headers, peer, &host);
    if websocket {
        upgrade(headers);
    }
    Ok(())
}

/// Makes an instance's answer one that is sent to the client.
pub fn to_client(headers: &mut HeaderMap) {
    strip(headers);
}

/// Says that the connection becomes a web socket.
pub fn upgrade(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether sending a request twice does no more than sending it once (RFC 9110, section 9.2.2).
#[must_use]
pub fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent()
}

/// The one host that is meant; the target's own where it names one (RFC 9112, section 3.2.2).
fn host_of<B>(request: &Request<B>) -> Result<HeaderValue, Refusal> {
    const BAD: &str = "send one Host line with a name or an address, and no more";
    let bad = refuse(StatusCode::BAD_REQUEST, BAD);
    let mut lines = request.headers().get_all(header::HOST).iter();
    let (line, more) = (lines.next(), lines.next());
    if more.is_some() || (line.is_none() && request.version() == Version::HTTP_11) {
        return Err(bad);
    }
    let own = request.uri().authority().map(|named| named.as_str());
    let host = match (own, line) {
        (Some(named), _) => named,
        (None, Some(line)) => line.to_str().map_err(|_| bad)?,
        (None, None) => "",
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.len() > 255 || !host.bytes().all(plain) {
        return Err(bad);
    }
    HeaderValue::from_str(host).map_err(|_| bad)
}

/// Takes out what is between two neighbours, and what they named as such. The length and the host are
/// no such thing whatever they name.
fn strip(headers: &mut HeaderMap) {
    let lines = headers.get_all(header::CONNECTION).iter();
    let words = lines.filter_map(|line| line.to_str().ok());
    let named: Vec<HeaderName> = words
        .flat_map(|line| line.split(','))
        .filter_map(|word| word.trim().parse().ok())
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Many servers read `X_Forwarded_For` as `X-Forwarded-For`: both go.
fn drop_origin(headers: &mut HeaderMap) {
    let means_origin =
        |name: &&HeaderName| ORIGIN.contains(&name.as_str().replace('_', "-").as_str());
    let names: Vec<HeaderName> = headers.keys().filter(means_origin).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// RFC 7239, and what was there before it.
fn say_origin(headers: &mut HeaderMap, peer: IpAddr, host: &HeaderValue) {
    let host = host.to_str().unwrap_or_default();
    let node = match peer {
        IpAddr::V4(peer) => peer.to_string(),
        IpAddr::V6(peer) => format!("\"[{peer}]\""),
    };
    let forwarded = format!("for={node};host=\"{host}\";proto=http");
    let ours = [
        ("x-forwarded-for", peer.to_string()),
        ("x-forwarded-host", host.to_owned()),
        ("x-forwarded-proto", "http".to_owned()),
        ("forwarded", forwarded),
    ];
    for (name, value) in ours {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, lines: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in lines {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn sent(uri: &str, lines: &[(&str, &str)]) -> Result<Request<()>, Refusal> {
        let mut request = request(uri, lines);
        to_instance(&mut request, [192, 0, 2, 7].into())?;
        Ok(request)
    }

    #[test]
    fn what_is_between_neighbours_ends_here() {
        let lines = [
            ("host", "shop"),
            ("connection", "keep-alive, X-Secret, host, content-length"),
            ("x-secret", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("content-length", "3"),
            ("accept", "*/*"),
        ];
        let request = sent("/a?b=c", &lines).unwrap();
        let mut names: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "accept",
            "content-length",
            "forwarded",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ];
        assert_eq!(names, expected);
        assert_eq!(request.uri(), "/a?b=c");
    }

    #[test]
    fn nobody_outside_says_where_a_request_comes_from() {
        let lines = [
            ("host", "shop:8080"),
            ("x-forwarded-for", "127.0.0.1"),
            ("X_Forwarded_For", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("x-real-ip", "127.0.0.1"),
            ("connection", "x-forwarded-for"),
        ];
        let request = sent("/", &lines).unwrap();
        let headers = request.headers();
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["host"], "shop:8080");
        assert_eq!(
            headers["forwarded"],
            "for=192.0.2.7;host=\"shop:8080\";proto=http"
        );
        assert!(!headers.contains_key("x_forwarded_for") && !headers.contains_key("x-real-ip"));
    }

    #[test]
    fn a_target_that_names_a_host_is_the_host() {
        let request = sent("http://one/path", &[("host", "two")]).unwrap();
        assert_eq!(
            (
                request.uri().to_string().as_str(),
                &request.headers()["host"]
            ),
            ("/path", &HeaderValue::from_static("one"))
        );
    }

    #[test]
    fn two_hosts_or_none_or_a_strange_one_are_refused() {
        for lines in [
            &[("host", "one"), ("host", "two")][..],
            &[],
            &[("host", "a\"b")],
            &[("host", "a b")],
        ] {
            let refusal = sent("/", lines).unwrap_err();
            assert_eq!(refusal.status, StatusCode::BAD_REQUEST, "{lines:?}");
        }
    }

    #[test]
    fn only_a_web_socket_is_something_to_become() {
        let asked = |to: &'static str| {
            let lines = [("host", "a"), ("connection", "Upgrade"), ("upgrade", to)];
            let request = sent("/", &lines).unwrap();
            request.headers().contains_key("upgrade")
        };
        assert!(asked("websocket") && asked("WebSocket"));
        assert!(!asked("h2c") && !asked("TLS/1.0"));
    }
}
