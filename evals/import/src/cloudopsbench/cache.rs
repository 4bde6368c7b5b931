//! What the tools would have answered, by tool and what it was asked.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use serde_json::{Map, Value};

use super::kubectl::table;
use super::wrong;
use crate::case::ImportError;

/// One answer.
pub struct Answer {
    tool: String,
    asked: Map<String, Value>,
    said: Value,
}

/// All answers of a case.
pub struct Cache {
    answers: Vec<Answer>,
    /// When they were collected, in seconds.
    pub collected: Option<f64>,
}

impl Cache {
    /// Reads a packed file of answers.
    pub fn read(path: &Path) -> Result<Self, ImportError> {
        let all = packed(path)?;
        let collected = all.get("collection_timestamp").and_then(Value::as_str);
        let collected = collected.and_then(super::metrics::seconds);
        let answers = all
            .into_iter()
            .filter_map(|(key, said)| answer(&key, said))
            .collect();
        Ok(Self { answers, collected })
    }

    /// Rows of the list of a kind of resource; nothing where it was not asked for.
    pub fn list(&self, kind: &str) -> Option<Vec<BTreeMap<String, String>>> {
        let lists = self.of("GetResources").filter(|one| {
            one.word("resource_type") == kind
                && one.word("name").is_empty()
                && !one.asked.contains_key("label_selector")
                && !one.asked.contains_key("show_labels")
        });
        let widest = lists.max_by_key(|one| one.asked.contains_key("output_wide"))?;
        Some(table::rows(widest.said.as_str()?))
    }

    /// The plain text of the list of a kind of resource in each namespace.
    pub fn texts(&self, kind: &str) -> impl Iterator<Item = &str> {
        let lists = self.of("GetResources").filter(move |one| {
            one.word("resource_type") == kind && one.word("name").is_empty() && one.asked.len() == 3
        });
        lists.filter_map(|one| one.said.as_str())
    }

    /// Names and descriptions of every resource of a kind.
    pub fn described(&self, kind: &str) -> impl Iterator<Item = (&str, &str)> {
        let all = self
            .of("DescribeResource")
            .filter(move |one| one.word("resource_type") == kind);
        all.filter_map(|one| Some((one.word("name"), one.said.as_str()?)))
    }

    /// What a tool answered, by the value of one of its arguments.
    pub fn by(&self, tool: &str, argument: &'static str) -> impl Iterator<Item = (&str, &Value)> {
        self.of(tool)
            .map(move |one| (one.word(argument), &one.said))
    }

    /// Every answer of a tool.
    pub fn of(&self, tool: &str) -> impl Iterator<Item = &Answer> {
        let tool = tool.to_owned();
        self.answers.iter().filter(move |one| one.tool == tool)
    }
}

impl Answer {
    /// An argument's text; empty where there is none.
    pub fn word(&self, argument: &str) -> &str {
        self.asked
            .get(argument)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The answer as text.
    pub fn text(&self) -> &str {
        self.said.as_str().unwrap_or_default()
    }
}

/// A packed file with an object in it.
pub fn packed(path: &Path) -> Result<Map<String, Value>, ImportError> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(path, &error))?;
    GzDecoder::new(file)
        .read_to_string(&mut text)
        .map_err(|error| wrong(path, &error))?;
    serde_json::from_str(&text).map_err(|error| wrong(path, &error))
}

fn answer(key: &str, said: Value) -> Option<Answer> {
    let (tool, asked) = key.split_once(':')?;
    let asked = serde_json::from_str(asked).ok()?;
    Some(Answer {
        tool: tool.to_owned(),
        asked,
        said,
    })
}
