//! Whether something moved since somebody looked: a number that differs when it did. It tells nothing of
//! what moved; who wants to know reads, and that is judged and recorded.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use ostler_core::id::ServiceKey;

use crate::door::Gate;

/// What may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// The fleet as a whole: intent, and how each service stands.
    Fleet,
    /// One service.
    Service(ServiceKey),
    /// Incidents, proposals, approvals.
    Papers,
    /// The audit log. Reading moves it too, so what counts is what was written by changes.
    Changes,
}

impl Gate {
    /// The number as of now; equal numbers mean that nothing moved.
    #[must_use]
    pub fn stamp(&self, watched: &Watched) -> u64 {
        let mut hasher = DefaultHasher::new();
        let state = self.state();
        match watched {
            Watched::Fleet => {
                state.intent.revision.hash(&mut hasher);
                said(&self.world.view().report, &mut hasher);
            }
            Watched::Service(key) => {
                let service = state.intent.services.get(key);
                said(
                    &service.map(|service| (service.generation, service.replicas)),
                    &mut hasher,
                );
                said(&self.world.view().report.get(key), &mut hasher);
            }
            Watched::Papers => {
                let records = &state.records;
                said(
                    &(&records.incidents, &records.proposals, &records.approvals),
                    &mut hasher,
                );
            }
            Watched::Changes => state.intent.revision.hash(&mut hasher),
        }
        hasher.finish()
    }
}

/// Everything that a value's debug form says. It is kept nowhere.
fn said(value: &impl std::fmt::Debug, hasher: &mut DefaultHasher) {
    format!("{value:?}").hash(hasher);
}
