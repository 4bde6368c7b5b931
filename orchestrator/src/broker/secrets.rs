//! The store's secrets, to be taken out of what leaves the house (prompts, webhooks); opened anew when the intent moves.

use std::sync::{Arc, Mutex, PoisonError};

use ostler_broker::{Redactor, Secrets};
use ostler_core::id::Revision;
use ostler_gate::Gate;

/// Every secret that the gate keeps.
pub(crate) struct OfGate {
    gate: Arc<Gate>,
    last: Mutex<Option<(Revision, Arc<Redactor>)>>,
}

impl OfGate {
    pub(crate) fn new(gate: Arc<Gate>) -> Self {
        Self {
            gate,
            last: Mutex::default(),
        }
    }
}

impl Secrets for OfGate {
    fn redactor(&self) -> Arc<Redactor> {
        let intent = self.gate.intent();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((revision, redactor)) = &*last
            && *revision == intent.revision
        {
            return Arc::clone(redactor);
        }
        let opened = intent.secrets.keys().filter_map(|secret| {
            let opened = self.gate.reveal(secret);
            opened
                .inspect_err(|error| tracing::error!(%secret, %error, "a secret cannot be kept out of prompts"))
                .ok()
        });
        let values: Vec<_> = opened.collect();
        let redactor = Arc::new(Redactor::new(values.iter().map(|value| value.as_slice())));
        *last = Some((intent.revision, Arc::clone(&redactor)));
        redactor
    }
}
