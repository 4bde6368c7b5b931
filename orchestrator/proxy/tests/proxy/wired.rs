//! The line to the daemon: told tables, asked for counts, left alone, retired.

use std::{sync::Arc, time::Duration};

use ostler_proxy::{
    Limits, Proxy, control,
    wire::{self, Hello, Reply, Request, Run},
};
use tokio::{
    io::BufReader,
    net::{UnixListener, UnixStream},
};

use crate::bench::{Client, HERE, Server, table, until};

struct Line(BufReader<UnixStream>);

impl Line {
    async fn connect(path: &std::path::Path) -> (Self, Hello) {
        let mut line = Self(BufReader::new(UnixStream::connect(path).await.unwrap()));
        let hello = wire::read(&mut line.0).await.unwrap().unwrap();
        (line, hello)
    }

    async fn ask(&mut self, request: &Request) -> Reply {
        wire::write(&mut self.0, request).await.unwrap();
        wire::read(&mut self.0).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn it_goes_on_with_the_last_table_when_nobody_is_there() {
    let dir = std::env::temp_dir().join(format!("ostler-proxy-{}", std::process::id()));
    drop(std::fs::remove_file(&dir));
    let listener = UnixListener::bind(&dir).unwrap();
    let run = Run {
        build: "b".to_owned(),
        id: "r".to_owned(),
        pid: 1,
    };
    let limits = Limits {
        hand_over: Duration::from_millis(300),
        ..Limits::default()
    };
    let proxy = Arc::new(Proxy::new(HERE, limits, 1));
    let process = tokio::spawn(control::serve(listener, proxy, run.clone()));
    let server = Server::named("ok").await;
    let (mut line, said) = Line::connect(&dir).await;
    assert_eq!((said.run, said.open), (run, Vec::new()));
    let Reply::Set(open) = line
        .ask(&Request::Set(table(&[(1, &[server.address])])))
        .await
    else {
        panic!("another reply");
    };
    drop(line);
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut client = Client::connect(open[0].address).await;
    assert_eq!(client.ask(get).await.body, "ok");

    // What is no request ends the line, and nothing else.
    let (mut line, _) = Line::connect(&dir).await;
    wire::write(&mut line.0, &"nonsense").await.unwrap();
    assert_eq!(wire::read::<Reply>(&mut line.0).await.unwrap(), None);
    let (mut line, said) = Line::connect(&dir).await;
    assert_eq!(said.open, open);
    let Reply::Look(look) = line.ask(&Request::Look).await else {
        panic!("another reply");
    };
    assert_eq!(look.counted[0].golden.requests, 1);

    assert_eq!(line.ask(&Request::Retire).await, Reply::Retiring);
    until("nobody is listened to any more", || async {
        UnixStream::connect(&dir).await.is_err()
    })
    .await;
    let last = client.ask(get).await;
    assert_eq!(last.body, "ok", "until the other has taken over");
    assert!(
        last.head.to_lowercase().contains("connection: close"),
        "{}",
        last.head
    );
    assert!(client.is_ended().await, "nothing is cut off: it was told");
    let mut client = Client::connect(open[0].address).await;
    assert_eq!(
        client.ask(get).await.body,
        "ok",
        "new ones are served meanwhile"
    );
    until("it ended", || async { process.is_finished() }).await;
    assert!(client.is_ended().await);
    drop(std::fs::remove_file(&dir));
}
