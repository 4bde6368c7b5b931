//! What was captured of an incident, with the incident as it stands now.

use ostler_core::{id::IncidentId, proposal::Proposal};
use ostler_tools::answer::{Capture, IncidentExport, Proposed};
use serde_json::Value;

use super::clean::Cleaner;
use crate::{answers::value, door::Gate};

impl Gate {
    /// Answers an export; the refusal is in words.
    pub(crate) async fn export_incident(&self, id: &IncidentId) -> Result<Value, String> {
        let state = self.state();
        let incident = state.records.incidents.get(id);
        let mut incident = incident
            .ok_or_else(|| format!("there is no incident `{id}`"))?
            .clone();
        let kept = self.store.capture(id).await;
        let kept = kept.map_err(|error| error.to_string())?.ok_or_else(|| {
            format!(
                "nothing was captured when `{id}` was opened: it is older than captures are, was just \
                 opened, or the daemon was down; try again in a moment"
            )
        })?;
        let capture: Capture = serde_json::from_str(&kept)
            .map_err(|error| format!("the capture of `{id}` cannot be read: {error}"))?;
        Cleaner::new(self.redactor(&state)).incident(&mut incident);
        let proposals = incident.proposals.iter();
        let proposals = proposals.filter_map(|id| state.records.proposals.get(id));
        value(&IncidentExport {
            proposals: proposals.map(proposed).collect(),
            untrusted: untrusted(&capture),
            incident,
            capture,
        })
    }
}

fn proposed(proposal: &Proposal) -> Proposed {
    let body = &proposal.body;
    Proposed {
        cause: body.cause.kind,
        culprit: body.cause.culprit.clone(),
        tools: body.calls.iter().map(|call| call.tool.clone()).collect(),
        state: proposal.state,
    }
}

/// Where text of workloads stands beside the lines, which say so themselves.
fn untrusted(capture: &Capture) -> Vec<String> {
    let mut pointers = vec!["/incident".to_owned(), "/capture/events".to_owned()];
    for (number, service) in capture.services.iter().enumerate() {
        for (index, _) in service.instances.iter().enumerate() {
            pointers.push(format!("/capture/services/{number}/instances/{index}/seen"));
        }
    }
    pointers
}
