//! Each version gets its share, each instance about the same of it.

use std::collections::BTreeMap;

use crate::bench::{Bench, Client, Server};

const GET: &str = "GET / HTTP/1.1\r\nHost: shop\r\n\r\n";

/// Who answered how many of so many requests.
async fn answered(bench: &Bench, requests: usize) -> BTreeMap<String, usize> {
    let mut by_name = BTreeMap::new();
    let mut client = Client::connect(bench.door).await;
    for _ in 0..requests {
        let answer = client.ask(GET).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        *by_name.entry(answer.body).or_default() += 1;
    }
    by_name
}

/// Five standard deviations of a binomial: not by chance once in a million runs, and never with this
/// seed.
fn about(count: usize, of: usize, share: f64) -> bool {
    let (count, of) = (count as f64, of as f64);
    (count - of * share).abs() <= 5.0 * (of * share * (1.0 - share)).sqrt()
}

#[tokio::test]
async fn versions_get_their_weights_over_one_connection_too() {
    let (old, new) = (Server::named("old").await, Server::named("new").await);
    let bench = Bench::new(&[(8_000, &[old.address]), (2_000, &[new.address])]).await;
    let got = answered(&bench, 4_000).await;
    assert!(about(got["new"], 4_000, 0.2), "{got:?}");
    assert_eq!(bench.golden(2).await.requests as usize, got["new"]);
    bench
        .set(&[(5_000, &[old.address]), (5_000, &[new.address])])
        .await;
    let got = answered(&bench, 2_000).await;
    assert!(about(got["new"], 2_000, 0.5), "{got:?}");
}

#[tokio::test]
async fn no_weight_is_no_traffic_and_all_is_all() {
    let (old, new) = (Server::named("old").await, Server::named("new").await);
    let bench = Bench::new(&[(10_000, &[old.address]), (0, &[new.address])]).await;
    assert_eq!(answered(&bench, 500).await.len(), 1);
    old.end();
    until_refused(&old).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 502, "a version without weight is no way out");
    bench
        .set(&[(0, &[old.address]), (10_000, &[new.address])])
        .await;
    assert_eq!(
        answered(&bench, 500).await.keys().collect::<Vec<_>>(),
        ["new"]
    );
}

async fn until_refused(server: &Server) {
    crate::bench::until("nobody listens", || async {
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    })
    .await;
}

#[tokio::test]
async fn the_instances_of_a_version_share_evenly_and_a_busy_one_gets_less() {
    let (one, two) = (Server::named("one").await, Server::named("two").await);
    let bench = Bench::new(&[(1, &[one.address, two.address])]).await;
    let got = answered(&bench, 2_000).await;
    assert!(about(got["one"], 2_000, 0.5), "{got:?}");

    let stuck = Server::with(|_| std::future::pending()).await;
    bench.set(&[(1, &[one.address, stuck.address])]).await;
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = Client::connect(bench.door).await;
        client.say(GET).await;
        clients.push(client);
        // The next is chosen once this one is under way or answered.
        let sent = clients.len();
        crate::bench::until("it was sent", || async {
            let done = bench.golden(1).await.requests as usize - 2_000;
            done + stuck.count() >= sent
        })
        .await;
    }
    assert!(
        stuck.count() < 12,
        "{} of 40 went to the stuck one",
        stuck.count()
    );
}

#[tokio::test]
async fn without_anybody_the_answer_is_to_come_again() {
    let bench = Bench::new(&[]).await;
    let answer = bench.get().await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");
    assert!(answer.body.contains("no instance"), "{answer:?}");
    assert_eq!(bench.proxy.look().await.turned_away[0].requests, 1);
}
