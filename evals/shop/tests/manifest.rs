//! The shop's manifest is one that Ostler accepts, and its needs name services that exist.

use std::collections::BTreeSet;

use ostler_core::spec::read_manifests;

#[test]
fn the_manifest_is_accepted_and_whole() {
    let manifests = read_manifests(include_str!("../shop.yaml")).unwrap();
    let names: BTreeSet<&str> = manifests
        .iter()
        .map(|one| one.metadata.name.as_str())
        .collect();
    assert_eq!(
        names,
        BTreeSet::from(["cart", "catalog", "frontend", "store"])
    );
    for manifest in &manifests {
        let spec = &manifest.spec;
        assert!(
            spec.needs
                .iter()
                .all(|need| names.contains(need.service.as_str()))
        );
        assert!(spec.probes.liveness.is_some() && spec.probes.readiness.is_some());
        assert!(spec.metrics.is_some() && spec.resources.limits.memory.is_some());
        assert!(
            spec.configs
                .iter()
                .any(|config| config.path == "/etc/shop/config.json")
        );
    }
}
