//! `verify_audit`: check the audit log.

use crate::{
    answer::AuditVerification,
    contract::{About, Class, Decided, Describe, Refusal},
    query::Query,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct VerifyAudit;

impl Describe for VerifyAudit {
    type Args = Nothing;
    type Answer = AuditVerification;
    const NAME: &'static str = "verify_audit";
    const TITLE: &'static str = "Check the audit log";
    const DESCRIPTION: &'static str = "Recomputes the Merkle tree over the whole audit log and compares it with the signed \
        checkpoint: any entry that was changed, dropped, reordered or cut off is found and named. \
        Answers with a new signed checkpoint.";
    const CLASS: Class = Class::Read;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Query {
            query: Query::AuditVerify,
            about: About::fleet(),
        })
    }
}
