//! Web sockets: bytes both ways once both sides agreed, and nobody is made to become one.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::bench::{Bench, Client, Server, until};

const ASK: &str = "GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Becomes a web socket whoever asks, and gives back what it gets.
async fn echoes() -> Server {
    Server::raw(|mut stream: TcpStream| async move {
        let mut bytes = [0; 4_096];
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut bytes).await {
                Ok(count) if count > 0 => head.extend_from_slice(&bytes[..count]),
                _ => return,
            }
        }
        let agreed =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
        drop(stream.write_all(agreed).await);
        while let Ok(count) = stream.read(&mut bytes).await {
            if count == 0 || stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_web_socket_goes_through_and_counts_as_under_way() {
    let server = echoes().await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    let mut client = Client::connect(bench.door).await;
    let answer = client.ask(ASK).await;
    assert_eq!(answer.status, 101);
    assert!(
        answer
            .head
            .contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{answer:?}"
    );
    for words in ["one", "two"] {
        client.say(words).await;
        let mut back = [0; 3];
        client.0.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, words.as_bytes());
    }
    bench.set(&[]).await;
    assert_eq!(
        bench.proxy.look().await.under_way.len(),
        1,
        "it goes on when its instance is taken out"
    );
    client.say("end").await;
    let mut back = [0; 3];
    client.0.read_exact(&mut back).await.unwrap();
    drop(client);
    until("it ended", || async {
        bench.proxy.look().await.under_way.is_empty()
    })
    .await;
}

#[tokio::test]
async fn nobody_becomes_what_they_did_not_ask_for() {
    let server = echoes().await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 502, "{answer:?}");
}

#[tokio::test]
async fn who_is_refused_goes_on_with_requests() {
    let server = Server::named("plain").await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    let mut client = Client::connect(bench.door).await;
    assert_eq!(client.ask(ASK).await.body, "plain");
    assert_eq!(server.last().headers["upgrade"], "websocket");
    assert_eq!(
        client.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.body,
        "plain"
    );
}
