//! `get_incident`: one incident.

use ostler_core::id::IncidentId;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    answer::IncidentDetail,
    contract::{About, Class, Decided, Describe, Refusal},
    principal::Principal,
    view::View,
};

use super::{
    build,
    lookup::{self, answer},
};

/// See the module.
pub struct GetIncident;

/// Its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The incident's id, `inc_…`.
    pub incident: IncidentId,
}

impl Describe for GetIncident {
    type Args = Args;
    type Answer = IncidentDetail;
    const NAME: &'static str = "get_incident";
    const TITLE: &'static str = "One incident";
    const DESCRIPTION: &'static str = "Shows one incident in full: cause with confidence and evidence (each claim cites the \
        recorded call that showed it), timeline, proposals.";
    const CLASS: Class = Class::Read;

    fn decide(view: &View<'_>, args: Self::Args) -> Result<Decided, Refusal> {
        let incident = lookup::incident(view, &args.incident)?;
        let proposals = incident
            .proposals
            .iter()
            .filter_map(|id| view.records.proposals.get(id));
        let mut shown = incident.clone();
        if matches!(view.caller, Principal::Agent { .. }) {
            // A model on trial must not be heard by those who act.
            shown.timeline.retain(|entry| entry.shadow.is_none());
        }
        let detail = IncidentDetail {
            incident: shown,
            proposals: proposals.map(build::proposal).collect(),
        };
        answer(&detail, About::service(&incident.service))
    }
}
