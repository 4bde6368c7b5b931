//! Addresses that the operator's configuration names.

use reqwest::Url;

/// Whether what is sent there is nobody else's to read or to answer: https, or plain http on loopback.
#[must_use]
pub fn is_private(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
    match url.scheme() {
        "https" => !host.is_empty(),
        "http" => loopback,
        _ => false,
    }
}
