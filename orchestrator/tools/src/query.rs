//! What a tool can ask of the world beyond the view: a closed enum, performed after the gate
//! permitted it.

use ostler_core::{id::InstanceId, time::Time};
use serde::{Deserialize, Serialize};

/// One question or act. `Exec`, `ImportImage`, `CollectGarbage` and `VerifyImages`
/// have effects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "query", rename_all = "snake_case")]
pub enum Query {
    /// A page of an instance's log; answered as `ostler_tools::answer::LogAnswer`.
    Logs {
        /// Whose.
        instance: InstanceId,
        /// Lines after this cursor only.
        after: Option<u64>,
        /// Lines since then only.
        since: Option<Time>,
        /// The last so many.
        tail: u32,
    },
    /// What the world looked like when an incident was opened, with the incident; answered as
    /// `ostler_tools::answer::IncidentExport`. The gate answers it itself.
    Capture {
        /// Which incident.
        incident: ostler_core::id::IncidentId,
    },
    /// Runs a command inside an instance.
    Exec {
        /// Where.
        instance: InstanceId,
        /// The command and its arguments.
        command: Vec<String>,
        /// Standard input, text.
        input: String,
        /// Limit in milliseconds.
        timeout_ms: u64,
    },
    /// Images in the store.
    Images,
    /// Brings an image from a file or directory of the daemon's machine.
    ImportImage {
        /// Absolute path of an OCI layout directory or archive.
        path: String,
        /// The name to give it.
        name: Option<String>,
    },
    /// Removes unused images.
    CollectGarbage,
    /// Reads all images and sets damaged layers aside.
    VerifyImages,
    /// Entries of the audit log, newest last.
    Audit {
        /// Entries with an index above this only.
        after: Option<u64>,
        /// Only by this principal, as written in entries.
        principal: Option<String>,
        /// Only of this tool.
        tool: Option<String>,
        /// At most so many, the newest.
        limit: u32,
    },
    /// The signed checkpoint of the audit log, after checking the whole tree against the store.
    AuditVerify,
    /// The whole log for offline verification, a page at a time.
    AuditExport {
        /// The first index.
        from: u64,
        /// At most so many.
        limit: u32,
    },
    /// How the policy would decide a call, with the policies that speak.
    ExplainPolicy {
        /// As whom: `user:NAME`, `agent:NAME`; absent means the caller.
        principal: Option<crate::principal::Principal>,
        /// The tool.
        tool: String,
        /// Its arguments, as JSON text.
        arguments: String,
    },
    /// Past changes of the intent, newest first.
    Changes {
        /// Only those that touched this service.
        service: Option<ostler_core::id::ServiceKey>,
        /// At most so many.
        limit: u32,
    },
    /// The policies in force; answered as `ostler_tools::answer::Policies`. The gate answers it itself.
    Policies,
    /// A link by which the caller signs in to the console; answered as
    /// `ostler_tools::answer::ConsoleLink`. The gate answers it itself.
    ConsoleLink {
        /// What the session may be; no more than the caller is.
        roles: Vec<crate::principal::Role>,
    },
    /// Takes back a past change by its recorded inverse. The gate turns it into a change and judges that.
    Undo {
        /// The revision that the change made.
        revision: u64,
    },
}
