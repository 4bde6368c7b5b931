//! `put_policies`: put other policies in force.

use std::{collections::BTreeMap, sync::Arc};

use ostler_core::change::Change;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

/// See the module.
pub struct PutPolicies;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// All policies, Cedar text by file name such as `operator.cedar`; none to go back to the shipped ones.
    /// `invariants.cedar` always is the shipped one.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl Describe for PutPolicies {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "put_policies";
    const TITLE: &'static str = "Put other policies in force";
    const DESCRIPTION: &'static str = "Replaces all policies at once, or goes back to those that ship. A bundle with any mistake is refused \
        and the old one stays. Requests that wait for a yes must be made again. Look first at what would be decided otherwise: `ostler policy \
        diff`, and at what is still true: `ostler policy prove`.";
    const CLASS: Class = Class::Admin;

    fn decide(_view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        if let Some(name) = args.files.keys().find(|name| !is_file(name)) {
            let shown: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(Refusal::new(format!(
                "`{shown}` is no name for a file of policies; use up to 64 lower-case letters, digits, hyphens and \
                 underscores, then `.cedar`"
            )));
        }
        let policies = (!args.files.is_empty()).then(|| Arc::new(args.files));
        Ok(Decided::Change(Change::SetPolicies { policies }))
    }
}

fn is_file(name: &str) -> bool {
    let stem = name.strip_suffix(".cedar").unwrap_or_default();
    (1..=64).contains(&stem.len())
        && (stem.bytes())
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
}
