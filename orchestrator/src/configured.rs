//! What the file of `--config` arranges, language models, agents, the HTTP door's certificates, webhooks and
//! rules about images, at the start and again at each SIGHUP. A file that is not acceptable changes nothing.

use std::{path::PathBuf, sync::Arc};

use anyhow::bail;
use ostler_core::event::Happening;
use ostler_gate::Gate;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::{
    broker::Desk, fleet::Fleet, notify::Notifier, serve::tls::Spoken, settings::Settings,
    supervise::Household,
};

/// How a problem with the file begins in what the daemon tells of itself.
const NOT_TAKEN: &str = "the configuration was not taken over";

/// What is arranged by the file.
pub struct Configured {
    /// Where it is; none was given.
    pub file: Option<PathBuf>,
    /// What is known, and told.
    pub fleet: Arc<Fleet>,
    /// What believes certificates.
    pub gate: Arc<Gate>,
    /// The way to language models.
    pub desk: Desk,
    /// The agents.
    pub household: Household,
    /// What the HTTP door speaks.
    pub spoken: Spoken,
    /// Who else is told of requests.
    pub notifier: Notifier,
}

impl Configured {
    /// Arranges everything anew.
    ///
    /// # Errors
    /// When the settings are not acceptable; all stays as it was.
    pub async fn take_over(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let renewed = self.spoken.prepare(settings.tls.as_ref())?;
        let hooks = Notifier::prepare(&settings.notify)?;
        let backend = &self.fleet.backend;
        if !settings.signatures.is_empty() && !backend.judges_images() {
            let name = backend.name();
            bail!("`images.signatures`: the {name} backend looks at no image; leave the rules out");
        }
        let models = self.desk.serve(&settings.models, &settings.prompts).await?;
        self.spoken.put(renewed);
        self.fleet.backend.demand(settings.signatures.clone());
        self.gate.trust(settings.evaluators.clone());
        self.gate.follow(settings.calendar.clone());
        self.notifier.put(hooks).await;
        self.fleet.ask_of(settings.prometheus.clone());
        let prices = settings.prices.clone();
        self.fleet.write(|table| table.daemon.prices = prices);
        self.fleet.upgrades.put(settings.looking.clone());
        self.fleet.eval_reports.put(settings.eval_reports.clone());
        self.household.settle(&models, &settings.guests).await;
        Ok(())
    }

    /// Follows the file until told to stop; then ends the agents and their models.
    ///
    /// # Errors
    /// When signals cannot be watched.
    pub fn follow(
        mut self,
        stop: CancellationToken,
    ) -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut hangup = signal(SignalKind::hangup())?;
        Ok(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    _ = hangup.recv() => self.again().await,
                }
            }
            self.notifier.close().await;
            self.household.close().await;
            self.desk.close().await;
        })
    }

    async fn again(&mut self) {
        let taken = match &self.file {
            None => Err(anyhow::anyhow!(
                "the daemon was started without one; give it a file with --config"
            )),
            Some(file) => match Settings::read(Some(file)) {
                Ok(settings) => self.take_over(&settings).await,
                Err(error) => Err(error),
            },
        };
        let what = match taken {
            Ok(()) => "the configuration was read anew".to_owned(),
            Err(error) => format!("{NOT_TAKEN}, what was in force stays: {error:#}"),
        };
        tracing::info!("{what}");
        let problem = Some(what.clone()).filter(|what| what.starts_with(NOT_TAKEN));
        self.fleet.problem(NOT_TAKEN, problem);
        self.fleet.tell(None, None, Happening::Configured { what });
    }
}
