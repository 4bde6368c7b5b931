//! Names by which clients may call this server, and pages that may: against DNS rebinding.

use axum::http::{HeaderMap, header};

/// Loopback's names, and those that the operator gave.
pub fn allowed_hosts(more: &[String]) -> Vec<String> {
    let loopback = ["localhost", "127.0.0.1", "::1"];
    loopback
        .into_iter()
        .map(str::to_owned)
        .chain(more.iter().cloned())
        .collect()
}

/// Pages of these names, over TLS; of loopback's also without.
pub fn allowed_origins(more: &[String]) -> Vec<String> {
    let written = |name: &String| match name.contains(':') {
        true => format!("[{name}]"),
        false => name.clone(),
    };
    let loopback = allowed_hosts(&[]);
    let plain = loopback
        .iter()
        .map(|name| format!("http://{}:*", written(name)));
    let over_tls = allowed_hosts(more);
    let over_tls = over_tls
        .iter()
        .map(|name| format!("https://{}:*", written(name)));
    plain.chain(over_tls).collect()
}

/// Browsers say which page sends a request; others say nothing.
pub fn origin_is_ours(headers: &HeaderMap, more: &[String]) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let site = origin.to_str().ok().and_then(|origin| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
    });
    site.is_some_and(|site| name_is_ours(site, more))
}

/// Whether a request was sent to a name of this server.
pub fn host_is_ours(headers: &HeaderMap, more: &[String]) -> bool {
    let host = headers.get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    host.is_some_and(|host| name_is_ours(host, more))
}

/// Whether a name, with or without a port, is this server's.
fn name_is_ours(host: &str, more: &[String]) -> bool {
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    let name = name
        .map_or(host, |(name, _)| name)
        .trim_start_matches('[')
        .trim_end_matches(']');
    allowed_hosts(more)
        .iter()
        .any(|ours| ours == host || ours.eq_ignore_ascii_case(name))
}
