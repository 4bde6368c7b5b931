//! A second try where nobody saw the first, or where seeing it twice does no harm; never else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ostler_proxy::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::bench::{Bench, Client, Server, nobody};

const POST: &str = "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 4\r\n\r\nsell";
const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

/// A server that reads a head, then does as told; it counts the heads.
async fn breaks(with: &'static [u8]) -> (Server, Arc<AtomicUsize>) {
    let heads = Arc::new(AtomicUsize::new(0));
    let counted = heads.clone();
    let server = Server::raw(move |mut stream: TcpStream| {
        let counted = counted.clone();
        async move {
            let mut head = [0; 4_096];
            if stream.read(&mut head).await.is_ok_and(|count| count > 0) {
                counted.fetch_add(1, Ordering::AcqRel);
                drop(stream.write_all(with).await);
            }
        }
    })
    .await;
    (server, heads)
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_gone_round_with_any_method() {
    let good = Server::named("good").await;
    let bench = Bench::new(&[(1, &[nobody().await, good.address])]).await;
    for request in [POST, GET].repeat(20) {
        let answer = bench.ask(request).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "good"));
    }
    let golden = bench.golden(1).await;
    assert_eq!(golden.errors, golden.retried, "no client saw one");
    assert!(golden.errors >= 1 && golden.requests == 40 + golden.retried);
    assert!(
        golden.errors < 10,
        "it is left alone for a while: {golden:?}"
    );
    let bodies = good
        .seen
        .lock()
        .unwrap()
        .iter()
        .filter(|one| one.body == "sell")
        .count();
    assert_eq!(bodies, 20, "with their bodies");
}

#[tokio::test]
async fn a_version_that_cannot_be_reached_costs_nobody_a_request() {
    let good = Server::named("good").await;
    let bench = Bench::new(&[(1, &[good.address]), (1, &[nobody().await])]).await;
    for _ in 0..50 {
        assert_eq!(bench.ask(POST).await.status, 200);
    }
    let bad = bench.golden(2).await;
    assert!(bad.errors > 0 && bad.errors == bad.requests, "{bad:?}");
}

#[tokio::test]
async fn with_nobody_to_be_reached_that_is_the_answer() {
    let bench = Bench::new(&[(1, &[nobody().await, nobody().await, nobody().await])]).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 502);
    assert!(answer.body.contains("nothing was sent"), "{answer:?}");
    assert_eq!(bench.golden(1).await.requests, 2, "two tries, not three");
}

#[tokio::test]
async fn what_was_sent_is_sent_again_only_where_it_does_no_harm() {
    for (request, tries, status) in [
        (GET, 2, 502),
        (POST, 1, 502),
        ("DELETE /x HTTP/1.1\r\nHost: a\r\n\r\n", 2, 502),
        (
            "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
            1,
            502,
        ),
        ("PATCH /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, 502),
        ("POST /x HTTP/1.1\r\nHost: a\r\n\r\n", 1, 502),
    ] {
        let ((one, first), (two, second)) = (breaks(b"").await, breaks(b"").await);
        let bench = Bench::new(&[(1, &[one.address, two.address])]).await;
        let answer = bench.ask(request).await;
        let (first, second) = (
            first.load(Ordering::Acquire),
            second.load(Ordering::Acquire),
        );
        assert_eq!(
            (first + second, answer.status),
            (tries, status),
            "{request}"
        );
        assert!(
            first <= 1 && second <= 1,
            "never the same one twice: {request}"
        );
        let golden = bench.golden(1).await;
        let counted = (
            golden.requests as usize,
            golden.errors as usize,
            golden.retried as usize,
        );
        assert_eq!(counted, (tries, tries, tries - 1), "{request}");
    }
}

#[tokio::test]
async fn half_a_head_is_no_answer() {
    let (half, heads) = breaks(b"HTTP/1.1 200 OK\r\nContent-Le").await;
    let good = Server::named("good").await;
    let bench = Bench::new(&[(1, &[half.address, good.address])]).await;
    for _ in 0..30 {
        assert_eq!(bench.ask(GET).await.body, "good");
    }
    assert!(heads.load(Ordering::Acquire) > 0, "it was tried");
}

#[tokio::test]
async fn an_answer_that_began_is_not_begun_again_and_its_end_is_seen() {
    let (dies, heads) = breaks(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let good = Server::named("good").await;
    let bench = Bench::new(&[(1, &[dies.address])]).await;
    bench
        .set(&[(1, &[dies.address]), (0, &[good.address])])
        .await;
    let mut client = Client::connect(bench.door).await;
    client.say(GET).await;
    assert!(client.try_read().await.is_none(), "the length is not there");
    assert_eq!((heads.load(Ordering::Acquire), good.count()), (1, 0));
    let golden = bench.golden(1).await;
    assert_eq!((golden.requests, golden.errors, golden.retried), (1, 1, 0));
}

#[tokio::test]
async fn a_connection_that_was_closed_while_unused_costs_no_request() {
    // Answers one request on each connection, says that it keeps it and closes it.
    let server = Server::raw(|mut stream: TcpStream| async move {
        let mut head = [0; 4_096];
        if stream.read(&mut head).await.is_ok_and(|count| count > 0) {
            drop(
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await,
            );
        }
    })
    .await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    for request in [GET, POST].repeat(20) {
        assert_eq!(bench.ask(request).await.status, 200);
        // The end of the connection arrives meanwhile.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(bench.golden(1).await.errors, 0);
}

#[tokio::test]
async fn who_does_not_answer_in_time_is_not_asked_again() {
    let stuck = Server::with(|_| std::future::pending()).await;
    let good = Server::named("good").await;
    let limits = Limits {
        answer: Duration::from_millis(100),
        ..Limits::default()
    };
    let bench = Bench::limited(&[(1, &[stuck.address]), (0, &[good.address])], limits).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 504);
    assert!(answer.body.contains("in time"), "{answer:?}");
    assert_eq!(good.count(), 0);
    assert_eq!(bench.golden(1).await.errors, 1);
}
