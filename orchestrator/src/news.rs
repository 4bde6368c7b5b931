//! Tells those who follow the console that something may have changed. A hint: it says nothing of what,
//! and whoever gets it asks the gate like anybody.

use std::{sync::Arc, time::Duration};

use ostler_core::intent::Intent;
use ostler_gate::Gate;
use ostler_tools::record::Records;
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;

/// How often it looks; it compares three numbers.
const EVERY: Duration = Duration::from_millis(500);

/// What was so when it last looked.
#[derive(Default)]
struct Before {
    events: u64,
    intent: Arc<Intent>,
    records: Arc<Records>,
}

/// Hints until told to stop.
pub async fn watch(fleet: Arc<Fleet>, gate: Arc<Gate>, stop: CancellationToken) {
    let mut before = Before::default();
    while stop
        .run_until_cancelled(tokio::time::sleep(EVERY))
        .await
        .is_some()
    {
        let now = Before {
            events: fleet.read(|table| table.last_event()),
            intent: gate.intent(),
            records: gate.records(),
        };
        if now.differs(&before) {
            gate.hint();
        }
        before = now;
    }
}

impl Before {
    fn differs(&self, other: &Self) -> bool {
        let records = Arc::ptr_eq(&self.records, &other.records) || self.records == other.records;
        self.events != other.events || self.intent.revision != other.intent.revision || !records
    }
}
