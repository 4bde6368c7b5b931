//! `put_secret`: store a secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use ostler_core::{change::Change, intent::SecretKey};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Changed,
    contract::{Class, Decided, Describe, Refusal},
    view::View,
};

/// See the module.
pub struct PutSecret;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The secret's name, `namespace/name`; a bare name means namespace `default`.
    pub secret: SecretKey,
    /// The value, 512 KiB at most.
    pub value: String,
    /// How the value is written.
    #[serde(default)]
    pub encoding: Encoding,
}

impl Describe for PutSecret {
    type Args = Args;
    type Answer = Changed;
    const NAME: &'static str = "put_secret";
    const TITLE: &'static str = "Store a secret";
    const DESCRIPTION: &'static str = "Stores a secret under a name, encrypted; services mount it as a file. Replaces an earlier \
        value. The value is never recorded and no tool shows it again. Instances that run see the \
        new value when they are restarted.";
    const CLASS: Class = Class::Change;
    const SECRET_ARGS: &'static [&'static str] = &["/value"];

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let value = match args.encoding {
            Encoding::Text => args.value.into_bytes(),
            Encoding::Base64 => STANDARD.decode(args.value).map_err(|_| {
                Refusal::new("`value` is not base64; use the standard alphabet with padding")
            })?,
        };
        if value.is_empty() || value.len() > VALUE_LIMIT {
            let found = value.len();
            return Err(Refusal::new(format!(
                "`value` has {found} bytes; give 1 to {VALUE_LIMIT}"
            )));
        }
        let sealed = view.sealer.seal(&args.secret, &value)?;
        Ok(Decided::Change(Change::PutSecret {
            secret: args.secret,
            sealed,
        }))
    }
}

/// Most bytes of a secret.
const VALUE_LIMIT: usize = 512 << 10;

/// How a secret's value is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    #[default]
    Text,
    /// Base64 with padding, for values that are not text.
    Base64,
}
