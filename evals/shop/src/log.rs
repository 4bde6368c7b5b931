//! Log lines: one JSON object a line on standard output.

use std::{
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::config::Settings;

/// Writes log lines that carry role and version.
#[derive(Debug, Clone)]
pub struct Log {
    role: &'static str,
    version: String,
}

impl Log {
    /// For one process.
    pub fn new(settings: &Settings) -> Self {
        Self {
            role: settings.role.word(),
            version: settings.version.clone(),
        }
    }

    /// Something went as it should.
    pub fn info(&self, message: &str, more: Value) {
        self.line("info", message, more);
    }

    /// Something did not.
    pub fn error(&self, message: &str, more: Value) {
        self.line("error", message, more);
    }

    fn line(&self, level: &str, message: &str, more: Value) {
        let mut line = json!({
            "time_ms": now_ms(),
            "level": level,
            "service": self.role,
            "version": self.version,
            "message": message,
        });
        if let (Some(line), Value::Object(more)) = (line.as_object_mut(), more) {
            line.extend(more);
        }
        write(&line);
    }
}

/// A line from before the settings are known.
pub fn early(message: &str) {
    write(&json!({ "time_ms": now_ms(), "level": "error", "message": message }));
}

fn write(line: &Value) {
    // A closed standard output is no reason to stop selling.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
