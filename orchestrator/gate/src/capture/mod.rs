//! Captures: what the world around an incident looked like when it was opened, for evals.
//!
//! A live world moves on, so the gate looks at once: right after the commit, outside the ledger's lock.
//! Nobody waits for it, and an incident is opened whether or not it succeeds. It wakes by hint, reads
//! which young incidents have no capture yet, and takes those: a daemon that died in between catches up.

mod clean;
mod export;
mod fit;
mod logs;
mod scope;
mod take;

use std::{
    collections::BTreeSet,
    sync::{Arc, Weak},
    time::Duration,
};

use ostler_core::{
    id::IncidentId,
    incident::Incident,
    time::{Span, Time},
};
use ostler_redact::Redactor;
use ostler_tools::answer::Capture;
use tokio::sync::mpsc;

use crate::{door::Gate, plan::State, ports::StoreError};

use clean::Cleaner;

/// An incident that is older has no capture: the world has moved on.
const LATE: Span = Span::minutes(2);
/// After a capture that could not be kept.
const AGAIN: Duration = Duration::from_secs(5);

/// Takes captures of young incidents that have none, whenever something was written of an incident.
pub(crate) async fn keep_captures(gate: Weak<Gate>, mut written: mpsc::Receiver<()>) {
    let mut known = BTreeSet::new();
    loop {
        let Some(strong) = gate.upgrade() else { return };
        let all = strong.capture_young(&mut known).await;
        drop(strong);
        let woken = match all {
            true => written.recv().await,
            false => tokio::time::timeout(AGAIN, written.recv())
                .await
                .unwrap_or(Some(())),
        };
        if woken.is_none() {
            return;
        }
    }
}

impl Gate {
    /// Whether every young incident has its capture now.
    async fn capture_young(&self, known: &mut BTreeSet<IncidentId>) -> bool {
        let (state, now) = (self.state(), self.clock.now());
        let incidents = &state.records.incidents;
        known.retain(|id| incidents.contains_key(id));
        let young = |incident: &&Incident| now.since(incident.opened_at) <= LATE;
        let mut all = true;
        for incident in incidents.values().filter(young) {
            if known.contains(&incident.id) {
                continue;
            }
            match self.capture_one(&state, incident, now).await {
                Ok(()) => drop(known.insert(incident.id.clone())),
                Err(error) => {
                    tracing::warn!(incident = %incident.id, %error, "a capture could not be kept");
                    all = false;
                }
            }
        }
        all
    }

    async fn capture_one(
        &self,
        state: &State,
        incident: &Incident,
        now: Time,
    ) -> Result<(), StoreError> {
        if self.store.capture(&incident.id).await?.is_some() {
            return Ok(());
        }
        let world = self.world.view();
        let scene = take::Scene {
            state,
            world: &world,
            signals: self.world.signals(),
            now,
        };
        let mut capture = scene.capture(incident);
        self.past_changes(&mut capture).await;
        self.read_ends(&mut capture).await;
        Cleaner::new(self.redactor(state)).capture(&mut capture);
        fit::fit(&mut capture);
        let body = serde_json::to_string(&capture).map_err(|error| StoreError::Corrupt {
            what: "capture",
            detail: error.to_string(),
        })?;
        self.store.keep_capture(&incident.id, &body).await
    }

    /// Changes that touched the services, as far as the store has them.
    async fn past_changes(&self, capture: &mut Capture) {
        match self.store.changes(None, take::CHANGES_READ).await {
            Ok(all) => {
                let infos = all.into_iter().map(crate::query::info);
                let own = take::changes(infos, capture);
                capture.changes = own;
            }
            Err(error) => capture
                .left_out
                .push(format!("past changes could not be read: {error}")),
        }
    }

    /// Knows every secret that opens; what does not open was put by nobody who still can use it.
    fn redactor(&self, state: &State) -> Redactor {
        let secrets = state.intent.secrets.iter();
        let opened: Vec<_> = secrets
            .filter_map(|(name, sealed)| self.keys.open(name, sealed).ok())
            .collect();
        Redactor::new(opened.iter().map(|value| value.as_slice()))
    }
}

/// What wakes the captures, and what listens.
pub(crate) fn hints() -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    mpsc::channel(1)
}

/// Begins to take captures for a gate.
pub(crate) fn begin(gate: &Arc<Gate>, written: mpsc::Receiver<()>) {
    tokio::spawn(keep_captures(Arc::downgrade(gate), written));
}
