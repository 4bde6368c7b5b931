//! The fleet as the gate sees it: views, signals, permitted queries.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use ostler_core::{
    change::Change, event::Happening, id::InstanceId, intent::Intent, signal::SignalReader,
};
use ostler_gate::{
    UNLOADED,
    ports::{Called, PastChange, World},
};
use ostler_runtime::backend::{
    BackendError, Damage, ExecOrder, ExecOutcome, Freed, ImageInfo, LogLine, LogPage, LogQuery,
    Stream,
};
use ostler_tools::{answer, query::Query, view::WorldView};
use serde_json::Value;

use super::Fleet;

const EXEC_OUTPUT_LIMIT: usize = 256 << 10;

#[async_trait]
impl World for Fleet {
    fn view(&self) -> Arc<WorldView> {
        if let Some(view) = self
            .view
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
        {
            return view.clone();
        }
        let view = Arc::new(self.read(|table| WorldView {
            observed: table.observed.clone(),
            report: table.report.clone(),
            scaling: table.scaling.clone(),
            analysis: table.analysis.clone(),
            events: table.events.clone(),
            agents: table.agents.clone(),
            agent_lines: table.agent_lines.clone(),
            upgrades: table.upgrades.clone(),
            evals: table.evals.clone(),
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
            Query::Logs {
                instance,
                after,
                since,
                tail,
            } => {
                let query = LogQuery {
                    after: *after,
                    since: *since,
                    tail: *tail,
                };
                told(
                    self.backend
                        .logs(instance, &query)
                        .await
                        .map(|page| log_answer(instance, page)),
                )
            }
            Query::Exec {
                instance,
                command,
                input,
                timeout_ms,
            } => self.exec(instance, command, input, *timeout_ms).await,
            Query::Images => told(self.backend.images().await.map(images)),
            Query::ImportImage { path, name } => told(
                self.backend
                    .import_image(path.as_ref(), name.as_deref())
                    .await
                    .map(images),
            ),
            Query::CollectGarbage => told(
                self.backend
                    .collect_garbage(&self.images_in_use())
                    .await
                    .map(freed),
            ),
            Query::VerifyImages => told(self.backend.verify_images().await.map(damages)),
            Query::Audit { .. }
            | Query::AuditVerify
            | Query::AuditExport { .. }
            | Query::ExplainPolicy { .. }
            | Query::Changes { .. }
            | Query::Capture { .. }
            | Query::ConsoleLink { .. }
            | Query::Policies
            | Query::Undo { .. } => {
                Err("the gate answers this itself; please report this".to_owned())
            }
        }
    }

    fn called(&self, call: &Called) {
        self.metrics.called(call);
    }

    fn intent_moved(&self, intent: Arc<Intent>, past: &PastChange) {
        let happening = Happening::Changed {
            tool: past.tool.clone(),
            principal: past.principal.clone(),
            summary: past.summary.clone(),
            revision: past.revision.0,
        };
        let services = if past.services.is_empty() {
            vec![None]
        } else {
            past.services.iter().map(Some).collect()
        };
        for service in services {
            self.tell(service, None, happening.clone());
        }
        self.hear_of_law(past);
        self.publish(intent);
    }
}

impl Fleet {
    /// What nobody should miss, and what is mended by it.
    fn hear_of_law(&self, past: &PastChange) {
        match &past.change {
            Change::SetGlass { glass: Some(_), .. } => {
                tracing::warn!(by = past.principal, "{}", past.summary);
            }
            // What was put in force loads, or it would not be.
            Change::SetPolicies { .. } => {
                tracing::warn!(by = past.principal, "{}", past.summary);
                self.problem(UNLOADED, None);
            }
            _ => {}
        }
    }

    async fn exec(
        &self,
        instance: &InstanceId,
        command: &[String],
        input: &str,
        ms: u64,
    ) -> Result<Value, String> {
        let order = ExecOrder {
            command: command.to_vec(),
            input: input.as_bytes().to_vec(),
            timeout: Duration::from_millis(ms),
            output_limit: EXEC_OUTPUT_LIMIT,
        };
        told(
            self.backend
                .exec(instance, &order)
                .await
                .map(|outcome| exec_answer(instance, &outcome)),
        )
    }

    /// Images that wanted services or their earlier generations name: garbage collection keeps them.
    fn images_in_use(&self) -> Vec<String> {
        let intent = self.intent.borrow();
        let pasts = |service: &ostler_core::intent::Service| {
            let earlier = service
                .stable
                .iter()
                .chain(&service.history)
                .map(|past| past.spec.image.clone());
            std::iter::once(service.spec.image.clone())
                .chain(earlier)
                .collect::<Vec<_>>()
        };
        intent.services.values().flat_map(pasts).collect()
    }
}

/// A stream as tools name it.
pub(crate) const fn stream_of(stream: Stream) -> answer::LogStream {
    match stream {
        Stream::Stdout => answer::LogStream::Stdout,
        Stream::Stderr => answer::LogStream::Stderr,
    }
}

fn log_answer(instance: &InstanceId, page: LogPage) -> answer::LogAnswer {
    let line = |line: LogLine| answer::LogLine {
        at: line.at,
        stream: stream_of(line.stream),
        attempt: line.attempt,
        text: line.text,
    };
    answer::LogAnswer {
        instance: instance.clone(),
        untrusted_lines: page.lines.into_iter().map(line).collect(),
        cursor: page.cursor,
        truncated: page.truncated,
    }
}

fn exec_answer(instance: &InstanceId, outcome: &ExecOutcome) -> answer::ExecAnswer {
    answer::ExecAnswer {
        instance: instance.clone(),
        code: outcome.code,
        untrusted_stdout: String::from_utf8_lossy(&outcome.stdout).into_owned(),
        untrusted_stderr: String::from_utf8_lossy(&outcome.stderr).into_owned(),
        truncated: outcome.stdout.len() >= EXEC_OUTPUT_LIMIT
            || outcome.stderr.len() >= EXEC_OUTPUT_LIMIT,
    }
}

fn images(images: Vec<ImageInfo>) -> answer::Images {
    let image = |image: ImageInfo| answer::Image {
        name: image.name,
        digest: image.digest,
        size: image.size,
    };
    answer::Images {
        images: images.into_iter().map(image).collect(),
    }
}

fn damages(found: Vec<Damage>) -> answer::Damages {
    let layer = |damage: Damage| answer::DamagedLayer {
        layer: damage.layer,
        images: damage.images,
    };
    answer::Damages {
        damaged: found.into_iter().map(layer).collect(),
    }
}

fn freed(freed: Freed) -> answer::Freed {
    answer::Freed {
        images: freed.images,
        layers: freed.layers,
        bytes: freed.bytes,
    }
}

fn told<T: serde::Serialize>(result: Result<T, BackendError>) -> Result<Value, String> {
    let value = result.map_err(|error| error.to_string())?;
    serde_json::to_value(value).map_err(|error| error.to_string())
}
