//! Answers about law and record: the audit log, the policy, tokens.

use ostler_core::{
    id::{ApprovalId, CallId, Revision, ServiceKey},
    time::Time,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::principal::Role;

/// Entries of the audit log, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntries {
    /// Oldest first.
    pub entries: Vec<AuditEntry>,
    /// How many entries the log holds.
    pub total: u64,
}

/// One entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its index in the log, from 0.
    pub index: u64,
    /// When.
    pub at: Time,
    /// The call that it records.
    pub call: Option<CallId>,
    /// Who called.
    pub principal: String,
    /// The tool, or another name for what happened.
    pub tool: String,
    /// The arguments, secret ones left out.
    #[schemars(schema_with = "crate::schema::any_json")]
    pub arguments: Value,
    /// What policy decided: `allow`, `needs_approval`, `deny`; absent where it was not asked.
    pub decision: Option<String>,
    /// The ids of the policies that spoke.
    pub policies: Vec<String>,
    /// What came of it: `done`, `held`, `denied`, `refused`, `failed`.
    pub outcome: String,
    /// In words.
    pub words: String,
    /// The services that it was about.
    pub services: Vec<ServiceKey>,
    /// The revision that a change made.
    pub revision: Option<Revision>,
    /// The approval that was asked for or used.
    pub approval: Option<ApprovalId>,
    /// What policy was asked, so that it can be asked again: who with which roles, the facts that
    /// differ from nothing being changed, the yeses, the policies' version. Absent where policy was
    /// not asked, and in logs of versions that kept none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Value>,
}

/// What checking the audit log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditVerification {
    /// Whether every entry is as it was written.
    pub ok: bool,
    /// How many entries the log holds.
    pub leaves: u64,
    /// The first entry that is kept; those before went by retention, on record.
    #[serde(default)]
    pub kept_from: u64,
    /// How many entries after it lost their record by retention, on record; their hashes are kept.
    #[serde(default)]
    pub dropped: u64,
    /// The root of the Merkle tree, hexadecimal.
    pub root: String,
    /// The signed checkpoint (a C2SP signed note).
    pub checkpoint: String,
    /// The public key that verifies it, in the form `ostler audit verify --offline --key` takes.
    pub public_key: String,
    /// How many keys signed the log so far, one after the other.
    #[serde(default)]
    pub keys: u64,
    /// What is wrong, in words.
    pub problem: Option<String>,
    /// The first entry that is wrong, where one can be named.
    pub bad_leaf: Option<u64>,
}

/// A page of the log for verification elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditExport {
    /// The index of the first leaf of this page.
    pub from: u64,
    /// Where the kept log begins, on the page that begins there, if entries before it are gone.
    #[serde(default)]
    pub cut: Option<ExportCut>,
    /// The leaves' canonical text, in order; empty where retention dropped it.
    pub leaves: Vec<String>,
    /// The leaves' RFC 6962 hashes as stored, hexadecimal: they name a leaf that was changed.
    #[serde(default)]
    pub hashes: Vec<String>,
    /// Where the next page begins; absent after the last.
    pub next: Option<u64>,
    /// How many leaves the log held when the checkpoint was signed.
    pub total: u64,
    /// The signed checkpoint over the first `total` leaves.
    pub checkpoint: String,
    /// The public key that verifies it.
    pub public_key: String,
    /// The keys that signed the log before, oldest first.
    #[serde(default)]
    pub handovers: Vec<KeyHandover>,
}

/// The last that a key of the log signed: that another follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyHandover {
    /// A signed checkpoint that names the next key, signed by both.
    pub handover: String,
    /// The public key that ends with it.
    pub public_key: String,
}

/// What changing the log's key answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditKeyRotated {
    /// The public key from here on: keep it elsewhere, in the place of the one before.
    pub public_key: String,
    /// The public key until now; it still verifies the log, by the old key's word for the new one.
    pub previous: String,
}

/// Where a log begins whose first entries are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExportCut {
    /// How many entries are gone.
    pub size: u64,
    /// The edge of their tree: hashes of the full subtrees, largest first, hexadecimal.
    pub peaks: Vec<String>,
}

/// How policy would decide a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// As whom.
    pub principal: String,
    /// The tool.
    pub tool: String,
    /// What it would decide.
    pub decision: Verdict,
    /// In words.
    pub words: String,
    /// What would have to differ for a better answer: one fact a line, with what would be decided then.
    #[serde(default)]
    pub would_differ: Vec<String>,
    /// The policies that speak.
    pub policies: Vec<PolicyWord>,
    /// The roles of which somebody would have to say yes.
    pub needs: Vec<Role>,
    /// The facts that the policies were given.
    #[schemars(schema_with = "crate::schema::any_json")]
    pub facts: Value,
    /// The version of the policies: a digest.
    pub policy_version: String,
}

/// What policy decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// May be done.
    Allow,
    /// May be done once a person said yes.
    NeedsApproval,
    /// May not be done.
    Deny,
}

/// What one policy says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyWord {
    /// Its id.
    pub id: String,
    /// Its words for people.
    pub words: String,
}

/// The policies in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    /// Their version: a digest that changes whenever a decision could.
    pub version: String,
    /// File by file, in order of name.
    pub files: Vec<PolicyFile>,
}

/// One file of policies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyFile {
    /// Its name.
    pub name: String,
    /// As it was written.
    pub text: String,
}

/// Tokens of the HTTP door; never their secrets, never hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tokens {
    /// In order of name.
    pub tokens: Vec<TokenInfo>,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenInfo {
    /// Its name: the user's name in the audit log.
    pub name: String,
    /// What it may be.
    pub roles: Vec<Role>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends.
    pub expires_at: Time,
    /// Whether it has ended.
    pub expired: bool,
}

/// What making a token or ending one answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenMade {
    /// Its name.
    pub name: String,
    /// The bearer token. Shown this once, kept nowhere; absent when a token was ended.
    pub token: Option<String>,
    /// When it ends.
    pub expires_at: Time,
}

/// A link that signs a person in to the console, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsoleLink {
    /// The whole link. The secret stands behind `#`: browsers keep that to themselves. Absent where
    /// the HTTP door is closed.
    pub url: Option<String>,
    /// The secret alone, to be pasted where a link cannot be followed. Shown this once.
    pub code: String,
    /// Whom it signs in.
    pub user: String,
    /// As what.
    pub roles: Vec<Role>,
    /// Until when it can be used.
    pub expires_at: Time,
}
