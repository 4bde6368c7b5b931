//! The policies' texts and their way into a checked set. A bundle with any mistake is refused whole.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use cedar_policy::{PolicyId, PolicySet, Schema, ValidationMode, Validator};
use miette::Diagnostic;
use sha2::{Digest, Sha256};

use crate::request::{Action, Reason};

/// One policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its file name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// The policies' texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    files: Vec<Source>,
}

/// Why a bundle was refused.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The directory or a file cannot be read.
    #[error("cannot read the policies at `{path}`")]
    Read {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error(
        "there is no `.cedar` file in `{0}`; without policies everything is denied, so nothing is loaded"
    )]
    Empty(String),
    /// A text is not Cedar.
    #[error("policy file `{file}`, line {line}: {problem}")]
    Syntax {
        /// Which file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A policy speaks of something that does not exist, or wrongly.
    #[error("policy `{policy}` in `{file}`, line {line}: {problem}")]
    Invalid {
        /// Which policy.
        policy: String,
        /// In which file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// A policy without `@id` or `@words`, or with an id that another has.
    #[error("policy {policy} in `{file}` {problem}")]
    Annotation {
        /// Its id or its number in the file.
        policy: String,
        /// In which file.
        file: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The list of actions is not acceptable.
    #[error("action `{name}` {problem}")]
    Action {
        /// Which.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The generated schema is not accepted.
    #[error("the generated schema is not accepted: {0}")]
    Schema(String),
}

macro_rules! embedded {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../bundle/", $name)))),*]
    };
}

impl Bundle {
    /// The policies that ship with Ostler.
    #[must_use]
    pub fn embedded() -> Self {
        let files = embedded!(
            "admin.cedar",
            "assistant.cedar",
            "autonomy.cedar",
            "calendar.cedar",
            "guest.cedar",
            "healer.cedar",
            "scaler.cedar",
            "invariants.cedar",
            "limits.cedar",
            "operator.cedar",
            "system.cedar",
            "upgrader.cedar",
            "viewer.cedar",
        );
        Self::new(
            files
                .map(|(name, text)| Source {
                    name: name.to_owned(),
                    text: text.to_owned(),
                })
                .into(),
        )
    }

    /// What is left where a bundle does not load.
    #[must_use]
    pub fn closed() -> Self {
        let file = |name: &str, text: &str| Source {
            name: name.to_owned(),
            text: text.to_owned(),
        };
        Self::new(vec![
            file("closed.cedar", include_str!("../closed/closed.cedar")),
            file(
                "invariants.cedar",
                include_str!("../bundle/invariants.cedar"),
            ),
        ])
    }

    /// These texts.
    #[must_use]
    pub fn new(mut files: Vec<Source>) -> Self {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        Self { files }
    }

    /// These texts and one more.
    #[must_use]
    pub fn with(mut self, file: Source) -> Self {
        self.files.push(file);
        Self::new(self.files)
    }

    /// Every `*.cedar` file of a directory.
    ///
    /// # Errors
    /// When it cannot be read or holds no policy.
    pub fn from_dir(dir: &Path) -> Result<Self, BundleError> {
        let refuse = |source| BundleError::Read {
            path: dir.display().to_string(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(refuse)? {
            let path = entry.map_err(refuse)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "cedar")
            {
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let text = std::fs::read_to_string(&path).map_err(|source| BundleError::Read {
                    path: path.display().to_string(),
                    source,
                })?;
                files.push(Source { name, text });
            }
        }
        if files.is_empty() {
            return Err(BundleError::Empty(dir.display().to_string()));
        }
        Ok(Self::new(files))
    }

    /// The files, in order of name.
    #[must_use]
    pub fn files(&self) -> &[Source] {
        &self.files
    }

    /// SHA-256 over the schema and every file, hexadecimal, 16 digits: changes whenever a decision could.
    #[must_use]
    pub fn version(&self, schema: &str) -> String {
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        part(schema);
        for file in &self.files {
            part(&file.name);
            part(&file.text);
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The policies, each under its `@id`, checked strictly against the schema of these actions.
    ///
    /// # Errors
    /// Any mistake in any file.
    pub fn policies(&self, actions: &[Action]) -> Result<PolicySet, BundleError> {
        let known = crate::schema::known(actions)?;
        Ok(self.parse(&known.schema)?.set)
    }

    /// Parses every file and checks it strictly against the schema.
    pub(crate) fn parse(&self, schema: &Schema) -> Result<Parsed, BundleError> {
        let mut parsed = Parsed {
            set: PolicySet::new(),
            reasons: BTreeMap::new(),
        };
        let mut files = BTreeMap::new();
        for file in &self.files {
            for id in parsed.add(file)? {
                files.insert(id, file);
            }
        }
        let result = Validator::new(schema.clone()).validate(&parsed.set, ValidationMode::Strict);
        if let Some(error) = result.validation_errors().next() {
            let policy = error.policy_id().to_string();
            let file = files.get(&policy);
            return Err(BundleError::Invalid {
                line: file.map_or(0, |file| line_of(error, &file.text)),
                file: file.map(|file| file.name.clone()).unwrap_or_default(),
                problem: with_help(error),
                policy,
            });
        }
        Ok(parsed)
    }
}

/// A checked set with each policy's words.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) set: PolicySet,
    pub(crate) reasons: BTreeMap<String, Reason>,
}

impl Parsed {
    fn add(&mut self, file: &Source) -> Result<Vec<String>, BundleError> {
        let set = PolicySet::from_str(&file.text).map_err(|errors| BundleError::Syntax {
            file: file.name.clone(),
            line: line_of(&errors, &file.text),
            problem: with_help(&errors),
        })?;
        let bad = |policy: &str, problem| BundleError::Annotation {
            policy: policy.to_owned(),
            file: file.name.clone(),
            problem,
        };
        if set.templates().next().is_some() {
            return Err(bad("with a slot", "is a template; write it out"));
        }
        let mut ids = Vec::new();
        for policy in set.policies() {
            let words = |key| {
                policy
                    .annotation(key)
                    .map(str::trim)
                    .filter(|text| !text.is_empty())
            };
            let number = format!("`{}`", policy.id());
            let id = words("id").ok_or_else(|| bad(&number, "has no `@id`"))?;
            let said = words("words").ok_or_else(|| bad(&format!("`{id}`"), "has no `@words`"))?;
            let reason = Reason {
                id: id.to_owned(),
                words: said.to_owned(),
            };
            if self.reasons.insert(id.to_owned(), reason).is_some() {
                return Err(bad(
                    &format!("`{id}`"),
                    "has an `@id` that another policy has",
                ));
            }
            self.set
                .add(policy.new_id(PolicyId::new(id)))
                .map_err(|_| bad(&format!("`{id}`"), "has an `@id` that another policy has"))?;
            ids.push(id.to_owned());
        }
        Ok(ids)
    }
}

fn with_help(error: &dyn Diagnostic) -> String {
    match error.help() {
        Some(help) => format!("{error} ({help})"),
        None => error.to_string(),
    }
}

fn line_of(error: &dyn Diagnostic, text: &str) -> usize {
    let offset = error
        .labels()
        .and_then(|mut labels| labels.next())
        .map_or(0, |label| label.offset());
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
