//! Volumes, config files and secret files: where they go, how large, nothing twice.

use std::collections::BTreeSet;

use super::{Fault, demand, process::absolute};
use crate::{
    spec::{ServiceSpec, VolumeSource},
    units::Bytes,
};

const CONTENT_LIMIT: usize = 1 << 20;

/// Checks everything that is mounted into an instance.
pub(super) fn check(spec: &ServiceSpec) -> Result<(), Fault> {
    let count = spec.volumes.len() + spec.configs.len() + spec.secrets.len();
    demand(
        count <= 200,
        "spec.volumes",
        count,
        "use 200 volumes, configs and secrets at most",
    )?;
    let mut taken = BTreeSet::new();
    volumes(spec, &mut taken)?;
    for (index, config) in spec.configs.iter().enumerate() {
        place(
            format!("spec.configs[{index}].path"),
            &config.path,
            &mut taken,
        )?;
        let bytes = config.content.len();
        let field = format!("spec.configs[{index}].content");
        demand(
            bytes <= CONTENT_LIMIT,
            field,
            format!("{bytes} bytes"),
            "use 1 MiB at most",
        )?;
    }
    for (index, mount) in spec.secrets.iter().enumerate() {
        let path = mount
            .path
            .clone()
            .unwrap_or_else(|| format!("/run/secrets/{}", mount.secret));
        place(format!("spec.secrets[{index}].path"), &path, &mut taken)?;
    }
    Ok(())
}

fn volumes(spec: &ServiceSpec, taken: &mut BTreeSet<String>) -> Result<(), Fault> {
    for (index, volume) in spec.volumes.iter().enumerate() {
        place(format!("spec.volumes[{index}].mount"), &volume.mount, taken)?;
        let field = |part: &str| format!("spec.volumes[{index}].source.{part}");
        match &volume.source {
            VolumeSource::Host { path } => absolute(field("host.path"), path)?,
            VolumeSource::Memory { size } => {
                let fine = *size >= Bytes(4_096) && *size <= Bytes(1 << 40);
                demand(fine, field("memory.size"), size, "use 4Ki to 1Ti")?;
            }
            VolumeSource::Named { capacity, .. } => {
                let fine = capacity.is_none_or(|capacity| capacity > Bytes(0));
                let shown = capacity.unwrap_or_default();
                demand(fine, field("named.capacity"), shown, "use more than 0")?;
            }
        }
    }
    Ok(())
}

/// A path inside the container that nothing else is mounted at, and not its root.
fn place(field: String, path: &str, taken: &mut BTreeSet<String>) -> Result<(), Fault> {
    absolute(field.clone(), path)?;
    let clean = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect::<Vec<_>>()
        .join("/");
    demand(
        !clean.is_empty(),
        field.clone(),
        path,
        "the root itself cannot be replaced",
    )?;
    demand(
        taken.insert(clean),
        field,
        path,
        "something else is mounted there already",
    )
}
