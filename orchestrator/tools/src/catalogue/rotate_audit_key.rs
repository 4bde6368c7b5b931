//! `rotate_audit_key`: another key signs the audit log from here on.

use crate::{
    answer::AuditKeyRotated,
    contract::{About, Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::lookup::Nothing;

/// See the module.
pub struct RotateAuditKey;

impl Describe for RotateAuditKey {
    type Args = Nothing;
    type Answer = AuditKeyRotated;
    const NAME: &'static str = "rotate_audit_key";
    const TITLE: &'static str = "Change the audit log's key";
    const DESCRIPTION: &'static str = "Makes a new key that signs the audit log from here on. The old key signs, last of all, that \
        the new one follows it, and is then deleted: whoever kept the old public key verifies the log with it as before. \
        Nothing takes that back.";
    const CLASS: Class = Class::Admin;
    const IDEMPOTENT: bool = false;

    fn decide(_view: &View<'_>, _args: Self::Args) -> Result<Decided, Refusal> {
        Ok(Decided::Record {
            record: RecordChange::RotateAuditKey,
            about: About::fleet(),
        })
    }
}
