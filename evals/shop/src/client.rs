//! Asking another service: one connection per request, so that every request may reach another
//! instance.
//!
//! Names are looked up in `/etc/hosts`, anew each time. That is all there is to look up in: the
//! binary is static, and the C library's resolver would need its plug-ins at run time.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{Method, Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

const HOSTS: &str = "/etc/hosts";
const ANSWER_LIMIT: usize = 1 << 20;

/// Sends a request and reads the whole answer, within a time.
pub async fn ask(
    method: Method,
    base: &str,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), String> {
    match tokio::time::timeout(limit, exchange(method, base, path)).await {
        Ok(answer) => answer.map_err(|error| format!("{base}{path}: {error}")),
        Err(_) => Err(format!(
            "{base}{path}: no answer within {} ms",
            limit.as_millis()
        )),
    }
}

async fn exchange(method: Method, base: &str, path: &str) -> io::Result<(StatusCode, Bytes)> {
    let host = base
        .strip_prefix("http://")
        .unwrap_or(base)
        .trim_end_matches('/');
    let stream = TcpStream::connect(address(host)?).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host);
    let request = request
        .header("connection", "close")
        .body(Full::<Bytes>::default());
    let request = request.map_err(io::Error::other)?;
    let talk = async {
        let answer = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
            .collect()
            .await;
        Ok((status, body.map_err(io::Error::other)?.to_bytes()))
    };
    tokio::pin!(talk, connection);
    tokio::select! {
        biased;
        answer = &mut talk => answer,
        // It has ended, and what arrived before that is still to be read.
        _ = &mut connection => talk.await,
    }
}

/// The address of `host:port`.
fn address(host: &str) -> io::Result<SocketAddr> {
    let (name, port) = host.rsplit_once(':').unwrap_or((host, "80"));
    let invalid =
        |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("{what} in `{host}`"));
    let port = port.parse().map_err(|_| invalid("no port"))?;
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let hosts = std::fs::read_to_string(HOSTS)?;
    let found = find(&hosts, name);
    let unknown = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("`{name}` is not in {HOSTS}"),
        )
    };
    Ok(SocketAddr::new(found.ok_or_else(unknown)?, port))
}

/// The first IPv4 address of a name in the text of a hosts file, else its first of any kind.
fn find(hosts: &str, name: &str) -> Option<IpAddr> {
    let lines = hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words
            .any(|word| word.eq_ignore_ascii_case(name))
            .then_some(address)
    });
    let addresses: Vec<IpAddr> = lines.collect();
    addresses
        .iter()
        .find(|address| address.is_ipv4())
        .or(addresses.first())
        .copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_a_hosts_file() {
        let hosts =
            "# note\n::1 localhost\n127.0.0.1 localhost\n10.9.128.4 cart cart.default # x\n";
        assert_eq!(find(hosts, "cart"), Some([10, 9, 128, 4].into()));
        assert_eq!(find(hosts, "localhost"), Some([127, 0, 0, 1].into()));
        assert_eq!(find(hosts, "car"), None);
        assert_eq!(find(hosts, "x"), None);
    }
}
