//! Captures: what the world around an incident looked like when it was opened, for evals.
//!
//! A live world moves on, so the gate looks at once: right after the commit, outside the ledger's lock.
//! Nobody waits for it, and an incident is opened whether or not it succeeds. It wakes by hint, reads
//! which young incidents have no capture yet, and takes those: a daemon that died in between catches up.
//! Where another cause is believed in later, that is what the world of then shows: it is captured anew.

mod clean;
mod export;
mod fit;
mod logs;
mod scope;
mod take;

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};

use ostler_core::{
    id::{IncidentId, ServiceKey},
    incident::{CauseKind, Incident},
    time::{Span, Time},
};
use ostler_redact::Redactor;
use ostler_tools::answer::Capture;
use tokio::sync::mpsc;

use crate::{door::Gate, plan::State, ports::StoreError};

use clean::Cleaner;

/// An incident that is older has no capture: the world has moved on.
const LATE: Span = Span::minutes(2);
/// A cause that is named so soon after the capture was found in the same look.
const SAME_LOOK: Span = Span::seconds(10);
/// After a capture that could not be kept.
const AGAIN: Duration = Duration::from_secs(5);

/// What was believed of an incident at its last capture, and when that was.
type Known = BTreeMap<IncidentId, (Time, Belief)>;
/// A kind of cause and the service at fault.
type Belief = Option<(CauseKind, ServiceKey)>;

/// Takes captures of young incidents that have none, whenever something was written of an incident.
pub(crate) async fn keep_captures(gate: Weak<Gate>, mut written: mpsc::Receiver<()>) {
    let mut known = Known::new();
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
    /// Whether every incident has its capture now.
    async fn capture_young(&self, known: &mut Known) -> bool {
        let (state, now) = (self.state(), self.clock.now());
        let incidents = &state.records.incidents;
        known.retain(|id, _| incidents.contains_key(id));
        let mut all = true;
        for incident in incidents.values() {
            let before = known.get(&incident.id);
            if !is_due(incident, before, now) {
                continue;
            }
            // Another daemon's capture is nearer to the moment than one of now would be.
            let kept = before.is_none() && self.is_captured(&incident.id).await;
            let taken = match kept || is_same_look(before, now) {
                true => Ok(()),
                false => self.capture_one(&state, incident, now).await,
            };
            match taken {
                Ok(()) => drop(known.insert(incident.id.clone(), (now, belief(incident)))),
                Err(error) => {
                    tracing::warn!(incident = %incident.id, %error, "a capture could not be kept");
                    all = false;
                }
            }
        }
        all
    }

    async fn is_captured(&self, incident: &IncidentId) -> bool {
        matches!(self.store.capture(incident).await, Ok(Some(_)))
    }

    async fn capture_one(
        &self,
        state: &State,
        incident: &Incident,
        now: Time,
    ) -> Result<(), StoreError> {
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

fn belief(incident: &Incident) -> Belief {
    let cause = incident.cause.as_ref();
    cause.map(|cause| (cause.kind, cause.culprit.clone()))
}

/// Whether an incident wants a capture: a young one that has none, or one that is open while
/// another cause is believed in than at its last.
fn is_due(incident: &Incident, before: Option<&(Time, Belief)>, now: Time) -> bool {
    match before {
        None => now.since(incident.opened_at) <= LATE,
        Some((_, believed)) => incident.closed_at.is_none() && *believed != belief(incident),
    }
}

fn is_same_look(before: Option<&(Time, Belief)>, now: Time) -> bool {
    before.is_some_and(|(at, _)| now.since(*at) <= SAME_LOOK)
}

/// What wakes the captures, and what listens.
pub(crate) fn hints() -> (mpsc::Sender<()>, mpsc::Receiver<()>) {
    mpsc::channel(1)
}

/// Begins to take captures for a gate.
pub(crate) fn begin(gate: &Arc<Gate>, written: mpsc::Receiver<()>) {
    tokio::spawn(keep_captures(Arc::downgrade(gate), written));
}
