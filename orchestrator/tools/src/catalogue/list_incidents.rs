//! `list_incidents`: incidents.

use ostler_core::{
    id::ServiceKey,
    incident::{Incident, IncidentState},
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::Incidents,
    contract::{About, Class, Decided, Describe, Refusal},
    view::View,
};

use super::{
    build,
    lookup::{self, answer},
};

/// See the module.
pub struct ListIncidents;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only incidents of this service.
    pub service: Option<ServiceKey>,
    /// Only incidents in this state.
    pub state: Option<IncidentState>,
    /// At most so many, 1 to 200; 50 when absent.
    pub limit: Option<u32>,
}

impl Describe for ListIncidents {
    type Args = Args;
    type Answer = Incidents;
    const NAME: &'static str = "list_incidents";
    const TITLE: &'static str = "Incidents";
    const DESCRIPTION: &'static str = "Lists incidents, newest first: the service that shows the symptom, state (open, proposed, \
        resolved, closed, needs_person), cause and culprit where known, and proposals.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let limit = lookup::limited("limit", args.limit, 50, 200)?;
        let wanted = |incident: &Incident| {
            args.service
                .as_ref()
                .is_none_or(|key| &incident.service == key)
                && args.state.is_none_or(|state| incident.state == state)
        };
        let all = view
            .records
            .incidents
            .values()
            .filter(|incident| wanted(incident));
        let mut incidents: Vec<_> = all.map(build::incident).collect();
        incidents.sort_by(|a, b| b.opened_at.cmp(&a.opened_at).then_with(|| a.id.cmp(&b.id)));
        incidents.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let about = args
            .service
            .as_ref()
            .map_or_else(About::fleet, About::service);
        answer(&Incidents { incidents }, about)
    }
}
