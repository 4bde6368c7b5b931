//! Clients' certificates at the HTTP door of the built binary: whom they speak for, and when they do not.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{path::Path, time::Duration};

use common::{
    Daemon, can_run_containers,
    certs::{Authority, Name, Pair, Visitor},
    write_secret,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(30);
const ANN: Name = Name::Uri("spiffe://example.com/ann");
const VERA: Name = Name::Dns("vera.example.com");

/// A daemon with two people, and who signs for it and for them.
struct Stage {
    servers: Authority,
    clients: Authority,
    daemon: Daemon,
    port: u16,
}

fn write(dir: &Path, servers: &Authority, clients: &Authority) -> String {
    let server = servers.server();
    write_secret(&dir.join("tls.key"), &server.key);
    write_secret(&dir.join("tls.crt"), &server.certificate);
    write_secret(&dir.join("clients.pem"), &clients.pem);
    write_secret(&dir.join("revoked.pem"), &clients.revoked(&[], 2200));
    config(&[], None)
}

impl Stage {
    fn set() -> Self {
        let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
        let daemon = Daemon::start_written(false, |dir| write(dir, &servers, &clients));
        let port = daemon.port();
        Self {
            servers,
            clients,
            daemon,
            port,
        }
    }

    fn visitor(&self, own: Option<&Pair>) -> Visitor {
        self.servers.visitor(self.port, own)
    }

    fn person(&self, names: &[Name]) -> Visitor {
        self.visitor(Some(&self.clients.client(names, 2200)))
    }

    fn audit(&self) -> String {
        self.daemon.cli(&["audit", "list", "--output", "json"])
    }
}

/// The configuration; `more` people beside ann and vera.
fn config(names: &[&str], more: Option<&Value>) -> String {
    let ann = json!({ "name": "ann", "uri": "spiffe://example.com/ann", "roles": ["operator"] });
    let vera = json!({ "name": "vera", "dns": "vera.example.com", "roles": ["viewer"] });
    let people: Vec<&Value> = [&ann, &vera].into_iter().chain(more).collect();
    let clients = json!({ "authority": "clients.pem", "revoked": "revoked.pem", "people": people });
    let tls =
        json!({ "certificate": "tls.crt", "key": "tls.key", "names": names, "clients": clients });
    json!({ "tls": tls }).to_string()
}

/// Looks at the services; the answer.
fn looks(visitor: &Visitor, token: Option<&str>) -> (u16, String) {
    visitor
        .call(token, "list_services", &json!({}), None)
        .unwrap()
}

#[test]
fn a_certificate_speaks_for_its_person_with_their_role() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let (ann, vera) = (stage.person(&[ANN]), stage.person(&[VERA]));
    for visitor in [&ann, &vera] {
        assert_eq!(looks(visitor, None).0, 200);
    }
    let node = json!({ "node": "nowhere" });
    let denied = vera.call(None, "cordon_node", &node, None).unwrap().1;
    let refused = ann.call(None, "cordon_node", &node, None).unwrap().1;
    assert!(denied.contains("denied"), "{denied}");
    assert!(
        !refused.contains("denied"),
        "a viewer may not, an operator may: {refused}"
    );
    let audit = stage.audit();
    assert!(
        audit.contains("\"user:ann\"") && audit.contains("\"user:vera\""),
        "{audit}"
    );
    // A certificate comes along by itself; a page of another site gets nothing by it.
    let evil = Some(("origin", "https://evil.example"));
    let answer = ann.call(None, "cordon_node", &node, evil).unwrap();
    assert_eq!(answer.0, 403, "{}", answer.1);
}

#[test]
fn the_command_line_brings_a_certificate_in_place_of_a_token() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let pair = stage.clients.client(&[VERA], 2200);
    let daemon = &stage.daemon;
    let trusted = daemon.file("servers.pem", &stage.servers.pem);
    let certificate = daemon.file("vera.crt", &pair.certificate);
    let key = daemon.secret("vera.key", &pair.key);
    let server = format!("https://localhost:{}", stage.port);
    let output = daemon
        .command(&["status", "--server", &server])
        .env_remove("OSTLER_TOKEN")
        .env("SSL_CERT_FILE", trusted)
        .env("OSTLER_CERTIFICATE_FILE", certificate)
        .env("OSTLER_KEY_FILE", key)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    assert!(stage.audit().contains("\"user:vera\""));
}

#[test]
fn a_certificate_of_nobody_is_told_so_and_is_on_record() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let nobody: [&[Name]; 5] = [
        &[Name::Uri("spiffe://example.com/annette")],
        &[Name::Uri("spiffe://example.com/ANN")],
        &[Name::Dns("*.example.com")],
        // Of two people at once.
        &[ANN, VERA],
        &[],
    ];
    for names in nobody {
        let (code, words) = looks(&stage.person(names), None);
        assert_eq!(code, 401);
        assert!(words.contains("tls.clients.people"), "{words}");
    }
    let audit = stage.audit();
    assert!(audit.contains("\"anonymous\""), "{audit}");
    let (code, words) = looks(&stage.visitor(None), None);
    assert_eq!(code, 401);
    assert!(words.contains("a bearer token or a certificate"), "{words}");
}

#[test]
fn a_certificate_that_is_not_good_ends_the_handshake() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let other = Authority::new("clients");
    let expired = stage.clients.client(&[ANN], 2021);
    for pair in [
        &expired,
        &other.client(&[ANN], 2200),
        &stage.servers.server(),
    ] {
        assert!(stage.visitor(Some(pair)).get("/healthz").is_err());
    }
    assert!(
        stage
            .daemon
            .log()
            .contains("a TLS handshake at the HTTP door failed")
    );
}

#[test]
fn a_token_is_as_good_and_both_must_be_of_one_person() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let (otto, ann) = (
        stage.daemon.token("otto", "operator"),
        stage.daemon.token("ann", "viewer"),
    );
    assert_eq!(looks(&stage.visitor(None), Some(&otto)).0, 200);
    let certified = stage.person(&[ANN]);
    assert_eq!(looks(&certified, Some(&ann)).0, 200);
    // The token was said on purpose: its roles count, not the certificate's.
    let node = json!({ "node": "nowhere" });
    let denied = certified
        .call(Some(&ann), "cordon_node", &node, None)
        .unwrap()
        .1;
    assert!(denied.contains("denied"), "{denied}");
    let (code, words) = looks(&certified, Some(&otto));
    assert_eq!(code, 401);
    assert!(words.contains("not of the person"), "{words}");
    let (code, words) = looks(&certified, Some("ostler_wrong"));
    assert_eq!(code, 401, "a certificate does not make up for it");
    assert!(words.contains("bearer token is unknown"), "{words}");
    // Whose certificate names nobody, such as a proxy's, brings what its token says.
    let proxy = stage.person(&[Name::Dns("proxy.example.com")]);
    assert_eq!(looks(&proxy, Some(&otto)).0, 200);
}

#[test]
fn a_certificate_that_is_revoked_counts_no_more_at_once() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let pair = stage.clients.client(&[ANN], 2200);
    let (ann, vera) = (stage.visitor(Some(&pair)), stage.person(&[VERA]));
    assert_eq!(looks(&ann, None).0, 200);
    assert_eq!(looks(&vera, None).0, 200);
    let list = stage.daemon.path("revoked.pem");
    write_secret(&list, &stage.clients.revoked(&[&pair], 2200));
    // Over the connection that is open: no new one comes about any more.
    let words = stage.daemon.until("ann is turned away", SOON, || {
        let (code, words) = looks(&ann, None);
        (code == 401).then_some(words)
    });
    assert!(words.contains("revoked"), "{words}");
    assert!(stage.visitor(Some(&pair)).get("/healthz").is_err());
    assert_eq!(looks(&vera, None).0, 200);
    // A list that is too old says nothing of today: no certificate counts, tokens do.
    let token = stage.daemon.token("otto", "operator");
    write_secret(&list, &stage.clients.revoked(&[], 2021));
    stage.daemon.until("vera is turned away too", SOON, || {
        (looks(&vera, None).0 == 401).then_some(())
    });
    assert_eq!(looks(&stage.visitor(None), Some(&token)).0, 200);
}

#[test]
fn people_are_others_after_a_reload_and_names_are_not() {
    if !can_run_containers() {
        return;
    }
    let stage = Stage::set();
    let olga = stage.person(&[Name::Dns("olga.example.com")]);
    assert_eq!(looks(&olga, None).0, 401);
    let reload = |config: &str| {
        stage.daemon.file("config.yaml", config);
        kill(Pid::from_raw(stage.daemon.pid()), Signal::SIGHUP).unwrap();
    };
    let more = json!({ "name": "olga", "dns": "olga.example.com", "roles": ["viewer"] });
    reload(&config(&["elsewhere.example.com"], Some(&more)));
    stage.daemon.until("the names are refused", SOON, || {
        let status = stage.daemon.json(&["status"]).to_string();
        status.contains("restart the daemon for that").then_some(())
    });
    assert_eq!(looks(&olga, None).0, 401, "nothing is half-applied");
    reload(&config(&[], Some(&more)));
    stage.daemon.until("olga is somebody", SOON, || {
        (looks(&olga, None).0 == 200).then_some(())
    });
}
