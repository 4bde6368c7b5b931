//! The audit log as OpenTelemetry logs: one `ExportLogsServiceRequest` in OTLP's JSON form, for
//! collectors. Hashes and signatures are not in it: what verifies is the export as lines.

use ostler_tools::answer::{AuditEntry, AuditExport};
use serde_json::{Value, json};

/// OpenTelemetry's severities: numbers and their names.
const INFO: (u8, &str) = (9, "INFO");
const WARN: (u8, &str) = (13, "WARN");

/// The request. Entries that retention dropped are left out.
pub fn request(pages: &[AuditExport]) -> Value {
    let leaves = pages.iter().flat_map(|page| &page.leaves);
    let entries = leaves.filter_map(|leaf| serde_json::from_str::<AuditEntry>(leaf).ok());
    let records: Vec<Value> = entries.map(|entry| record(&entry)).collect();
    json!({ "resourceLogs": [{
        "resource": { "attributes": [text("service.name", "ostler")] },
        "scopeLogs": [{
            "scope": { "name": "ostler.dev/audit", "version": env!("CARGO_PKG_VERSION") },
            "logRecords": records,
        }],
    }] })
}

fn record(entry: &AuditEntry) -> Value {
    let nanoseconds = (i128::from(entry.at.0) * 1_000_000).to_string();
    let (number, name) = if entry.outcome == "done" { INFO } else { WARN };
    let mut attributes = vec![
        text("ostler.audit.index", &entry.index.to_string()),
        text("ostler.principal", &entry.principal),
        text("ostler.tool", &entry.tool),
        text("ostler.outcome", &entry.outcome),
        text("ostler.policies", &entry.policies.join(",")),
        text("ostler.arguments", &entry.arguments.to_string()),
    ];
    let call = entry
        .call
        .as_ref()
        .map(|call| text("ostler.call", call.as_str()));
    let decision = entry
        .decision
        .as_ref()
        .map(|decision| text("ostler.decision", decision));
    let approval = entry
        .approval
        .as_ref()
        .map(|id| text("ostler.approval", id.as_str()));
    attributes.extend([call, decision, approval].into_iter().flatten());
    json!({
        "timeUnixNano": nanoseconds,
        "observedTimeUnixNano": nanoseconds,
        "severityNumber": number,
        "severityText": name,
        "eventName": "ostler.audit",
        "body": { "stringValue": entry.words },
        "attributes": attributes,
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}
