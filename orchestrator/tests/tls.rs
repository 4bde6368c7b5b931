//! The HTTP door of the built binary over TLS: what is spoken, certificates that change while it runs, and
//! what it does not open with.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::Arc,
    time::Duration,
};

use common::{
    Daemon, can_run_containers,
    certs::{Authority, Pair},
    write_secret,
};
use rustls::{ClientConfig, ClientConnection, pki_types::CertificateDer};

const SOON: Duration = Duration::from_secs(30);
const CONFIG: &str = "tls: { certificate: tls.crt, key: tls.key, names: [ localhost ] }";

fn write_pair(dir: &Path, pair: &Pair) {
    write_secret(&dir.join("tls.key"), &pair.key);
    write_secret(&dir.join("tls.crt"), &pair.certificate);
}

fn start(pair: &Pair) -> Daemon {
    Daemon::start_written(false, |dir| {
        write_pair(dir, pair);
        CONFIG.to_owned()
    })
}

/// A connection whose handshake is done.
fn connected(port: u16, config: &Arc<ClientConfig>) -> (ClientConnection, TcpStream) {
    let name = "localhost".try_into().unwrap();
    let mut session = ClientConnection::new(config.clone(), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).unwrap();
    }
    (session, stream)
}

/// The certificate that a new connection is shown.
fn shown(port: u16, config: &Arc<ClientConfig>) -> CertificateDer<'static> {
    let (session, _stream) = connected(port, config);
    let chain = session.peer_certificates().unwrap();
    chain.first().unwrap().clone().into_owned()
}

#[test]
fn the_door_speaks_tls_and_nothing_else() {
    if !can_run_containers() {
        return;
    }
    let authority = Authority::new("servers");
    let daemon = start(&authority.server());
    let port = daemon.port();
    let status = daemon.json(&["status"]).to_string();
    assert!(
        status.contains(&format!("https://localhost:{port}/mcp")),
        "{status}"
    );
    let (code, text) = authority.visitor(port, None).get("/healthz").unwrap();
    assert_eq!((code, text.as_str()), (200, "ok\n"));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut config = authority.trusted(None, &[version]);
        shown(port, &Arc::new(config.clone()));
        // Whoever insists on what is not spoken inside is told so by the handshake.
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = "localhost".try_into().unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut refused = Ok((0, 0));
        while session.is_handshaking() && refused.is_ok() {
            refused = session.complete_io(&mut stream);
        }
        assert!(refused.is_err(), "{version:?}");
    }
    let stranger = Authority::new("somebody else");
    assert!(stranger.visitor(port, None).get("/healthz").is_err());
    let mut plain = TcpStream::connect(("127.0.0.1", port)).unwrap();
    plain.set_read_timeout(Some(SOON)).unwrap();
    plain
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // It may be reset, which is an answer too.
    let _reset = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
}

#[test]
fn the_command_line_reaches_a_daemon_over_tls() {
    if !can_run_containers() {
        return;
    }
    let authority = Authority::new("servers");
    let daemon = start(&authority.server());
    let trusted = daemon.file("authority.pem", &authority.pem);
    let token = daemon.token("vera", "viewer");
    let server = format!("https://localhost:{}", daemon.port());
    let output = daemon
        .command(&["status", "--server", &server])
        .env("SSL_CERT_FILE", trusted)
        .env("OSTLER_TOKEN", &token)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_new_certificate_is_taken_over_and_a_broken_one_is_not() {
    if !can_run_containers() {
        return;
    }
    let authority = Authority::new("servers");
    let (first, second, third) = (authority.server(), authority.server(), authority.server());
    let daemon = start(&first);
    let (port, dir) = (daemon.port(), daemon.path(""));
    let config = Arc::new(authority.trusted(None, rustls::ALL_VERSIONS));
    let visitor = authority.visitor(port, None);
    assert_eq!(shown(port, &config), first.der());
    assert_eq!(visitor.get("/healthz").unwrap().0, 200);

    write_pair(&dir, &second);
    daemon.until("the second certificate is shown", SOON, || {
        (shown(port, &config) == second.der()).then_some(())
    });
    assert_eq!(
        visitor.get("/healthz").unwrap().0,
        200,
        "a connection of before goes on"
    );

    // A certificate without its key: the old pair stays, and that is told.
    write_secret(&dir.join("tls.crt"), &third.certificate);
    let told = daemon.until("the broken pair is told", SOON, || {
        let (code, text) = visitor.get("/healthz").unwrap();
        (code == 503).then_some(text)
    });
    assert!(
        told.contains("TLS files were not taken over") && told.contains("tls.key"),
        "{told}"
    );
    assert!(daemon.log().contains("TLS files were not taken over"));
    assert_eq!(shown(port, &config), second.der());

    write_secret(&dir.join("tls.key"), &third.key);
    daemon.until("the third certificate is shown", SOON, || {
        (shown(port, &config) == third.der()).then_some(())
    });
    daemon.until("all is well again", SOON, || {
        (visitor.get("/healthz").unwrap().0 == 200).then_some(())
    });

    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(dir.join("tls.key"), open).unwrap();
    let told = daemon.until("the readable key is told", SOON, || {
        let (code, text) = visitor.get("/healthz").unwrap();
        (code == 503).then_some(text)
    });
    assert!(told.contains("chmod 600"), "{told}");
    assert_eq!(shown(port, &config), third.der());
}

#[test]
fn slow_handshakes_hold_nobody_up() {
    if !can_run_containers() {
        return;
    }
    let authority = Authority::new("servers");
    let daemon = start(&authority.server());
    let port = daemon.port();
    // More than are made at once; none says a word.
    let silent: Vec<TcpStream> = (0..300)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    for _ in 0..20 {
        let visitor = authority.visitor(port, None);
        assert_eq!(visitor.get("/healthz").unwrap().0, 200);
    }
    // Those beyond what is made at once have made room, the oldest first.
    daemon.until("the oldest are gone", Duration::from_secs(5), || {
        let gone = silent.iter().take(300 - 128).all(|stream| {
            stream.set_nonblocking(true).unwrap();
            let peeked = stream.peek(&mut [0]);
            !peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
        });
        gone.then_some(())
    });
    // And none stays for ever.
    for mut stream in silent {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let mut byte = [0];
        let ended = stream.read(&mut byte);
        let waits = ended.as_ref().is_err_and(|error| {
            matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            )
        });
        assert!(!waits, "a silent connection stays open");
    }
}

#[test]
fn connections_are_bounded_and_one_that_ends_makes_room() {
    if !can_run_containers() {
        return;
    }
    ostler_runtime::limits::raise_open_files().unwrap();
    let authority = Authority::new("servers");
    let daemon = start(&authority.server());
    let port = daemon.port();
    let config = Arc::new(authority.trusted(None, &[&rustls::version::TLS12]));
    let mut idle: Vec<_> = (0..1_024).map(|_| connected(port, &config)).collect();
    daemon.until("there is no room", SOON, || {
        authority.visitor(port, None).get("/healthz").err()
    });
    idle.truncate(1_000);
    daemon.until("there is room again", SOON, || {
        authority.visitor(port, None).get("/healthz").ok()
    });
}

/// The words of a daemon that does not start.
fn refused(listen: &str, prepare: impl FnOnce(&Path) -> Option<String>) -> String {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ostler"));
    command
        .args(["up", "--backend", "process", "--agents", "none"])
        .arg("--state-dir")
        .arg(dir.path().join("state"))
        .arg("--socket")
        .arg(dir.path().join("s"))
        .args(["--listen", listen]);
    if let Some(config) = prepare(dir.path()) {
        let file = dir.path().join("config.yaml");
        std::fs::write(&file, config).unwrap();
        command.arg("--config").arg(file);
    }
    let output = command.output().unwrap();
    assert!(!output.status.success());
    assert!(!dir.path().join("state").exists(), "nothing was begun");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_door_does_not_open_in_the_clear_to_other_machines() {
    let words = refused("0.0.0.0:0", |_| None);
    assert!(
        words.contains("in the clear") && words.contains("`tls`"),
        "{words}"
    );
}

#[test]
fn a_key_that_others_can_read_opens_no_door() {
    let words = refused("127.0.0.1:0", |dir| {
        let pair = Authority::new("servers").server();
        write_pair(dir, &pair);
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(dir.join("tls.key"), open).unwrap();
        Some(CONFIG.to_owned())
    });
    assert!(
        words.contains("chmod 600") && words.contains("tls.key"),
        "{words}"
    );
}
