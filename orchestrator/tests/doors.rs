//! The daemon's doors over a gate that only remembers: who comes in as whom, and what is never recorded.
#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

mod common;

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use common::door::Remembers;
use ostler::serve::{self, http::Http, peers::Peers};
use ostler_tools::principal::{Principal, Role};
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, ClientCapabilities, ClientConfig, Implementation},
};
use serde_json::json;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// The socket's door, and what it needs to stay open.
struct Socket {
    door: Arc<Remembers>,
    dir: tempfile::TempDir,
    stop: CancellationToken,
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn socket() -> Socket {
    let made = Socket {
        door: Arc::default(),
        dir: tempfile::tempdir().unwrap(),
        stop: CancellationToken::new(),
    };
    let listener = serve::unix::bind(&made.dir.path().join("s"), 0o600)
        .await
        .unwrap();
    let (door, stop) = (made.door.clone(), made.stop.clone());
    tokio::spawn(serve::unix::serve(
        listener,
        door,
        Peers::owner_only(),
        stop,
    ));
    made
}

impl Socket {
    /// The bridge that a desktop client starts.
    fn bridge(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_ostler"))
            .arg("mcp")
            .args(args)
            .arg("--socket")
            .arg(self.dir.path().join("s"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    /// Calls a tool through the bridge; the caller that the door saw.
    async fn seen_as(&self, args: &[&str]) -> Principal {
        let mut bridge = self.bridge(args);
        let pipes = (bridge.stdout.take().unwrap(), bridge.stdin.take().unwrap());
        let me = Implementation::new("test", "1");
        let config = ClientConfig::new(ClientCapabilities::default(), me);
        let client = config.serve(pipes).await.unwrap();
        let params = CallToolRequestParams::new("list_services");
        client.call_tool(params).await.unwrap();
        client.cancel().await.unwrap();
        bridge.wait().await.unwrap();
        self.door.callers().pop().unwrap()
    }
}

fn roles_of(caller: &Principal) -> (&'static str, Vec<Role>) {
    match caller {
        Principal::User { roles, .. } => ("user", roles.clone()),
        Principal::Assistant { roles, .. } => ("assistant", roles.clone()),
        other => unreachable!("{other}"),
    }
}

#[tokio::test]
async fn a_desktop_client_comes_in_as_an_assistant_unless_told_otherwise() {
    let socket = socket().await;
    let usual = socket.seen_as(&[]).await;
    assert_eq!(
        roles_of(&usual),
        ("assistant", vec![Role::Viewer, Role::Operator])
    );
    let viewer = socket.seen_as(&["--role", "viewer"]).await;
    assert_eq!(roles_of(&viewer), ("assistant", vec![Role::Viewer]));
    let person = socket.seen_as(&["--role", "admin"]).await;
    let all = vec![Role::Viewer, Role::Operator, Role::Admin];
    assert_eq!(roles_of(&person), ("user", all));
}

#[tokio::test]
async fn the_bridge_ends_with_its_standard_input() {
    let socket = socket().await;
    for role in ["viewer", "operator", "admin"] {
        let mut bridge = socket.bridge(&["--role", role]);
        drop(bridge.stdin.take());
        let ended = tokio::time::timeout(Duration::from_secs(30), bridge.wait()).await;
        assert!(ended.unwrap().unwrap().success(), "{role}");
    }
}

#[tokio::test]
async fn a_wish_that_is_not_understood_closes_the_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = socket().await;
    let mut stream = tokio::net::UnixStream::connect(socket.dir.path().join("s"))
        .await
        .unwrap();
    let wish = b"{\"ostler.dev/assistant\":{\"role\":\"god\"}}\n";
    stream.write_all(wish).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("not understood"), "{answer}");
    assert!(socket.door.callers().is_empty());
}

/// The HTTP door.
async fn http() -> (Arc<Remembers>, SocketAddr, CancellationToken) {
    let door: Arc<Remembers> = Arc::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let http = Http {
        door: door.clone(),
        metrics: Arc::new(String::new),
        problems: Arc::new(Vec::new),
        hosts: Vec::new(),
        issuer: None,
        console: axum::Router::new(),
        tls: None,
        turned_away: Arc::default(),
    };
    let stop = CancellationToken::new();
    tokio::spawn(serve::http::serve(listener, http, stop.clone()));
    (door, address, stop)
}

/// The status line of an answer to a call without a token.
async fn posts(address: SocketAddr, headers: &str) -> String {
    let headers = headers.to_owned();
    let sent = tokio::task::spawn_blocking(move || {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": { "name": "scale_service", "arguments": { "service": "web", "replicas": 3 } },
        });
        let body = call.to_string();
        let length = body.len();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\n{headers}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap_or_default().to_owned()
    });
    sent.await.unwrap()
}

#[tokio::test]
async fn a_stranger_is_denied_as_nobody() {
    let (door, address, stop) = http().await;
    let status = posts(address, "Host: localhost\r\n").await;
    assert!(status.contains("401"), "{status}");
    assert_eq!(door.callers(), [Principal::Anonymous]);
    let local = "Host: localhost\r\nOrigin: http://localhost:6274\r\n";
    assert!(posts(address, local).await.contains("401"));
    assert_eq!(door.callers().len(), 2);
    stop.cancel();
}

#[tokio::test]
async fn pages_of_other_sites_and_other_names_reach_nothing() {
    let (door, address, stop) = http().await;
    for headers in [
        "Host: evil.example\r\n",
        "Host: localhost\r\nOrigin: http://evil.example\r\n",
        "Host: localhost\r\nOrigin: null\r\n",
        "Host: localhost\r\nOrigin: http://localhost.evil.example\r\n",
        "Host: localhost\r\nOrigin: file://localhost\r\n",
    ] {
        let status = posts(address, headers).await;
        assert!(status.contains("403"), "{headers}: {status}");
    }
    assert!(door.callers().is_empty(), "nothing of them is recorded");
    stop.cancel();
}
