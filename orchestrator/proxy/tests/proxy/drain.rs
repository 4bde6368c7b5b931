//! Whoever is taken out of the table gets nothing new, and finishes what it has; so does a front.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use ostler_proxy::{Limits, Table};
use tokio::sync::Semaphore;

use crate::bench::{Bench, Client, Server, until};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

/// A server that answers when the gate is opened.
async fn gated() -> (Server, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let opened = gate.clone();
    let server = Server::with(move |_| {
        let opened = opened.clone();
        async move {
            opened.acquire().await.unwrap().forget();
            Response::new(Full::new(Bytes::from_static(b"late")))
        }
    })
    .await;
    (server, gate)
}

#[tokio::test]
async fn who_is_taken_out_finishes_what_it_has_and_gets_nothing_new() {
    let ((old, gate), new) = (gated().await, Server::named("new").await);
    let bench = Bench::new(&[(1, &[old.address])]).await;
    let mut waits = Client::connect(bench.door).await;
    waits.say(GET).await;
    until("it is under way", || async { old.count() == 1 }).await;
    bench.set(&[(1, &[new.address])]).await;
    for _ in 0..50 {
        assert_eq!(bench.get().await.body, "new");
    }
    let under_way = bench.proxy.look().await.under_way;
    assert_eq!(
        under_way.len(),
        1,
        "it is told who still answers: {under_way:?}"
    );
    gate.add_permits(1);
    assert_eq!(waits.read().await.body, "late");
    assert_eq!(old.count(), 1);
    until("nobody is left", || async {
        bench.proxy.look().await.under_way.is_empty()
    })
    .await;
    assert_eq!(
        waits.ask(GET).await.body,
        "new",
        "the same connection goes on"
    );
}

#[tokio::test]
async fn a_front_that_goes_accepts_nobody_and_lets_end_what_is_under_way() {
    let (server, gate) = gated().await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    let mut idle = Client::connect(bench.door).await;
    let mut waits = Client::connect(bench.door).await;
    waits.say(GET).await;
    until("it is under way", || async { server.count() == 1 }).await;
    assert!(bench.proxy.set(&Table::default()).await.is_empty());
    until("nobody is accepted", || async {
        tokio::net::TcpStream::connect(bench.door).await.is_err()
    })
    .await;
    assert!(idle.is_ended().await);
    gate.add_permits(1);
    let answer = waits.read().await;
    assert_eq!(answer.body, "late");
    assert!(waits.is_ended().await);
}

#[tokio::test]
async fn closing_takes_no_longer_than_allowed() {
    let (server, _gate) = gated().await;
    let limits = Limits {
        drain: Duration::from_millis(100),
        ..Limits::default()
    };
    let bench = Bench::limited(&[(1, &[server.address])], limits).await;
    let mut waits = Client::connect(bench.door).await;
    waits.say(GET).await;
    until("it is under way", || async { server.count() == 1 }).await;
    tokio::time::timeout(Duration::from_secs(10), bench.proxy.close())
        .await
        .expect("it closes");
    assert!(waits.try_read().await.is_none());
}

#[tokio::test]
async fn more_requests_than_allowed_are_told_to_come_again() {
    let (server, gate) = gated().await;
    let limits = Limits {
        requests: 3,
        ..Limits::default()
    };
    let bench = Bench::limited(&[(1, &[server.address])], limits).await;
    let mut clients = Vec::new();
    for number in 1..=3 {
        let mut client = Client::connect(bench.door).await;
        client.say(GET).await;
        clients.push(client);
        until("it is under way", || async { server.count() == number }).await;
    }
    let answer = bench.get().await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    gate.add_permits(4);
    for client in &mut clients {
        assert_eq!(client.read().await.body, "late");
    }
    assert_eq!(bench.get().await.status, 200);
}
