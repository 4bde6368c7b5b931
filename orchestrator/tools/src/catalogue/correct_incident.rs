//! `correct_incident`: say that a believed cause was not it.

use ostler_core::{id::IncidentId, incident::CauseKind};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::IncidentTouched,
    contract::{About, Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::lookup;

/// See the module.
pub struct CorrectIncident;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The incident's id, `inc_…`.
    pub incident: IncidentId,
    /// What the cause was, where it is known.
    pub cause: Option<CauseKind>,
    /// Why the believed cause was not it, 500 characters at most.
    pub reason: String,
}

impl Describe for CorrectIncident {
    type Args = Args;
    type Answer = IncidentTouched;
    const NAME: &'static str = "correct_incident";
    const TITLE: &'static str = "Correct a cause";
    const DESCRIPTION: &'static str = "Says that what an incident believes to be its cause was not it, and if known what was. It is \
        kept: when the same symptoms come back, agents read it, trust that cause less, and cite it. Only people \
        correct.";
    const CLASS: Class = Class::Record;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let incident = lookup::incident(view, &args.incident)?;
        lookup::text("reason", &args.reason, 500)?;
        let Some(believed) = &incident.cause else {
            let problem = format!("incident `{}` believes in no cause yet", incident.id);
            return Err(Refusal::new(problem));
        };
        if args.cause == Some(believed.kind) {
            let problem = format!(
                "that is the cause that incident `{}` believes in",
                incident.id
            );
            return Err(Refusal::new(problem));
        }
        let record = RecordChange::CorrectIncident {
            incident: args.incident,
            cause: args.cause,
            reason: args.reason,
        };
        Ok(Decided::Record {
            record,
            about: About::service(&incident.service),
        })
    }
}
