//! For which services something fits so much better, and has for a while, that it is worth somebody's time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use ostler_agents_kit::{
    look::Glance,
    symptom::{Notice, Reads, Symptom, SymptomKind},
};
use ostler_core::{
    id::ServiceKey,
    time::{Span, Time},
};

use super::{
    advice::{Advice, advice},
    minds::{Advised, Minds},
};

/// What fits better for this long is no whim of a moment.
const LASTING: Span = Span::seconds(20);
/// Most that is named at a time.
const AT_ONCE: usize = 4;

/// Learns from each glance; remembers since when what would fit better.
#[derive(Debug)]
pub struct Noticing {
    minds: Arc<Mutex<Minds>>,
    since: BTreeMap<ServiceKey, (&'static str, bool, Time)>,
}

impl Noticing {
    /// Learns into what a planner reads.
    #[must_use]
    pub fn new(minds: Arc<Mutex<Minds>>) -> Self {
        Self {
            minds,
            since: BTreeMap::new(),
        }
    }

    /// Since when a service is advised so, in tool and direction.
    fn since(&mut self, service: &ServiceKey, advice: &Advice, now: Time) -> Time {
        let (tool, more) = (advice.tool, advice.gives_more);
        let since = self.since.entry(service.clone());
        let since = since.or_insert((tool, more, now));
        if (since.0, since.1) != (tool, more) {
            *since = (tool, more, now);
        }
        since.2
    }
}

impl Notice for Noticing {
    fn reads(&self) -> Reads {
        Reads {
            loads: true,
            ..Reads::default()
        }
    }

    fn notice(&mut self, glance: &Glance) -> Vec<Symptom> {
        let minds = Arc::clone(&self.minds);
        let mut minds = minds.lock().unwrap_or_else(PoisonError::into_inner);
        minds.feed(glance);
        let mut found = Vec::new();
        for (service, load) in &glance.loads {
            let told = minds.told(service).cloned();
            let Some(advice) = advice(load, told.as_ref(), glance.now) else {
                self.since.remove(service);
                minds.advise(service, None);
                continue;
            };
            let shown = match advice.tool {
                "tune_scaling" => &load.signals.call,
                _ => &load.day.call,
            };
            let advised = Advised {
                advice: advice.clone(),
                told,
                shown: shown.clone(),
                at: glance.now,
            };
            minds.advise(service, Some(advised));
            let since = self.since(service, &advice, glance.now);
            if glance.now.since(since) >= LASTING {
                found.push((
                    !advice.gives_more,
                    Symptom {
                        service: service.clone(),
                        instance: None,
                        kind: SymptomKind::Misprovisioned,
                        since,
                        claim: advice.claim,
                        call: shown.clone(),
                    },
                ));
            }
        }
        self.since
            .retain(|service, _| glance.loads.contains_key(service));
        // Who lacks something goes first.
        found.sort_by_key(|(spares, _)| *spares);
        found
            .into_iter()
            .take(AT_ONCE)
            .map(|(_, symptom)| symptom)
            .collect()
    }
}
