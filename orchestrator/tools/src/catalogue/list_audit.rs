//! `list_audit`: the audit log.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::AuditEntries,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup;

/// See the module.
pub struct ListAudit;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only entries with an index above this.
    pub after: Option<u64>,
    /// Only by this principal, written `user:NAME`, `agent:NAME` or `system`.
    pub principal: Option<String>,
    /// Only calls of this tool.
    pub tool: Option<String>,
    /// At most so many, 1 to 500; 50 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListAudit {
    type Args = Args;
    type Answer = AuditEntries;
    const NAME: &'static str = "list_audit";
    const TITLE: &'static str = "The audit log";
    const DESCRIPTION: &'static str = "Lists entries of the audit log, oldest first, the newest `limit` of those that match: who \
        called which tool with which arguments, what policy decided and why, what came of it. Secret \
        arguments are not recorded.";
    const CLASS: Class = Class::Read;

    fn decide(_view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 50, 500)?;
        let query = Query::Audit {
            after: args.after,
            principal: args.principal,
            tool: args.tool,
            limit,
        };
        Ok(Decided::Query {
            query,
            about: About::fleet(),
        })
    }
}
