//! A daemon reached over HTTP, with a token's or a certificate's identity: one of another machine, or this one's.

use std::{error::Error, fs, iter::successors, net::IpAddr, path::Path};

use axum::http::{Uri, uri::Scheme};
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport as Http, StreamableHttpClientTransportConfig as HttpConfig,
    StreamableHttpError,
};

use super::{Global, error::CliError};

/// Where the daemon serves MCP unless the address says otherwise.
const USUAL_PATH: &str = "/mcp";

/// The way to the server that the user named, with the user's token or certificate, or both.
pub fn transport(server: &str, global: &Global) -> Result<Http<reqwest::Client>, CliError> {
    let config = HttpConfig::with_uri(endpoint(server)?);
    let (Some(certificate), Some(key)) = (&global.certificate_file, &global.key_file) else {
        return Ok(Http::from_config(config.auth_header(token(global)?)));
    };
    if !server.starts_with("https:") {
        return Err(CliError::Usage(format!(
            "`{server}` is no https address: a certificate is brought over TLS only"
        )));
    }
    // A token beside a certificate is said on purpose, or there is none.
    let said = global.token_file.is_some() || std::env::var_os("OSTLER_TOKEN").is_some();
    let config = match said {
        true => config.auth_header(token(global)?),
        false => config,
    };
    Ok(Http::with_client(client_of(certificate, key)?, config))
}

/// A client that brings a certificate.
fn client_of(certificate: &Path, key: &Path) -> Result<reqwest::Client, CliError> {
    let mut pem = zeroize::Zeroizing::new(Vec::new());
    for (what, file) in [("certificate", certificate), ("key", key)] {
        let read = fs::read(file).map(zeroize::Zeroizing::new);
        let read = read.map_err(CliError::io(format!(
            "read the {what} in `{}`",
            file.display()
        )))?;
        pem.extend_from_slice(&read);
        pem.push(b'\n');
    }
    let unusable = |error: reqwest::Error| {
        let cause = error.source().map(|cause| format!(" ({cause})"));
        CliError::Usage(format!(
            "`{}` and `{}` are not a certificate and its key in PEM{}",
            certificate.display(),
            key.display(),
            cause.unwrap_or_default()
        ))
    };
    let identity = reqwest::Identity::from_pem(&pem).map_err(unusable)?;
    reqwest::Client::builder()
        .identity(identity)
        // As the transport's own client: a connection is not used again before its answer was read whole.
        .pool_max_idle_per_host(0)
        .build()
        .map_err(unusable)
}

/// The whole address. A token never travels in the clear to another machine.
fn endpoint(server: &str) -> Result<String, CliError> {
    let uri: Uri = server.parse().map_err(|_| not_an_address(server))?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(not_an_address(server));
    };
    if *scheme == Scheme::HTTP && !is_loopback(authority.host()) {
        return Err(CliError::Usage(format!(
            "`{server}` would carry your token in the clear: use an https address, or a tunnel \
             such as `ssh -L 7070:127.0.0.1:7070 {}` and `--server http://127.0.0.1:7070`",
            authority.host()
        )));
    }
    let path = match uri.path() {
        "" | "/" => USUAL_PATH,
        path => path,
    };
    Ok(format!("{scheme}://{authority}{path}"))
}

fn not_an_address(server: &str) -> CliError {
    CliError::Usage(format!(
        "`{server}` is not a server's address: write one such as https://ostler.example:7070"
    ))
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The token, from the file or else the environment; never an argument, which every user of a machine can read.
fn token(global: &Global) -> Result<String, CliError> {
    let text = match &global.token_file {
        Some(file) => fs::read_to_string(file).map_err(CliError::io(format!(
            "read the token in `{}`",
            file.display()
        )))?,
        None => std::env::var("OSTLER_TOKEN").map_err(|_| {
            CliError::Usage(
                "a server wants a token: put one (`ostler token create`) in a file and name it \
                 with --token-file, or set OSTLER_TOKEN; or bring a certificate with --certificate-file"
                    .to_owned(),
            )
        })?,
    };
    Ok(text.trim().to_owned())
}

/// Why no conversation came about: nobody there, or nobody who knows the token.
pub fn no_server(server: &str, error: &(dyn Error + 'static)) -> CliError {
    let causes: Vec<&(dyn Error + 'static)> =
        successors(Some(error), |error| (**error).source()).collect();
    let unknown = |cause: &&(dyn Error + 'static)| {
        matches!(
            cause.downcast_ref::<StreamableHttpError<reqwest::Error>>(),
            Some(StreamableHttpError::AuthRequired(_))
        )
    };
    let why = if causes.iter().any(unknown) {
        "it does not know the token or the certificate, or that has expired; make a token with `ostler token create`"
            .to_owned()
    } else {
        causes.last().map(ToString::to_string).unwrap_or_default()
    };
    CliError::NoServer {
        server: server.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_path_is_added_and_another_kept() {
        assert_eq!(
            endpoint("http://127.0.0.1:7070").unwrap(),
            "http://127.0.0.1:7070/mcp"
        );
        assert_eq!(
            endpoint("https://ostler.example/ops/mcp").unwrap(),
            "https://ostler.example/ops/mcp"
        );
    }

    #[test]
    fn a_token_travels_in_the_clear_only_within_this_machine() {
        for near in ["http://localhost:1", "http://[::1]:1", "http://127.1.2.3:1"] {
            assert!(endpoint(near).is_ok(), "{near}");
        }
        let far = endpoint("http://ostler.example:7070")
            .unwrap_err()
            .to_string();
        assert!(far.contains("in the clear"), "{far}");
    }

    #[test]
    fn what_is_no_address_is_named() {
        for wrong in ["", "ostler.example", "/run/ostler.sock", "http://"] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
