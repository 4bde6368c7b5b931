//! Tells people elsewhere that a request waits for their yes, and how it ended: signed posts to webhooks.
//!
//! Looks at the gate's records and never holds it up. A webhook says that something waits and where to
//! look; nothing can be answered by following a link.

mod book;
mod deliver;
mod notice;
mod payload;
mod settings;
mod sign;

use std::{path::PathBuf, sync::Arc};

use ostler_gate::Gate;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::settings::{NotifyConfig, NotifySettings};
use self::{book::Book, deliver::Delivery, settings::Hook};
use crate::{broker::OfGate, fleet::Fleet, state_dir::StateDir};

/// Delivers to the configured webhooks; others take their place when the configuration changes.
pub struct Notifier {
    fleet: Arc<Fleet>,
    gate: Arc<Gate>,
    /// Where it is written down what each was told.
    books: PathBuf,
    open: Option<(CancellationToken, JoinSet<()>)>,
}

/// Webhooks with their addresses and secrets, read and found good.
pub struct Prepared(Vec<Hook>);

impl Notifier {
    /// Nobody is told anything yet.
    #[must_use]
    pub fn new(state: &StateDir, fleet: &Arc<Fleet>, gate: &Arc<Gate>) -> Self {
        Self {
            fleet: fleet.clone(),
            gate: gate.clone(),
            books: state.notify(),
            open: None,
        }
    }

    /// Reads the files that settings name.
    ///
    /// # Errors
    /// When one cannot be used; names field and file.
    pub fn prepare(settings: &NotifySettings) -> anyhow::Result<Prepared> {
        settings.open().map(Prepared)
    }

    /// Tells these from now on, and nobody else.
    pub async fn put(&mut self, prepared: Prepared) {
        self.close().await;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        let secrets = Arc::new(OfGate::new(self.gate.clone()));
        for hook in prepared.0 {
            let delivery = Delivery {
                book: Book::open(self.books.join(format!("{}.json", hook.name))),
                hook,
                fleet: self.fleet.clone(),
                gate: self.gate.clone(),
                secrets: secrets.clone(),
            };
            tasks.spawn(delivery.run(stop.clone()));
        }
        self.open = Some((stop, tasks));
    }

    /// Tells nobody any more. What was on its way may arrive twice, under the same id.
    pub async fn close(&mut self) {
        if let Some((stop, mut tasks)) = self.open.take() {
            stop.cancel();
            while tasks.join_next().await.is_some() {}
        }
    }
}
