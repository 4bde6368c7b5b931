//! The catalogue: every tool there is, one file each, in one explicit list.
//!
//! What is not in [`ALL`] cannot be asked for. The order is the order in which people meet them.

mod build;
mod lookup;
mod paper;
mod rollout;
mod shape;

pub mod abort_rollout;
pub mod advance_proposal;
pub mod advance_rollout;
pub mod apply_services;
pub mod approve;
pub mod break_glass;
pub mod collect_images;
pub mod cordon_node;
pub mod correct_incident;
pub mod create_console_session;
pub mod create_token;
pub mod delete_secret;
pub mod delete_service;
pub mod demote_agent;
pub mod diagnose;
pub mod drain_node;
pub mod exec_instance;
pub mod explain_policy;
pub mod export_audit;
pub mod export_incident;
pub mod freeze_changes;
pub mod get_eval;
pub mod get_graph;
pub mod get_incident;
pub mod get_instance;
pub mod get_policies;
pub mod get_proposal;
pub mod get_rollout;
pub mod get_service;
pub mod get_status;
pub mod import_image;
pub mod lift_freeze;
pub mod list_agents;
pub mod list_approvals;
pub mod list_audit;
pub mod list_changes;
pub mod list_evals;
pub mod list_events;
pub mod list_images;
pub mod list_incidents;
pub mod list_instances;
pub mod list_nodes;
pub mod list_proposals;
pub mod list_secrets;
pub mod list_services;
pub mod list_tokens;
pub mod list_upgrades;
pub mod mend_glass;
pub mod note_incident;
pub mod open_incident;
pub mod pause_agent;
pub mod pause_rollout;
pub mod preview_change;
pub mod promote_agent;
pub mod promote_rollout;
pub mod put_policies;
pub mod put_secret;
pub mod query_signals;
pub mod read_agent_logs;
pub mod read_logs;
pub mod reject;
pub mod restart_instances;
pub mod restart_service;
pub mod resume_agent;
pub mod resume_rollout;
pub mod revoke_token;
pub mod rollback_service;
pub mod rotate_audit_key;
pub mod scale_service;
pub mod set_limits;
pub mod settle_service;
pub mod submit_proposal;
pub mod tune_scaling;
pub mod uncordon_node;
pub mod undo_change;
pub mod upgrade_service;
pub mod verify_audit;
pub mod verify_images;

use crate::contract::{Tool, tool};

/// Every tool.
pub const ALL: &[Tool] = &[
    tool::<get_status::GetStatus>(),
    tool::<list_services::ListServices>(),
    tool::<get_service::GetService>(),
    tool::<get_rollout::GetRollout>(),
    tool::<list_instances::ListInstances>(),
    tool::<get_instance::GetInstance>(),
    tool::<list_events::ListEvents>(),
    tool::<query_signals::QuerySignals>(),
    tool::<get_graph::GetGraph>(),
    tool::<diagnose::Diagnose>(),
    tool::<list_changes::ListChanges>(),
    tool::<list_incidents::ListIncidents>(),
    tool::<get_incident::GetIncident>(),
    tool::<list_proposals::ListProposals>(),
    tool::<get_proposal::GetProposal>(),
    tool::<list_approvals::ListApprovals>(),
    tool::<list_agents::ListAgents>(),
    tool::<read_agent_logs::ReadAgentLogs>(),
    tool::<list_evals::ListEvals>(),
    tool::<get_eval::GetEval>(),
    tool::<list_nodes::ListNodes>(),
    tool::<list_images::ListImages>(),
    tool::<list_upgrades::ListUpgrades>(),
    tool::<list_secrets::ListSecrets>(),
    tool::<list_audit::ListAudit>(),
    tool::<verify_audit::VerifyAudit>(),
    tool::<export_audit::ExportAudit>(),
    tool::<explain_policy::ExplainPolicy>(),
    tool::<get_policies::GetPolicies>(),
    tool::<list_tokens::ListTokens>(),
    tool::<preview_change::PreviewChange>(),
    tool::<read_logs::ReadLogs>(),
    tool::<export_incident::ExportIncident>(),
    tool::<apply_services::ApplyServices>(),
    tool::<scale_service::ScaleService>(),
    tool::<tune_scaling::TuneScaling>(),
    tool::<restart_service::RestartService>(),
    tool::<restart_instances::RestartInstances>(),
    tool::<upgrade_service::UpgradeService>(),
    tool::<rollback_service::RollbackService>(),
    tool::<pause_rollout::PauseRollout>(),
    tool::<resume_rollout::ResumeRollout>(),
    tool::<promote_rollout::PromoteRollout>(),
    tool::<abort_rollout::AbortRollout>(),
    tool::<set_limits::SetLimits>(),
    tool::<delete_service::DeleteService>(),
    tool::<put_secret::PutSecret>(),
    tool::<delete_secret::DeleteSecret>(),
    tool::<cordon_node::CordonNode>(),
    tool::<uncordon_node::UncordonNode>(),
    tool::<drain_node::DrainNode>(),
    tool::<settle_service::SettleService>(),
    tool::<advance_rollout::AdvanceRollout>(),
    tool::<undo_change::UndoChange>(),
    tool::<exec_instance::ExecInstance>(),
    tool::<import_image::ImportImage>(),
    tool::<collect_images::CollectImages>(),
    tool::<verify_images::VerifyImages>(),
    tool::<open_incident::OpenIncident>(),
    tool::<correct_incident::CorrectIncident>(),
    tool::<note_incident::NoteIncident>(),
    tool::<submit_proposal::SubmitProposal>(),
    tool::<advance_proposal::AdvanceProposal>(),
    tool::<approve::Approve>(),
    tool::<reject::Reject>(),
    tool::<pause_agent::PauseAgent>(),
    tool::<resume_agent::ResumeAgent>(),
    tool::<promote_agent::PromoteAgent>(),
    tool::<demote_agent::DemoteAgent>(),
    tool::<freeze_changes::FreezeChanges>(),
    tool::<lift_freeze::LiftFreeze>(),
    tool::<break_glass::BreakGlass>(),
    tool::<mend_glass::MendGlass>(),
    tool::<put_policies::PutPolicies>(),
    tool::<create_token::CreateToken>(),
    tool::<revoke_token::RevokeToken>(),
    tool::<create_console_session::CreateConsoleSession>(),
    tool::<rotate_audit_key::RotateAuditKey>(),
];

/// A tool by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Tool> {
    ALL.iter().find(|tool| tool.name == name)
}

/// Which tools a proposal may call, in words for who proposed another.
#[must_use]
pub fn proposable() -> String {
    let names: Vec<&str> = ALL
        .iter()
        .filter(|tool| tool.may_be_proposed())
        .map(|tool| tool.name)
        .collect();
    format!(
        "it cannot be proposed; proposals may call: {}",
        names.join(", ")
    )
}
