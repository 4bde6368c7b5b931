//! The proxy as a process: it is told tables over a Unix socket, and goes on with the last one when
//! nobody is there to tell.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::BufReader,
    net::{UnixListener, UnixStream},
    sync::Notify,
};

use crate::{
    proxy::Proxy,
    wire::{self, Hello, Reply, Request, Run},
};

/// Wait after a connection could not be accepted.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves whoever connects, until told to retire. Returns when what was under way then has ended.
pub async fn serve(listener: UnixListener, proxy: Arc<Proxy>, run: Run) {
    let retired = Arc::new(Notify::new());
    let run = Arc::new(run);
    loop {
        let accepted = tokio::select! {
            () = retired.notified() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (proxy, run, retired) = (proxy.clone(), run.clone(), retired.clone());
                tokio::spawn(async move {
                    if let Err(error) = listen(stream, &proxy, &run, &retired).await {
                        tracing::warn!(%error, "the daemon's line failed; going on with the last table");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the daemon's line could not be accepted");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
    drop(listener);
    proxy.hand_over().await;
}

async fn listen(
    mut stream: UnixStream,
    proxy: &Proxy,
    run: &Run,
    retired: &Notify,
) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut read = BufReader::new(read);
    let hello = Hello {
        run: run.clone(),
        open: proxy.open().await,
    };
    wire::write(&mut write, &hello).await?;
    while let Some(request) = wire::read(&mut read).await? {
        let reply = match request {
            Request::Set(table) => Reply::Set(proxy.set(&table).await),
            Request::Look => Reply::Look(proxy.look().await),
            Request::Retire => Reply::Retiring,
        };
        wire::write(&mut write, &reply).await?;
        if reply == Reply::Retiring {
            retired.notify_one();
        }
    }
    Ok(())
}
