//! The fleet as the gate sees it: views, signals, permitted queries.

use std::{sync::{Arc, PoisonError}, time::Duration};

use async_trait::async_trait;
use ostler_core::{
    event::Happening,
    id::InstanceId,
    intent::Intent,
    signal::{Series, SignalKind, Subject},
    time::Time,
};
use ostler_gate::ports::{PastChange, World};
use ostler_runtime::backend::{BackendError, ExecOrder, LogQuery};
use ostler_signals::history::History;
use ostler_tools::{query::Query, view::{SignalReader, WorldView}};
use serde_json::{Value, json};

use super::Fleet;

/// The history, readable by tools.
#[derive(Debug, Default)]
pub struct Signals(pub History);

impl SignalReader for Signals {
    fn series(&self, subject: &Subject, kind: SignalKind, from: Time, to: Time, points: usize) -> Series {
        self.0.series(subject, kind, from, to, points)
    }

    fn kinds(&self, subject: &Subject) -> Vec<SignalKind> {
        self.0.kinds(subject)
    }
}

const EXEC_OUTPUT_LIMIT: usize = 256 << 10;

#[async_trait]
impl World for Fleet {
    fn view(&self) -> Arc<WorldView> {
        if let Some(view) = self.view.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return view.clone();
        }
        let view = Arc::new(self.read(|table| WorldView {
            observed: table.observed.clone(),
            report: table.report.clone(),
            events: table.events.clone(),
            agents: table.agents.clone(),
            daemon: table.daemon.clone(),
        }));
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Some(view.clone());
        view
    }

    fn signals(&self) -> &dyn SignalReader {
        &self.signals
    }

    async fn query(&self, query: &Query) -> Result<Value, String> {
        match query {
            Query::Logs { instance, after, since, tail } => {
                let query = LogQuery { after: *after, since: *since, tail: *tail };
                answer(self.backend.logs(instance, &query).await)
            }
            Query::Exec { instance, command, input, timeout_ms } => {
                self.exec(instance, command, input, *timeout_ms).await
            }
            Query::Images => answer(self.backend.images().await),
            Query::ImportImage { path, name } => {
                answer(self.backend.import_image(path.as_ref(), name.as_deref()).await)
            }
            Query::CollectGarbage => answer(self.backend.collect_garbage(&self.images_in_use()).await),
            Query::Audit { .. }
            | Query::AuditVerify
            | Query::AuditExport { .. }
            | Query::ExplainPolicy { .. }
            | Query::Changes { .. }
            | Query::Undo { .. } => Err("the gate answers this itself; please report this".to_owned()),
        }
    }

    fn intent_moved(&self, intent: Arc<Intent>, past: &PastChange) {
        let happening = Happening::Changed {
            tool: past.tool.clone(),
            principal: past.principal.clone(),
            summary: past.summary.clone(),
            revision: past.revision.0,
        };
        let services = if past.services.is_empty() { vec![None] } else { past.services.iter().map(Some).collect() };
        for service in services {
            self.tell(service, None, happening.clone());
        }
        self.publish(intent);
    }
}

impl Fleet {
    async fn exec(&self, instance: &InstanceId, command: &[String], input: &str, ms: u64) -> Result<Value, String> {
        let order = ExecOrder {
            command: command.to_vec(),
            input: input.as_bytes().to_vec(),
            timeout: Duration::from_millis(ms),
            output_limit: EXEC_OUTPUT_LIMIT,
        };
        let outcome = self.backend.exec(instance, &order).await.map_err(|error| error.to_string())?;
        Ok(json!({
            "code": outcome.code,
            "untrusted_stdout": String::from_utf8_lossy(&outcome.stdout),
            "untrusted_stderr": String::from_utf8_lossy(&outcome.stderr),
        }))
    }

    /// Images that wanted services or their earlier generations name: garbage collection keeps them.
    fn images_in_use(&self) -> Vec<String> {
        let intent = self.intent.borrow();
        let pasts = |service: &ostler_core::intent::Service| {
            let earlier = service.stable.iter().chain(&service.history).map(|past| past.spec.image.clone());
            std::iter::once(service.spec.image.clone()).chain(earlier).collect::<Vec<_>>()
        };
        intent.services.values().flat_map(pasts).collect()
    }
}

fn answer<T: serde::Serialize>(result: Result<T, BackendError>) -> Result<Value, String> {
    let value = result.map_err(|error| error.to_string())?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}
