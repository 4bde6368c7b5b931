//! `preview_change`: try a change without making it.

use ostler_core::{
    change::{self, Change},
    facts,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    answer::Preview,
    catalogue,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::lookup::answer;

/// See the module.
pub struct PreviewChange;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The change tool that would be called, such as `scale_service`.
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: serde_json::Map<String, serde_json::Value>,
}

impl Describe for PreviewChange {
    type Args = Args;
    type Answer = Preview;
    const NAME: &'static str = "preview_change";
    const TITLE: &'static str = "Try a change without making it";
    const DESCRIPTION: &'static str = "Works out what a change tool's call would do, without doing it: whether it would be \
        accepted, which services it touches, replicas before and after, blast radius, whether \
        instances are replaced, and each field that would differ. Policy is not asked: see \
        `explain_policy`.";
    const CLASS: Class = Class::Read;
    const CARRIES_CALLS: bool = true;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let change = planned(view, &args.tool, args.arguments)?;
        let base = view.intent.revision;
        let tried = change::apply(view.intent, &change, view.now);
        let facts = facts::facts(view.intent, &change);
        let preview = match (tried, facts) {
            (Ok(applied), Ok(facts)) => {
                let undoable = applied.inverse.is_some();
                Preview {
                    accepted: true,
                    problem: None,
                    base,
                    facts: Some(facts),
                    undoable,
                }
            }
            (Err(refused), _) | (_, Err(refused)) => Preview {
                accepted: false,
                problem: Some(refused.to_string()),
                base,
                facts: None,
                undoable: false,
            },
        };
        let services = preview
            .facts
            .iter()
            .flat_map(|facts| facts.services.iter().cloned())
            .collect();
        answer(
            &preview,
            About {
                services,
                namespace: None,
            },
        )
    }
}

fn planned(view: &View<'_>, name: &str, arguments: Map<String, Value>) -> Result<Change, Refusal> {
    let tool = catalogue::find(name).filter(|tool| tool.class == Class::Change);
    let Some(tool) = tool else {
        let known = catalogue::ALL
            .iter()
            .filter(|tool| tool.class == Class::Change);
        let known = known.map(|tool| tool.name).collect::<Vec<_>>().join(", ");
        return Err(Refusal::new(format!(
            "there is no change tool `{name}`; change tools are: {known}"
        )));
    };
    match (tool.decide)(view, Value::Object(arguments))? {
        Decided::Change(change) => Ok(change),
        _ => Err(Refusal::new(format!(
            "`{name}` cannot be tried; `list_changes` shows what it would take back"
        ))),
    }
}
