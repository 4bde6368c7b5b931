//! Calls that were made lately: what a proposal cites as evidence must have happened.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use ostler_core::{id::CallId, incident::Cause};

/// How many are remembered.
const REMEMBERED: usize = 16_384;

/// Calls of everybody, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    order: VecDeque<CallId>,
    known: BTreeSet<CallId>,
}

impl Recent {
    /// Remembers a call; beyond the limit the oldest is forgotten.
    pub(crate) fn made(&self, call: &CallId) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.order.len() >= REMEMBERED
            && let Some(oldest) = held.order.pop_front()
        {
            held.known.remove(&oldest);
        }
        held.order.push_back(call.clone());
        held.known.insert(call.clone());
    }

    /// Refuses a cause that cites what nobody did.
    pub(crate) fn check(&self, cause: &Cause) -> Result<(), String> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let made_up = |call: &&CallId| !held.known.contains(*call);
        match cause.evidence.iter().map(|one| &one.call).find(made_up) {
            Some(call) => Err(format!(
                "the evidence cites `{call}`, and no such call was made lately; look again and cite what you saw"
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten() {
        let recent = Recent::default();
        let id = |number: usize| CallId::new(format!("call_{number}")).unwrap();
        (0..=REMEMBERED).for_each(|number| recent.made(&id(number)));
        let held = recent.held.lock().unwrap();
        assert_eq!(
            (held.order.len(), held.known.len()),
            (REMEMBERED, REMEMBERED)
        );
        assert!(!held.known.contains(&id(0)) && held.known.contains(&id(REMEMBERED)));
    }
}
