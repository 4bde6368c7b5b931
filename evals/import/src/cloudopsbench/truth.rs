//! The set's names of causes and ours: the only place that knows both.

use ostler_diagnosis::finding::Finding;

use crate::case::Truth;

/// Every cause of the set, and which of ours mean it.
const CAUSES: &[(&str, &[&str])] = &[
    ("missing_service_account", &["service_account_missing"]),
    ("namespace_cpu_quota_exceeded", &["quota_of_cpu_used_up"]),
    (
        "namespace_memory_quota_exceeded",
        &["quota_of_memory_used_up"],
    ),
    (
        "namespace_pod_quota_exceeded",
        &["quota_of_instances_used_up"],
    ),
    (
        "namespace_service_quota_exceeded",
        &["quota_of_services_used_up"],
    ),
    (
        "namespace_storage_quota_exceeded",
        &["quota_of_storage_used_up"],
    ),
    ("node_cordon_mismatch", &["nodes_cordoned"]),
    ("node_affinity_mismatch", &["node_affinity_matches_no_node"]),
    ("node_selector_mismatch", &["node_selector_matches_no_node"]),
    ("pod_anti_affinity_conflict", &["anti_affinity_conflict"]),
    ("taint_toleration_mismatch", &["taint_not_tolerated"]),
    ("cpu_capacity_mismatch", &["cpu_request_fits_no_node"]),
    ("memory_capacity_mismatch", &["memory_request_fits_no_node"]),
    ("memroy_capacity_mismatch", &["memory_request_fits_no_node"]),
    ("pv_binding_occupied", &["claim_volume_occupied"]),
    (
        "pvc_selector_mismatch",
        &["claim_selector_matches_no_volume"],
    ),
    ("pvc_storage_class_mismatch", &["claim_class_mismatch"]),
    ("pvc_capacity_mismatch", &["claim_too_large"]),
    ("pvc_access_mode_mismatch", &["claim_access_mode_mismatch"]),
    (
        "volume_mount_permission_denied",
        &["volume_permission_denied"],
    ),
    ("missing_secret_binding", &["secret_missing"]),
    ("incorrect_image_reference", &["image_not_found"]),
    (
        "image_registry_dns_failure",
        &["image_registry_unresolvable"],
    ),
    ("missing_image_pull_secret", &["image_pull_unauthorized"]),
    ("oom_killed", &["out_of_memory"]),
    (
        "liveness_probe_incorrect_protocol",
        &["liveness_wrong_protocol"],
    ),
    ("liveness_probe_incorrect_port", &["liveness_wrong_port"]),
    (
        "liveness_probe_incorrect_timing",
        &["liveness_too_impatient"],
    ),
    (
        "readiness_probe_incorrect_protocol",
        &["readiness_wrong_protocol"],
    ),
    ("readiness_probe_incorrect_port", &["readiness_wrong_port"]),
    (
        "service_sidecar_port_conflict",
        &["port_conflict_with_sidecar"],
    ),
    ("mysql_invalid_credentials", &["database_credentials_wrong"]),
    ("mysql_invalid_port", &["database_address_wrong"]),
    ("db_read_only", &["database_read_only"]),
    ("db_connection_exhaustion", &["database_out_of_connections"]),
    ("deployment_zero_replicas", &["scaled_to_zero"]),
    (
        "service_selector_mismatch",
        &["service_selector_matches_nothing"],
    ),
    (
        "service_port_mapping_mismatch",
        &["service_port_leads_nowhere"],
    ),
    ("service_protocol_mismatch", &["service_protocol_mismatch"]),
    (
        "service_env_var_address_mismatch",
        &["address_of_dependency_wrong"],
    ),
    ("gateway_misroute", &["gateway_route_astray"]),
    ("service_dns_resolution_failure", &["own_resolver_broken"]),
    ("pod_cpu_overload", &["cpu_starved"]),
    ("pod_network_delay", &["network_of_instance_slow"]),
    ("containerd_unavailable", &["container_runtime_down"]),
    ("kubelet_unavailable", &["node_agent_down"]),
    ("kube_proxy_unavailable", &["node_proxy_down"]),
    ("kube_scheduler_unavailable", &["scheduler_down"]),
    ("node_network_delay", &["node_network_slow"]),
    ("node_network_packet_loss", &["node_loses_packets"]),
];

/// Which of our causes mean one of the set's.
#[must_use]
pub fn accepted(cause: &str) -> &'static [&'static str] {
    CAUSES
        .iter()
        .find(|(theirs, _)| *theirs == cause)
        .map_or(&[], |(_, ours)| ours)
}

/// Whether a finding names the right object, and whether it names the right cause too.
#[must_use]
pub fn right(finding: &Finding, truth: &Truth) -> (bool, bool) {
    let Truth::Faulty { objects, cause } = truth else {
        return (false, false);
    };
    let object = objects.contains(&finding.object);
    let wanted = cause.as_deref().map_or(&[][..], accepted);
    let cause = finding
        .cause
        .as_deref()
        .is_some_and(|cause| wanted.contains(&cause));
    (object, object && cause)
}
