//! What is counted: each request once, with what came of it and how long that took.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;

use crate::bench::{Bench, Client, Server, until};

/// Answers with the status that the path says.
async fn says() -> Server {
    Server::with(|seen| async move {
        let status: u16 = seen.line.rsplit('/').next().unwrap().parse().unwrap();
        let mut answer = Response::new(Full::new(Bytes::new()));
        *answer.status_mut() = hyper::StatusCode::from_u16(status).unwrap();
        answer
    })
    .await
}

#[tokio::test]
async fn requests_errors_and_times_are_counted_by_version() {
    let (old, new) = (says().await, says().await);
    let bench = Bench::new(&[(1, &[old.address]), (0, &[new.address])]).await;
    let mut client = Client::connect(bench.door).await;
    for status in [200, 204, 301, 404, 500, 503] {
        let answer = client
            .ask(&format!("GET /{status} HTTP/1.1\r\nHost: a\r\n\r\n"))
            .await;
        assert_eq!(answer.status, status);
        if status == 204 {
            assert!(!answer.head.contains("transfer-encoding"), "{answer:?}");
        }
    }
    let (one, two) = (bench.golden(1).await, bench.golden(2).await);
    assert_eq!((one.requests, one.errors, one.retried), (6, 2, 0));
    assert_eq!(one.buckets.iter().sum::<u64>(), 6);
    assert!(one.micros > 0);
    assert_eq!(two.requests, 0);
}

#[tokio::test]
async fn a_client_that_goes_away_is_no_error_but_took_its_time() {
    let stuck = Server::with(|_| std::future::pending()).await;
    let bench = Bench::new(&[(1, &[stuck.address])]).await;
    let mut client = Client::connect(bench.door).await;
    client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    until("it is under way", || async { stuck.count() == 1 }).await;
    tokio::time::sleep(Duration::from_millis(3)).await;
    drop(client);
    until("it is counted", || async {
        bench.golden(1).await.requests == 1
    })
    .await;
    let golden = bench.golden(1).await;
    assert_eq!(golden.errors, 0);
    assert!(golden.micros >= 3_000);
}

#[tokio::test]
async fn counts_outlive_the_version_and_end_with_the_service() {
    let server = says().await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    bench.ask("GET /200 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    bench.set(&[]).await;
    assert_eq!(bench.golden(1).await.requests, 1);
    bench.proxy.set(&ostler_proxy::Table::default()).await;
    assert!(bench.proxy.look().await.counted.is_empty());
}

#[tokio::test]
async fn a_head_alone_has_the_length_and_no_body() {
    let server = Server::named("four").await;
    let bench = Bench::new(&[(1, &[server.address])]).await;
    let mut client = Client::connect(bench.door).await;
    client.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let mut all = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut client.0, &mut all)
        .await
        .unwrap();
    let parts: Vec<&str> = all.split("\r\n\r\n").collect();
    assert!(
        parts[0].to_lowercase().contains("content-length: 4"),
        "{all}"
    );
    assert!(parts[1].starts_with("HTTP/1.1 200"), "{all}");
    assert_eq!(parts[2], "four");
}
