//! Who a container runs as. Names are looked up in the image's own files, read as data.

use std::{
    fs::{File, OpenOptions},
    io::Read,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use ostler_core::observed::{Problem, ProblemKind};

use super::problem::problem;

/// Largest user database that is read.
const DATABASE_LIMIT: u64 = 1 << 20;

/// Ids and home of a container's process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    /// User id.
    pub(super) uid: u32,
    /// Group id.
    pub(super) gid: u32,
    /// Further groups.
    pub(super) groups: Vec<u32>,
    /// Home directory.
    pub(super) home: String,
}

/// `uid`, `uid:gid`, `name` or `name:group`; root when absent. Layers come top-most last.
pub(super) fn resolve(user: Option<&str>, layers: &[PathBuf]) -> Result<User, Problem> {
    find(
        user.unwrap_or("0"),
        &database(layers, "passwd"),
        &database(layers, "group"),
    )
}

fn find(wanted: &str, passwd: &str, group: &str) -> Result<User, Problem> {
    let (name, group_name) = match wanted.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (wanted, None),
    };
    let name = if name.is_empty() { "0" } else { name };
    let unknown = |what: &str, name: &str| {
        problem(
            ProblemKind::Backend,
            format!("the image knows no {what} `{name}`"),
        )
    };
    let number = name.parse::<u32>().ok();
    let entry = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| match number {
            Some(uid) => fields.get(2).is_some_and(|field| field.parse() == Ok(uid)),
            None => fields.first() == Some(&name),
        });
    let field = |index: usize| entry.as_ref().and_then(|fields| fields.get(index)).copied();
    let uid = number
        .or_else(|| field(2)?.parse().ok())
        .ok_or_else(|| unknown("user", name))?;
    let gid = match group_name {
        Some(group_name) => {
            group_id(group_name, group).ok_or_else(|| unknown("group", group_name))?
        }
        None => field(3).and_then(|gid| gid.parse().ok()).unwrap_or(0),
    };
    let groups = match (group_name, field(0)) {
        (None, Some(login)) => memberships(login, group),
        _ => Vec::new(),
    };
    let home = field(5)
        .filter(|home| home.starts_with('/'))
        .unwrap_or("/")
        .to_owned();
    Ok(User {
        uid,
        gid,
        groups,
        home,
    })
}

fn group_id(name: &str, group: &str) -> Option<u32> {
    name.parse().ok().or_else(|| {
        let line = group
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&name))?;
        line.get(2)?.parse().ok()
    })
}

fn memberships(login: &str, group: &str) -> Vec<u32> {
    let fields = group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let member = |fields: &Vec<&str>| {
        fields
            .get(3)
            .is_some_and(|members| members.split(',').any(|member| member == login))
    };
    fields
        .filter(member)
        .filter_map(|fields| fields.get(2)?.parse().ok())
        .take(64)
        .collect()
}

/// A file of `/etc` as the image has it. Links are not followed: they would lead out of the image.
fn database(layers: &[PathBuf], name: &str) -> String {
    let open = |layer: &PathBuf| -> Option<File> {
        let etc = layer.join("etc");
        let is_dir = etc.symlink_metadata().is_ok_and(|meta| meta.is_dir());
        let file = is_dir.then(|| {
            OpenOptions::new()
                .read(true)
                .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
                .open(etc.join(name))
        })?;
        file.ok()
            .filter(|file| file.metadata().is_ok_and(|meta| meta.is_file()))
    };
    let mut bytes = Vec::new();
    if let Some(file) = layers.iter().rev().find_map(open) {
        drop(file.take(DATABASE_LIMIT).read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nweb:x:101:102::/srv/web:/bin/false\nbroken\n";
    const GROUP: &str = "root:x:0:\nwww:x:103:web,other\nlogs:x:104:web\n";

    #[test]
    fn names_and_numbers_are_found() {
        let user = |wanted| find(wanted, PASSWD, GROUP).unwrap();
        assert_eq!(
            user("web"),
            User {
                uid: 101,
                gid: 102,
                groups: vec![103, 104],
                home: "/srv/web".into()
            }
        );
        assert_eq!(
            user("101:www"),
            User {
                uid: 101,
                gid: 103,
                groups: vec![],
                home: "/srv/web".into()
            }
        );
        assert_eq!(
            user("4000:4001"),
            User {
                uid: 4000,
                gid: 4001,
                groups: vec![],
                home: "/".into()
            }
        );
        assert_eq!(
            user(""),
            User {
                uid: 0,
                gid: 0,
                groups: vec![],
                home: "/root".into()
            }
        );
        assert!(
            find("nobody", PASSWD, GROUP)
                .unwrap_err()
                .detail
                .contains("no user `nobody`")
        );
        assert!(
            find("web:none", PASSWD, GROUP)
                .unwrap_err()
                .detail
                .contains("no group `none`")
        );
    }

    #[test]
    fn the_image_cannot_point_at_the_hosts_files() {
        let layer = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", layer.path().join("etc")).unwrap();
        assert_eq!(database(&[layer.path().to_owned()], "passwd"), "");
    }
}
