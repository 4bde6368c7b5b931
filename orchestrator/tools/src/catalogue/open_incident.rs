//! `open_incident`: open an incident.

use std::collections::BTreeSet;

use ostler_core::{
    id::{InvalidName, ServiceKey},
    incident::{Cause, Entry, Incident, IncidentState},
    time::Time,
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

/// Kinds of symptoms that are no trouble: a newer version, and what was given not fitting the load.
pub const CHANCES: [&str; 2] = ["outdated", "misprovisioned"];

/// See the module.
pub struct OpenIncident;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The service that shows the symptom.
    pub service: ServiceKey,
    /// One line for people, 200 characters at most.
    pub title: String,
    /// When the symptom began, as far as evidence tells; now when absent.
    pub began_at: Option<Time>,
    /// A cause, if one is believed in already.
    pub cause: Option<Cause>,
    /// The kinds of symptoms that are seen, such as `crash_loop`; 12 at most. By these the incident is
    /// found again when they come back.
    #[serde(default)]
    pub symptoms: BTreeSet<String>,
}

impl Describe for OpenIncident {
    type Args = Args;
    type Answer = IncidentTouched;
    const NAME: &'static str = "open_incident";
    const TITLE: &'static str = "Open an incident";
    const DESCRIPTION: &'static str = "Opens an incident for a service that shows a symptom which the rules do not settle. Refused \
        while one is open for the same service: add to that one with `note_incident`.";
    const CLASS: Class = Class::Record;
    const IDEMPOTENT: bool = false;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        lookup::service(view, &args.service)?;
        lookup::text("title", &args.title, 200)?;
        if let Some(cause) = &args.cause {
            paper::cause(cause)?;
        }
        paper::symptoms(&args.symptoms)?;
        // A chance that is talked about is no trouble: it holds up nobody who finds some.
        let troubled = !is_chance(&args.symptoms);
        let live = |incident: &&Incident| {
            incident.service == args.service
                && incident.closed_at.is_none()
                && !(troubled && is_chance(&incident.symptoms))
        };
        if let Some(open) = view.records.incidents.values().find(live) {
            let (id, service) = (&open.id, &args.service);
            let problem =
                format!("incident `{id}` is open for `{service}`; add to it with `note_incident`");
            return Err(Refusal::new(problem));
        }
        let id = format!("inc_{}", view.fresh_tail()).parse();
        let by = view.caller.to_string();
        let entry = Entry {
            at: view.now,
            by: by.clone(),
            what: format!("opened: {}", args.title),
            shadow: None,
        };
        let incident = Incident {
            id: id.map_err(|error: InvalidName| Refusal::new(error.to_string()))?,
            service: args.service.clone(),
            state: IncidentState::Open,
            title: args.title,
            opened_by: by,
            opened_at: view.now,
            began_at: args.began_at.map_or(view.now, |began| began.min(view.now)),
            closed_at: None,
            cause: args.cause,
            proposals: Vec::new(),
            timeline: vec![entry],
            symptoms: args.symptoms,
            correction: None,
        };
        let record = RecordChange::OpenIncident {
            incident: Box::new(incident),
        };
        Ok(Decided::Record {
            record,
            about: About::service(&args.service),
        })
    }
}

/// Whether it is about nothing but a chance: that is no trouble, and keeps nobody from trouble.
fn is_chance(symptoms: &BTreeSet<String>) -> bool {
    let chance = |symptom: &String| CHANCES.contains(&symptom.as_str());
    !symptoms.is_empty() && symptoms.iter().all(chance)
}
