//! New versions of what runs, and what known vulnerabilities reach it: registries are asked now and then, a
//! folder of records is read. Never on the path of what runs, and nothing here changes anything.

mod book;
mod feed;
mod holds;
pub(crate) mod settings;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ostler_core::time::Time;
use ostler_runtime::image::{ImageError, Images};
use ostler_tools::view::UpgradesSeen;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use self::{
    book::{Book, First, Repository},
    feed::Read,
    holds::Holdings,
};
pub use settings::Looking;

use crate::{clock, fleet::Fleet, kept::Kept};

/// Time between two requests to registries.
const PACE: Duration = Duration::from_millis(50);
/// The longest time without looking whether something is due.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);
/// How a problem with registries begins in what the daemon tells of itself.
const PROBLEM: &str = "new versions cannot be looked for";
/// How a problem with the feed does.
const FEED: &str = "known vulnerabilities cannot be read";

/// What is configured, shared with whoever reads the configuration.
#[derive(Default)]
pub struct Wanted {
    looking: RwLock<Looking>,
    changed: Notify,
}

impl Wanted {
    /// Takes over what is configured.
    pub fn put(&self, looking: Looking) {
        *self.looking.write().unwrap_or_else(PoisonError::into_inner) = looking;
        self.changed.notify_one();
    }

    fn now(&self) -> Looking {
        let looking = self.looking.read();
        looking.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks until told to stop. When versions were first seen is kept in the file.
pub async fn watch(fleet: Arc<Fleet>, file: PathBuf, stop: CancellationToken) {
    let mut watch = Watch::new(Kept::open(file, "when versions were first seen"));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = watch.turn(&fleet) => {}
        }
        let wait = watch.wait();
        tokio::select! {
            () = stop.cancelled() => return,
            () = fleet.upgrades.changed.notified() => watch.feed_due_at = Time(0),
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// What is remembered from turn to turn.
struct Watch {
    book: Book,
    /// As it was written: a clock that is behind at a start must make nothing older.
    sights: Kept<First>,
    feed: Option<Read>,
    feed_due_at: Time,
    holdings: Holdings,
}

impl Watch {
    fn new(sights: Kept<First>) -> Self {
        Self {
            book: Book::new(sights.value().clone()),
            sights,
            feed: None,
            feed_due_at: Time(0),
            holdings: Holdings::default(),
        }
    }

    fn wait(&self) -> Duration {
        let next = self.book.next().map(|at| at.since(clock::now()).to_std());
        next.unwrap_or(LOOK_ANYWAY).clamp(PACE, LOOK_ANYWAY)
    }

    async fn turn(&mut self, fleet: &Fleet) {
        let Some(images) = fleet.backend.image_store() else {
            return;
        };
        let (looking, intent) = (fleet.upgrades.now(), fleet.intents().borrow().clone());
        self.book.follow(&intent);
        if self.book.repositories.is_empty() {
            tell(fleet, UpgradesSeen::default());
            return;
        }
        self.read_feed(fleet, &looking).await;
        while let Some(name) = self.book.due(clock::now()) {
            let Some(repository) = self.book.repositories.get_mut(&name) else {
                break;
            };
            look(images, &name, repository, &looking).await;
        }
        let mut problems = self
            .book
            .repositories
            .values()
            .filter_map(|one| one.problem.clone());
        let problem = problems.next().map(|words| format!("{PROBLEM}: {words}"));
        if fleet.problem(PROBLEM, problem.clone())
            && let Some(words) = problem
        {
            tracing::warn!("{words}");
        }
        self.sights.keep(&self.book.first());
        self.publish(fleet, images).await;
    }

    /// Reads the folder of records again where something in it was written.
    async fn read_feed(&mut self, fleet: &Fleet, looking: &Looking) {
        let now = clock::now();
        let Some(folder) = looking.osv.clone() else {
            self.feed = None;
            return;
        };
        if now < self.feed_due_at {
            return;
        }
        self.feed_due_at = now + looking.every;
        let known = self.feed.as_ref().map(|read| read.sight.clone());
        let read = tokio::task::spawn_blocking(move || fresh(&folder, known.as_ref())).await;
        match read {
            Ok(Ok(Some(read))) => {
                tracing::info!(
                    records = read.info.records,
                    "known vulnerabilities were read"
                );
                let problem = read.info.problem.as_ref();
                fleet.problem(FEED, problem.map(|words| format!("{FEED}: {words}")));
                self.holdings.forget_reached();
                self.feed = Some(read);
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                fleet.problem(FEED, Some(format!("{FEED}: {error}")));
            }
            Err(error) => tracing::error!(%error, "{FEED}"),
        }
    }

    async fn publish(&mut self, fleet: &Fleet, images: &Images) {
        let intent = fleet.intents().borrow().clone();
        let mut services = BTreeMap::new();
        for repository in self.book.repositories.values() {
            for key in repository.used.keys() {
                let Some(service) = intent.services.get(key) else {
                    continue;
                };
                let image = &service.spec.image;
                let stored = images.stored(image).await.ok().flatten();
                let mut seen = repository.told(key, image, stored.as_ref());
                if let (Some(stored), Some(read)) = (&stored, &self.feed) {
                    let reached = self
                        .holdings
                        .reached(images, (image, stored), &read.feed)
                        .await;
                    (seen.packages, seen.vulnerable) = (Some(reached.packages), reached.all);
                    seen.vulnerabilities.clone_from(&reached.told);
                }
                services.insert(key.clone(), seen);
            }
        }
        self.holdings.tidy();
        let feed = self.feed.as_ref().map(|read| read.info.clone());
        tell(fleet, UpgradesSeen { services, feed });
    }
}

/// A folder's records, unless it looks as it did.
fn fresh(folder: &Path, known: Option<&feed::Sight>) -> std::io::Result<Option<Read>> {
    let sight = feed::sight(folder)?;
    Ok((known != Some(&sight)).then(|| feed::read(sight)))
}

/// Shows what was seen, where it differs from what is shown.
fn tell(fleet: &Fleet, seen: UpgradesSeen) {
    if fleet.read(|table| *table.upgrades != seen) {
        fleet.write(|table| table.upgrades = Arc::new(seen));
    }
}

/// Asks about one repository.
async fn look(images: &Images, name: &str, repository: &mut Repository, looking: &Looking) {
    match images.tags(name).await {
        Ok(tags) => repository.tags = tags,
        Err(error) => {
            let why = words(&error);
            repository.failed(looking.every, why, clock::now());
            return;
        }
    }
    let mut problem = None;
    for tag in repository.closer() {
        tokio::time::sleep(PACE).await;
        if let Err(error) = look_at(images, name, &tag, repository).await {
            problem.get_or_insert_with(|| words(&error));
        }
    }
    repository.answered(looking.every, problem, clock::now());
}

async fn look_at(
    images: &Images,
    name: &str,
    tag: &str,
    repository: &mut Repository,
) -> Result<(), ImageError> {
    let image = format!("{name}:{tag}");
    let top = images.remote_digest(&image).await?;
    if repository.seen.get(tag).is_some_and(|seen| seen.top == top) {
        return Ok(());
    }
    let known = images.remote(&image).await?;
    repository.sees(tag, top, known, clock::now());
    Ok(())
}

/// The error's words, and what a registry said, without control characters and cut.
fn words(error: &ImageError) -> String {
    let words = error.to_string();
    words
        .chars()
        .filter(|c| !c.is_control())
        .take(300)
        .collect()
}
