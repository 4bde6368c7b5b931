//! `note_incident`: add to an incident.

use ostler_core::{
    id::IncidentId,
    incident::{Cause, IncidentState},
    shadow::Shadowed,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::IncidentTouched,
    contract::{About, Class, Decided, Describe, Refusal},
    record::RecordChange,
    view::View,
};

use super::{lookup, paper};

/// See the module.
pub struct NoteIncident;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The incident's id, `inc_…`.
    pub incident: IncidentId,
    /// What happened or was found, 500 characters at most.
    pub note: String,
    /// The cause that was found.
    pub cause: Option<Cause>,
    /// Where it stands now.
    pub state: Option<IncidentState>,
    /// What a shadow of the caller made of the situation: a note about that moves nothing else.
    pub shadow: Option<Shadowed>,
}

impl Describe for NoteIncident {
    type Args = Args;
    type Answer = IncidentTouched;
    const NAME: &'static str = "note_incident";
    const TITLE: &'static str = "Add to an incident";
    const DESCRIPTION: &'static str = "Adds a note to an incident's timeline, and if given a cause that was found or where the \
        incident stands now: open, proposed, resolved (the symptom is gone and that was verified), \
        closed (it went away, or a person said so), needs_person.";
    const CLASS: Class = Class::Record;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let incident = lookup::incident(view, &args.incident)?;
        lookup::text("note", &args.note, 500)?;
        if let Some(cause) = &args.cause {
            paper::cause(cause)?;
        }
        if let Some(shadow) = &args.shadow {
            paper::shadow(shadow)?;
            if args.cause.is_some() || args.state.is_some() {
                let problem = "a shadow moves nothing: leave out `cause` and `state`";
                return Err(Refusal::new(problem.to_owned()));
            }
        }
        if incident.closed_at.is_some() && (args.state.is_some() || args.cause.is_some()) {
            let problem = format!(
                "incident `{}` is closed; a note alone can still be added",
                incident.id
            );
            return Err(Refusal::new(problem));
        }
        let record = RecordChange::NoteIncident {
            incident: args.incident,
            note: args.note,
            cause: args.cause.map(Box::new),
            state: args.state,
            shadow: args.shadow,
        };
        Ok(Decided::Record {
            record,
            about: About::service(&incident.service),
        })
    }
}
