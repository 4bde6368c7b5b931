//! Who is at the other end of the Unix socket, by the kernel's word.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, getgrouplist};
use ostler_tools::principal::{Principal, Role};
use tokio::net::unix::UCred;

/// Which local users may come in, and as what.
#[derive(Debug, Clone)]
pub struct Peers {
    /// The daemon's own user: comes in with every role, as root does.
    pub owner: u32,
    /// Members of these groups come in with these roles; nobody else does.
    pub groups: Vec<(u32, Vec<Role>)>,
}

impl Peers {
    /// Only root and the user that this process runs as.
    #[must_use]
    pub fn owner_only() -> Self {
        Self {
            owner: nix::unistd::geteuid().as_raw(),
            groups: Vec::new(),
        }
    }

    /// The caller behind these credentials; nobody when they may not come in.
    #[must_use]
    pub fn principal(&self, peer: &UCred) -> Option<Principal> {
        let user = User::from_uid(Uid::from_raw(peer.uid())).ok().flatten();
        let name = user
            .as_ref()
            .map_or_else(|| format!("uid-{}", peer.uid()), |user| user.name.clone());
        if peer.uid() == 0 || peer.uid() == self.owner {
            return Some(Principal::User {
                name,
                roles: vec![Role::Viewer, Role::Operator, Role::Admin],
            });
        }
        let groups = groups_of(user.as_ref(), peer.gid());
        let mine = self.groups.iter().filter(|(gid, _)| groups.contains(gid));
        let mut roles: Vec<Role> = mine.flat_map(|(_, roles)| roles.iter().copied()).collect();
        roles.sort_unstable();
        roles.dedup();
        (!roles.is_empty()).then_some(Principal::User { name, roles })
    }
}

/// The user's groups, also those beside the main one.
fn groups_of(user: Option<&User>, gid: u32) -> Vec<u32> {
    let mut groups = vec![gid];
    let name = user.and_then(|user| CString::new(user.name.as_str()).ok());
    if let Some(name) = name {
        let more = getgrouplist(&name, Gid::from_raw(gid)).unwrap_or_default();
        groups.extend(more.into_iter().map(Gid::as_raw));
    }
    groups
}
