//! What is mounted into an instance besides its image: volumes, config files, secrets, and the few
//! files under `/etc` that name it and its neighbours.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt, chown},
    path::{Path, PathBuf},
};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use ostler_core::{
    id::SecretName,
    observed::{Problem, ProblemKind},
    spec::{ConfigFile, SecretMount, Volume, VolumeSource},
    units::Bytes,
};

use super::{
    bundle::{Bind, host_name},
    problem::{disk, problem},
    user::User,
};
use crate::backend::{Order, SecretBytes};

/// Directory of secrets inside an instance's; a tmpfs.
const SECRETS: &str = "secrets";
/// Directory of memory volumes inside an instance's; one tmpfs each.
const MEMORY: &str = "memory";
/// Directory of config files inside an instance's.
const CONFIGS: &str = "configs";

/// Files about names that the network keeps.
#[derive(Debug, Clone, Default)]
pub(super) struct NameFiles {
    /// For `/etc/hosts`.
    pub(super) hosts: Option<PathBuf>,
    /// For `/etc/resolv.conf`.
    pub(super) resolv: Option<PathBuf>,
}

/// Makes everything an instance mounts and says where it goes.
pub(super) fn prepare(
    dir: &Path,
    volumes: &Path,
    order: &Order,
    user: &User,
    names: &NameFiles,
) -> Result<Vec<Bind>, Problem> {
    let mut binds = name_files(dir, order.instance.as_str(), names)?;
    for (index, volume) in order.spec.volumes.iter().enumerate() {
        let from = volume_dir(dir, volumes, order, index, volume, user)?;
        binds.push(bind(&from, &inside(&volume.mount)?, volume.read_only));
    }
    for (index, config) in order.spec.configs.iter().enumerate() {
        let from = write_config(dir, index, config).map_err(disk("write a config file"))?;
        binds.push(bind(&from, &inside(&config.path)?, true));
    }
    for secret in &order.spec.secrets {
        binds.push(bind(
            &dir.join(SECRETS).join(secret.secret.as_str()),
            &inside(&secret_path(secret))?,
            true,
        ));
    }
    // Outer mounts first, so that none hides another.
    binds.sort_by_key(|bind| Path::new(&bind.to).components().count());
    Ok(binds)
}

fn bind(from: &Path, to: &str, read_only: bool) -> Bind {
    Bind {
        from: from.display().to_string(),
        to: to.to_owned(),
        read_only,
    }
}

fn inside(path: &str) -> Result<String, Problem> {
    let plain =
        path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
    if plain {
        Ok(path.to_owned())
    } else {
        Err(problem(
            ProblemKind::Backend,
            format!("`{path}` is not an absolute path inside the container"),
        ))
    }
}

fn secret_path(secret: &SecretMount) -> String {
    secret
        .path
        .clone()
        .unwrap_or_else(|| format!("/run/secrets/{}", secret.secret))
}

fn name_files(dir: &Path, instance: &str, names: &NameFiles) -> Result<Vec<Bind>, Problem> {
    let host = host_name(instance);
    let write = |name: &str, text: String| -> Result<PathBuf, Problem> {
        let path = dir.join(name);
        fs::write(&path, text).map_err(disk("write the instance's names"))?;
        Ok(path)
    };
    let mut binds = vec![bind(
        &write("hostname", format!("{host}\n"))?,
        "/etc/hostname",
        true,
    )];
    let hosts = match &names.hosts {
        Some(path) => path.clone(),
        None => write(
            "hosts",
            format!("127.0.0.1\tlocalhost {host}\n::1\tlocalhost\n"),
        )?,
    };
    binds.push(bind(&hosts, "/etc/hosts", true));
    binds.extend(
        names
            .resolv
            .iter()
            .map(|path| bind(path, "/etc/resolv.conf", true)),
    );
    Ok(binds)
}

fn volume_dir(
    dir: &Path,
    volumes: &Path,
    order: &Order,
    index: usize,
    volume: &Volume,
    user: &User,
) -> Result<PathBuf, Problem> {
    match &volume.source {
        VolumeSource::Named { name, .. } => {
            let path = volumes
                .join(order.service.namespace.as_str())
                .join(name.as_str());
            if !path.exists() {
                let made = fs::create_dir_all(&path)
                    .and_then(|()| chown(&path, Some(user.uid), Some(user.gid)));
                made.map_err(disk("make a volume"))?;
            }
            Ok(path)
        }
        VolumeSource::Host { path } => {
            let path = PathBuf::from(path);
            if path.is_absolute() && path.is_dir() {
                return Ok(path);
            }
            let detail = format!(
                "the host has no directory `{}` for the volume at `{}`",
                path.display(),
                volume.mount
            );
            Err(problem(ProblemKind::VolumeMissing, detail))
        }
        VolumeSource::Memory { size } => {
            memory_volume(dir, index, *size).map_err(disk("mount a memory volume"))
        }
    }
}

fn memory_volume(dir: &Path, index: usize, size: Bytes) -> io::Result<PathBuf> {
    let path = dir.join(MEMORY).join(index.to_string());
    memory_dir(&path, &format!("size={},mode=1777", size.0.max(4096)))?;
    Ok(path)
}

/// Mounts the memory volumes again, empty, after a boot.
pub(super) fn remake(dir: &Path, volumes: &[Volume]) -> io::Result<()> {
    for (index, volume) in volumes.iter().enumerate() {
        if let VolumeSource::Memory { size } = &volume.source {
            memory_volume(dir, index, *size)?;
        }
    }
    Ok(())
}

/// Mounts a tmpfs unless there is one already: it lives as long as the instance.
fn memory_dir(path: &Path, options: &str) -> io::Result<()> {
    fs::create_dir_all(path)?;
    if is_mount(path)? {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let mount = |options: &str| mount(Some("ostler"), path, Some("tmpfs"), flags, Some(options));
    // Older kernels know no `noswap`.
    mount(&format!("{options},noswap"))
        .or_else(|_| mount(options))
        .map_err(io::Error::from)
}

fn is_mount(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let parent = path.parent().unwrap_or(path);
    Ok(path.metadata()?.dev() != parent.metadata()?.dev())
}

fn write_config(dir: &Path, index: usize, config: &ConfigFile) -> io::Result<PathBuf> {
    let dir = dir.join(CONFIGS);
    fs::create_dir_all(&dir)?;
    let path = dir.join(index.to_string());
    fs::write(&path, &config.content)?;
    fs::set_permissions(&path, Permissions::from_mode(0o444))?;
    Ok(path)
}

/// Puts secrets where only the container's user can read them, in memory. Done before every attempt:
/// after a boot the memory is empty, and contents may have changed.
pub(super) fn deliver_secrets(dir: &Path, order: &Order, user: (u32, u32)) -> Result<(), Problem> {
    if order.spec.secrets.is_empty() {
        return Ok(());
    }
    let place = dir.join(SECRETS);
    let size: usize = order
        .secrets
        .values()
        .map(|secret| secret.0.len() + 4096)
        .sum();
    let options = format!("size={},mode=0700", (size + 65_536).max(1 << 20));
    memory_dir(&place, &options).map_err(disk("mount memory for secrets"))?;
    for name in order.spec.secret_names() {
        write_secret(&place, name, &order.secrets, user)?;
    }
    Ok(())
}

fn write_secret(
    place: &Path,
    name: &SecretName,
    secrets: &BTreeMap<SecretName, SecretBytes>,
    user: (u32, u32),
) -> Result<(), Problem> {
    let Some(content) = secrets.get(name) else {
        return Err(problem(
            ProblemKind::SecretMissing,
            format!("there is no secret `{name}`"),
        ));
    };
    let path = place.join(name.as_str());
    let write = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o400)
            .open(&path)?;
        file.write_all(&content.0)?;
        chown(&path, Some(user.0), Some(user.1))
    };
    write().map_err(disk("write a secret"))
}

/// Unmounts what was mounted for an instance.
pub(super) fn unmount(dir: &Path) -> io::Result<()> {
    let memory = fs::read_dir(dir.join(MEMORY))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for path in memory
        .chain([dir.join(SECRETS)])
        .filter(|path| path.exists())
    {
        while is_mount(&path)? {
            umount2(&path, MntFlags::MNT_DETACH)?;
        }
    }
    Ok(())
}

/// Directories of an instance's volumes that can fill up, with the size at which they count as full.
pub(super) fn fillable(
    dir: &Path,
    volumes: &Path,
    namespace: &str,
    specs: &[Volume],
) -> Vec<(PathBuf, Option<u64>)> {
    let place = |(index, volume): (usize, &Volume)| match &volume.source {
        VolumeSource::Named { name, capacity } => Some((
            volumes.join(namespace).join(name.as_str()),
            capacity.map(|bytes| bytes.0),
        )),
        VolumeSource::Host { path } => Some((PathBuf::from(path), None)),
        VolumeSource::Memory { .. } => Some((dir.join(MEMORY).join(index.to_string()), None)),
    };
    specs.iter().enumerate().filter_map(place).collect()
}
