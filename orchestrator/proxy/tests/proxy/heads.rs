//! Heads: what goes on of them, and what is not let through by being said in two ways at once.

use std::time::Duration;

use ostler_proxy::Limits;

use crate::bench::{Bench, Client, Server};

async fn bench() -> (Server, Bench) {
    let server = Server::named("ok").await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    (server, bench)
}

#[tokio::test]
async fn the_host_is_kept_and_where_it_comes_from_is_ours_to_say() {
    let (server, bench) = bench().await;
    let request = "GET /a?b HTTP/1.1\r\nHost: shop.example:80\r\nX-Forwarded-For: 192.0.2.9\r\n\
        X_Real_IP: 192.0.2.9\r\nForwarded: for=192.0.2.9\r\nConnection: X-Mine\r\nX-Mine: 1\r\n\r\n";
    assert_eq!(bench.ask(request).await.status, 200);
    let seen = server.last();
    assert_eq!(seen.line, "GET /a?b");
    assert_eq!(seen.headers["host"], "shop.example:80");
    assert_eq!(seen.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(
        seen.headers["forwarded"],
        "for=127.0.0.1;host=\"shop.example:80\";proto=http"
    );
    assert!(!seen.headers.contains_key("x-mine") && !seen.headers.contains_key("x_real_ip"));
}

#[tokio::test]
async fn two_lengths_are_one_request_or_none() {
    // A request inside what one of both lengths calls the body.
    let inner = "GET /inner HTTP/1.1\r\nHost: shop\r\n\r\n";
    let both = format!(
        "POST /outer HTTP/1.1\r\nHost: shop\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    let turned = format!(
        "POST /outer HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n{inner}",
        5 + inner.len()
    );
    for request in [both, turned] {
        let (server, bench) = bench().await;
        let mut client = Client::connect(bench.door).await;
        client.ask(&request).await;
        // RFC 9112, section 6.1: nothing that follows on this connection is taken for a request.
        assert!(client.try_read().await.is_none(), "the connection ends");
        let seen: Vec<String> = server
            .seen
            .lock()
            .unwrap()
            .iter()
            .map(|one| one.line.clone())
            .collect();
        assert_eq!(seen, ["POST /outer"]);
        assert!(!server.last().headers.contains_key("content-length"));
        assert!(server.last().body.is_empty());
    }
}

#[tokio::test]
async fn what_parsers_may_read_in_two_ways_is_refused() {
    for lines in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 4\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 0x3\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length : 3\r\n",
        "Host: other\r\n",
        "X-A: 1\r\n folded\r\n",
        "Bad\0Name: 1\r\n",
        "X-A: a\0b\r\n",
    ] {
        let (server, bench) = bench().await;
        let request = format!("POST / HTTP/1.1\r\nHost: shop\r\n{lines}\r\nabc");
        let answer = bench.ask(&request).await;
        assert_eq!(answer.status, 400, "{lines:?}: {answer:?}");
        assert_eq!(server.count(), 0, "{lines:?}");
    }
    for request in [
        "POST / HTTP/1.0\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\"b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: shop\r\n\r\n",
    ] {
        let (server, bench) = bench().await;
        assert_eq!(bench.ask(request).await.status, 400, "{request:?}");
        assert_eq!(server.count(), 0, "{request:?}");
    }
}

#[tokio::test]
async fn a_chunk_that_is_no_chunk_reaches_nobody_as_a_request() {
    for body in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFFF\r\nabc",
    ] {
        let (server, bench) = bench().await;
        let mut client = Client::connect(bench.door).await;
        let head = "POST / HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n";
        client.say(&format!("{head}{body}")).await;
        let answer = client.try_read().await;
        assert!(answer.is_none_or(|answer| answer.status >= 400), "{body:?}");
        assert_eq!(server.count(), 0, "{body:?}");
    }
}

#[tokio::test]
async fn a_chunked_body_arrives_whole_and_so_does_one_with_a_length() {
    let (server, bench) = bench().await;
    let mut client = Client::connect(bench.door).await;
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    assert_eq!(client.ask(chunked).await.status, 200);
    assert_eq!(server.last().body, "abcde");
    let sized =
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: content-length\r\n\r\nxyz";
    assert_eq!(client.ask(sized).await.status, 200);
    assert_eq!(server.last().body, "xyz");
    assert_eq!(server.last().headers["content-length"], "3");
}

#[tokio::test]
async fn a_head_that_is_too_large_or_too_slow_is_not_waited_for() {
    let server = Server::named("ok").await;
    let limits = Limits {
        head: Duration::from_millis(150),
        ..Limits::default()
    };
    let bench = Bench::limited(&[(1, &[server.address])], limits).await;
    let large = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(40 << 10)
    );
    assert_eq!(bench.ask(&large).await.status, 431);
    let many = format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: 1\r\n".repeat(200)
    );
    assert_eq!(bench.ask(&many).await.status, 431);
    let mut slow = Client::connect(bench.door).await;
    slow.say("GET / HTTP/1.1\r\nHo").await;
    assert!(
        slow.try_read()
            .await
            .is_none_or(|answer| answer.status == 408)
    );
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let server = Server::named("ok").await;
    let limits = Limits {
        still: Duration::from_millis(100),
        ..Limits::default()
    };
    let bench = Bench::limited(&[(1, &[server.address])], limits).await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf";
    assert_eq!(bench.ask(request).await.status, 408);
    assert_eq!(bench.golden(1).await.errors, 0, "not the version's fault");
}

#[tokio::test]
async fn who_waits_to_be_told_to_go_on_is_told() {
    let (server, bench) = bench().await;
    let mut client = Client::connect(bench.door).await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    client.say(head).await;
    let mut line = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut client.0, &mut line)
        .await
        .unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.say("abc").await;
    assert_eq!(client.read().await.status, 200);
    assert_eq!(server.last().body, "abc");
    assert!(!server.last().headers.contains_key("expect"));
}

#[tokio::test]
async fn nobody_tunnels_through() {
    let (server, bench) = bench().await;
    let connect = "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n";
    assert_eq!(bench.ask(connect).await.status, 405);
    let clear = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    assert_eq!(bench.ask(clear).await.status, 200);
    let seen = server.last();
    assert!(!seen.headers.contains_key("upgrade") && !seen.headers.contains_key("http2-settings"));
}

#[tokio::test]
async fn old_clients_are_answered_too() {
    let (server, bench) = bench().await;
    let answer = bench.ask("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    assert!(answer.head.starts_with("http/1.0 200"), "{answer:?}");
    assert_eq!(server.last().line, "GET /");
}
