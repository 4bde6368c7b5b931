//! Takes secrets out of a capture before it is kept. Pure.
//!
//! Each value that is taken out leaves a number: two generations that differ in nothing but a
//! password still differ. What cannot be read any more without its secrets goes altogether.

use std::collections::BTreeMap;

use ostler_core::{
    event::Happening,
    incident::Incident,
    observed::{Answer, Exit, InstanceSeen, Phase},
    spec::ServiceSpec,
};
use ostler_redact::{Redactor, is_secret_name};
use ostler_tools::answer::{Capture, CapturedService, LogLine};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Most characters of a log line.
const LINE: usize = 500;
/// Deepest nesting of a spec that is looked at; it has less.
const DEPTH: usize = 16;

/// Takes secrets out, and tells them apart.
pub(super) struct Cleaner {
    redactor: Redactor,
    /// By their hashes.
    numbers: BTreeMap<[u8; 32], usize>,
}

impl Cleaner {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self {
            redactor,
            numbers: BTreeMap::new(),
        }
    }

    /// A whole capture.
    pub(super) fn capture(&mut self, capture: &mut Capture) {
        let services = std::mem::take(&mut capture.services);
        for service in services {
            let key = service.service.clone();
            match self.service(service) {
                Some(clean) => capture.services.push(clean),
                None => capture
                    .left_out
                    .push(format!("`{key}`: its spec is none without its secrets")),
            }
        }
        for change in &mut capture.changes {
            change.summary = self.text(&change.summary);
        }
        for event in &mut capture.events {
            self.happening(&mut event.what);
        }
        for past in &mut capture.past {
            past.corrected = past.corrected.take().map(|words| self.text(&words));
        }
    }

    /// What people and agents wrote of an incident, which may quote workloads.
    pub(super) fn incident(&mut self, incident: &mut Incident) {
        incident.title = self.text(&incident.title);
        for entry in &mut incident.timeline {
            entry.what = self.text(&entry.what);
        }
        if let Some(cause) = &mut incident.cause {
            cause.explanation = self.text(&cause.explanation);
            for evidence in &mut cause.evidence {
                evidence.claim = self.text(&evidence.claim);
            }
        }
        if let Some(correction) = &mut incident.correction {
            correction.words = self.text(&correction.words);
        }
    }

    fn service(&mut self, mut service: CapturedService) -> Option<CapturedService> {
        service.spec = self.spec(&service.spec)?;
        for past in &mut service.earlier {
            past.spec = self.spec(&past.spec)?;
        }
        for one in &mut service.instances {
            self.seen(&mut one.seen);
            self.lines(&mut one.untrusted_lines);
        }
        Some(service)
    }

    /// A spec whose every text was looked at; nothing when it is no spec any more.
    fn spec(&mut self, spec: &ServiceSpec) -> Option<ServiceSpec> {
        let mut value = serde_json::to_value(spec).ok()?;
        if let Some(env) = value.get_mut("env").and_then(Value::as_object_mut) {
            for (_, value) in env.iter_mut().filter(|(name, _)| is_secret_name(name)) {
                self.hide(value);
            }
        }
        self.value(&mut value, 0);
        serde_json::from_value(value).ok()
    }

    fn value(&mut self, value: &mut Value, depth: usize) {
        if depth > DEPTH {
            *value = Value::Null;
            return;
        }
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => {
                self.after_flags(items);
                items
                    .iter_mut()
                    .for_each(|item| self.value(item, depth + 1));
            }
            Value::Object(fields) => fields
                .values_mut()
                .for_each(|field| self.value(field, depth + 1)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What follows a flag such as `--password` in a command.
    fn after_flags(&mut self, items: &mut [Value]) {
        let mut follows = false;
        for item in items {
            if follows {
                self.hide(item);
            }
            let flag = item.as_str().unwrap_or_default();
            follows = flag.starts_with('-') && !flag.contains('=') && is_secret_name(flag);
        }
    }

    fn hide(&mut self, value: &mut Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            *value = Value::String(mark(&mut self.numbers, text));
        }
    }

    fn seen(&mut self, seen: &mut InstanceSeen) {
        if let Phase::Failed { problem } = &mut seen.phase {
            problem.detail = self.text(&problem.detail);
        }
        let health = &mut seen.health;
        for answer in [
            &mut health.startup,
            &mut health.liveness,
            &mut health.readiness,
        ] {
            if let Answer::No { reason, .. } = answer {
                *reason = self.text(reason);
            }
        }
        // Where it can be reached and what its process was called matter to nobody later.
        (seen.address, seen.pid) = (None, seen.pid.map(|_| 1));
    }

    fn happening(&mut self, what: &mut Happening) {
        match what {
            Happening::StartFailed { problem } => problem.detail = self.text(&problem.detail),
            Happening::Exited { exit, words } => *words = Exit::in_words(exit),
            _ => {}
        }
    }

    /// Lines of a log; of a private key over several lines nothing is left.
    fn lines(&mut self, lines: &mut [LogLine]) {
        let mut in_key = false;
        for line in lines {
            let begins = line.text.contains("-----BEGIN ") && line.text.contains("PRIVATE KEY");
            in_key |= begins;
            let ends = line.text.contains("-----END ");
            line.text = match in_key {
                true => ostler_redact::REDACTED.to_owned(),
                false => self.text(&line.text).chars().take(LINE).collect(),
            };
            in_key &= !ends;
        }
    }

    fn text(&mut self, text: &str) -> String {
        let numbers = &mut self.numbers;
        self.redactor
            .replaced(text, &mut |secret| mark(numbers, secret))
    }
}

/// What stands in a secret's place: the same for the same secret.
fn mark(numbers: &mut BTreeMap<[u8; 32], usize>, secret: &str) -> String {
    let next = numbers.len() + 1;
    let number = numbers.entry(Sha256::digest(secret).into()).or_insert(next);
    let opening = ostler_redact::REDACTED.trim_end_matches(']');
    format!("{opening}-{number}]")
}
