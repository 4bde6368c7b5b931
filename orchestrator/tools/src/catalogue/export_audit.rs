//! `export_audit`: export the audit log.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::AuditExport,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup;

/// See the module.
pub struct ExportAudit;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The index of the first entry; 0 when absent.
    pub from: Option<u64>,
    /// At most so many, 1 to 1000; 500 when absent.
    pub limit: Option<u32>,
}

impl Describe for ExportAudit {
    type Args = Args;
    type Answer = AuditExport;
    const NAME: &'static str = "export_audit";
    const TITLE: &'static str = "Export the audit log";
    const DESCRIPTION: &'static str = "Gives the audit log's entries in their canonical form with the signed checkpoint and public \
        key, a page at a time, for verification elsewhere with `ostler audit verify --offline`.";
    const CLASS: Class = Class::Read;

    fn decide(_view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 500, 1000)?;
        let query = Query::AuditExport {
            from: args.from.unwrap_or(0),
            limit,
        };
        Ok(Decided::Query {
            query,
            about: About::fleet(),
        })
    }
}
