//! The task that keeps the proxy running, fed and asked. It decides nothing.

use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

use ostler_core::id::InstanceId;
use ostler_proxy::{
    Table,
    wire::{Look, Open, Reply, Request},
};
use tokio_util::sync::CancellationToken;

use super::{
    Doing, Fronts, golden,
    process::{self, Line},
    v4,
};

/// How often counts are asked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often while instances that are to end still answer something.
const LOOK_SOON: Duration = Duration::from_millis(25);
/// Wait before a proxy that could not be started is tried again; doubled up to the longest.
const AGAIN: Duration = Duration::from_millis(10);
const AGAIN_AT_MOST: Duration = Duration::from_secs(10);

/// Why a line is left.
enum Left {
    /// The daemon ends; the proxy goes on.
    Stopped,
    /// Nothing is to be served any more.
    NotNeeded,
}

/// Keeps the proxy fed until told to stop.
pub async fn keep_fed(fronts: Arc<Fronts>, found: Option<Line>, stop: CancellationToken) {
    let mut found = found;
    let mut wait = AGAIN;
    loop {
        let line = match found.take() {
            Some(line) => match fronts.of_this_build(line, &stop).await {
                Ok(Some(line)) => Ok(line),
                Ok(None) if stop.is_cancelled() => return,
                Ok(None) => {
                    fronts.nobody_serves();
                    continue;
                }
                Err(error) => Err(error),
            },
            None => match fronts.until_needed(&stop).await {
                Some(address) => match process::build() {
                    Ok(build) => Line::start(&fronts.dir, address, &build).await,
                    Err(error) => Err(error),
                },
                None => return,
            },
        };
        let outcome = match line {
            Ok(line) => fronts.serve(line, &stop, &mut wait).await,
            Err(error) => Err(error),
        };
        fronts.nobody_serves();
        match outcome {
            Ok(Left::Stopped) => return,
            Ok(Left::NotNeeded) => wait = AGAIN,
            Err(error) => {
                tracing::error!(%error, "no proxy: published ports lead straight to instances, weights are not kept; trying again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(wait) => wait = (wait * 2).min(AGAIN_AT_MOST),
                }
            }
        }
    }
}

impl Fronts {
    /// Waits until something is to be served; `None` when told to stop before.
    async fn until_needed(&self, stop: &CancellationToken) -> Option<std::net::IpAddr> {
        let mut wanted = self.wanted.subscribe();
        tokio::select! {
            () = stop.cancelled() => return None,
            needed = wanted.wait_for(|wanted| !wanted.table.fronts.is_empty()) => drop(needed.ok()?),
        }
        self.address()
    }

    /// The proxy that was found, if it is this program's; else another in its place, which serves before
    /// the old one is told to go. `None` when nothing is to be served, or when told to stop before that is
    /// known: then the old one goes on.
    async fn of_this_build(
        &self,
        mut old: Line,
        stop: &CancellationToken,
    ) -> io::Result<Option<Line>> {
        let build = match process::build() {
            Ok(build) if old.hello.run.build == build => return Ok(Some(old)),
            Ok(build) => build,
            Err(error) => {
                retire(&mut old).await;
                return Err(error);
            }
        };
        let mut wanted = self.wanted.subscribe();
        let table = tokio::select! {
            () = stop.cancelled() => return Ok(None),
            known = wanted.wait_for(|wanted| wanted.known) => match known {
                Ok(wanted) => wanted.table.clone(),
                Err(_) => return Ok(None),
            },
        };
        let started = match self.address() {
            Some(address) if !table.fronts.is_empty() => {
                Some(Line::start(&self.dir, address, &build).await)
            }
            _ => None,
        };
        self.replace(old, started, &table).await
    }

    /// Tells the new proxy what to serve, if one is needed, and then the old one to go. Nobody could find
    /// the old one again, so it goes whatever became of the new one; a new one that was not told goes too.
    async fn replace(
        &self,
        mut old: Line,
        new: Option<io::Result<Line>>,
        table: &Table,
    ) -> io::Result<Option<Line>> {
        let outcome = match new {
            None => Ok(None),
            Some(Err(error)) => Err(error),
            Some(Ok(mut new)) => match self.tell(&mut new, table).await {
                Ok(()) => Ok(Some(new)),
                Err(error) => {
                    retire(&mut new).await;
                    Err(error)
                }
            },
        };
        retire(&mut old).await;
        outcome
    }

    async fn serve(
        &self,
        mut line: Line,
        stop: &CancellationToken,
        wait: &mut Duration,
    ) -> io::Result<Left> {
        tracing::info!(pid = line.hello.run.pid, "the proxy is fed");
        let mut wanted = self.wanted.subscribe();
        // Before the first pass nothing is known: the proxy goes on with what it was told last.
        let mut told = wanted.borrow_and_update().table.clone();
        if !told.fronts.is_empty() {
            self.tell(&mut line, &told).await?;
        }
        loop {
            let busy = !self.doing.borrow().under_way.is_empty();
            let pause = if busy { LOOK_SOON } else { LOOK_EVERY };
            tokio::select! {
                () = stop.cancelled() => return self.end(line).await,
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return Ok(Left::Stopped);
                    }
                    let table = wanted.borrow_and_update().table.clone();
                    if table != told {
                        self.tell(&mut line, &table).await?;
                        told = table;
                    }
                    *wait = AGAIN;
                    if told.fronts.is_empty() {
                        return self.end(line).await;
                    }
                }
                () = line.gone() => return Err(io::ErrorKind::BrokenPipe.into()),
                () = tokio::time::sleep(pause) => {
                    let look = look(&mut line).await?;
                    self.saw(&line, &look);
                    let under_way = look.under_way.into_iter().collect();
                    self.now(|doing| doing.under_way = under_way);
                }
            }
        }
    }

    /// Ends a proxy that is of no use to anybody; one that serves is left to serve.
    async fn end(&self, mut line: Line) -> io::Result<Left> {
        let (known, needed) = {
            let wanted = self.wanted.borrow();
            (wanted.known, !wanted.table.fronts.is_empty())
        };
        let nothing_runs = self.fleet.read(|table| table.observed.instances.is_empty());
        if !known || (needed && !nothing_runs) {
            return Ok(Left::Stopped);
        }
        line.ask(&Request::Retire).await?;
        Ok(if needed {
            Left::Stopped
        } else {
            Left::NotNeeded
        })
    }

    async fn tell(&self, line: &mut Line, table: &Table) -> io::Result<()> {
        let Reply::Set(open) = line.ask(&Request::Set(table.clone())).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let look = look(line).await?;
        self.saw(line, &look);
        let listens = |one: Open| Some((one.key, v4(one.address)?));
        let doing = Doing {
            open: open.into_iter().filter_map(listens).collect(),
            serving: instances(table),
            under_way: look.under_way.into_iter().collect(),
        };
        self.now(|now| *now = doing);
        Ok(())
    }

    fn saw(&self, line: &Line, look: &Look) {
        let wanted = self.wanted.borrow();
        if !wanted.known {
            // Counts only grow: what is not looked at now is there at the next look.
            return;
        }
        let role = |one: &ostler_proxy::wire::Counted| {
            golden::Role::of(wanted.current.get(&one.service) == Some(&one.generation))
        };
        self.fleet.golden().take(&line.hello.run.id, look, role);
    }

    fn nobody_serves(&self) {
        self.now(|doing| *doing = Doing::default());
    }

    /// Takes note; whoever sets the kernel's rules looks again when fronts moved.
    fn now(&self, change: impl FnOnce(&mut Doing)) {
        let before = self.doing.borrow().open.clone();
        self.doing.send_modify(change);
        if before != self.doing.borrow().open {
            self.fleet.wake.notify_one();
        }
    }
}

/// Tells a proxy to go that nobody will ask again.
async fn retire(line: &mut Line) {
    let pid = line.hello.run.pid;
    match line.ask(&Request::Retire).await {
        Ok(_) => tracing::info!(pid, "a proxy gives way"),
        Err(error) => tracing::warn!(pid, %error, "a proxy that was to give way is gone already"),
    }
}

async fn look(line: &mut Line) -> io::Result<Look> {
    match line.ask(&Request::Look).await? {
        Reply::Look(look) => Ok(look),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

fn instances(table: &Table) -> BTreeSet<InstanceId> {
    let versions = table.fronts.iter().flat_map(|front| &front.versions);
    let instances = versions.flat_map(|version| &version.instances);
    instances.map(|one| one.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ostler_core::id::NodeName;
    use ostler_proxy::wire::{self, Hello, Run};
    use ostler_runtime::sim::SimBackend;
    use tokio::{io::BufReader, net::UnixListener, task::JoinHandle};

    use super::*;
    use crate::fleet::Fleet;

    /// A proxy that answers everything with `Retiring`; what it was asked until its line ended.
    async fn odd_proxy(dir: &Path) -> (Line, JoinHandle<Vec<Request>>) {
        let listener = UnixListener::bind(dir.join("line.sock")).unwrap();
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let run = Run {
                build: "odd".to_owned(),
                id: "odd".to_owned(),
                pid: 1,
            };
            let hello = Hello { run, open: vec![] };
            wire::write(&mut stream, &hello).await.unwrap();
            let mut asked = Vec::new();
            while let Ok(Some(request)) = wire::read(&mut stream).await {
                asked.push(request);
                wire::write(&mut stream, &Reply::Retiring).await.unwrap();
            }
            asked
        });
        (Line::find(dir).await.unwrap(), asked)
    }

    #[tokio::test]
    async fn an_old_proxy_goes_whatever_becomes_of_the_new_one() {
        let (old_dir, new_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let fleet = Fleet::new(Arc::new(SimBackend::new(1)), NodeName::new("here").unwrap());
        let (fronts, _) = Fronts::open(fleet, new_dir.path().to_owned()).await;
        let table = Table::default();

        let (old, asked_old) = odd_proxy(old_dir.path()).await;
        let (new, asked_new) = odd_proxy(new_dir.path()).await;
        let outcome = fronts.replace(old, Some(Ok(new)), &table).await;
        assert!(outcome.is_err(), "it does not do what it is told");
        assert_eq!(asked_old.await.unwrap(), [Request::Retire]);
        let told = [Request::Set(table.clone()), Request::Retire];
        assert_eq!(asked_new.await.unwrap(), told);

        for new in [None, Some(Err(io::ErrorKind::NotFound.into()))] {
            let failed = new.is_some();
            let dir = tempfile::tempdir().unwrap();
            let (old, asked) = odd_proxy(dir.path()).await;
            let outcome = fronts.replace(old, new, &table).await;
            assert_eq!(outcome.is_err(), failed);
            assert_eq!(asked.await.unwrap(), [Request::Retire]);
        }
    }
}
