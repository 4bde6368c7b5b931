//! Subscriptions: says that a resource moved, not how. Who wants to know reads it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ostler_tools::principal::Principal;
use rmcp::{
    Peer, RoleServer,
    model::{ResourceUpdatedNotificationParam, SubscriptionFilter},
};
use tokio_util::sync::CancellationToken;

use super::{door::Door, resources};
use crate::stamp::Watched;

/// How often it is looked whether something moved.
const LOOK: Duration = Duration::from_secs(1);
/// Most resources that one subscription, or one session, watches.
const WATCHED: usize = 50;

/// What one subscriber watches, and how it stood when they were last told.
pub(super) struct Watch {
    door: Arc<dyn Door>,
    seen: BTreeMap<String, (Watched, u64)>,
}

impl Watch {
    pub(super) fn new(door: Arc<dyn Door>, uris: impl IntoIterator<Item = String>) -> Self {
        let stamped = |uri: String| {
            let watched = resources::watched(&uri)?;
            let stamp = door.stamp(&watched);
            Some((uri, (watched, stamp)))
        };
        let seen = uris.into_iter().filter_map(stamped).collect();
        Self { door, seen }
    }

    /// Waits until something moved; says what.
    pub(super) async fn moved(&mut self) -> Vec<String> {
        loop {
            tokio::time::sleep(LOOK).await;
            let moved = self.look();
            if !moved.is_empty() {
                return moved;
            }
        }
    }

    fn look(&mut self) -> Vec<String> {
        let mut moved = Vec::new();
        for (uri, (watched, seen)) in &mut self.seen {
            let now = self.door.stamp(watched);
            if now != *seen {
                *seen = now;
                moved.push(uri.clone());
            }
        }
        moved
    }
}

/// Of what is asked for, what this server has: addresses of resources, so many at most. Whether the caller
/// may read one is judged when they do.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let uris = requested.resource_subscriptions.iter().flatten();
    let ours = uris
        .filter(|uri| resources::watched(uri).is_some())
        .take(WATCHED);
    let mut filter = SubscriptionFilter::new();
    filter.resource_subscriptions = Some(ours.cloned().collect());
    filter
}

/// Whether a caller may use the tool behind an address at all.
pub(super) fn may(door: &dyn Door, caller: &Principal, uri: &str) -> bool {
    let tool = resources::tool_of(uri);
    tool.is_some_and(|tool| {
        door.tools_for(caller)
            .iter()
            .any(|known| known.name == tool)
    })
}

/// What a session of an earlier revision watches: each resource until it is no longer wanted, or the
/// session ends.
#[derive(Default)]
pub(super) struct Subscribed(Mutex<BTreeMap<String, CancellationToken>>);

impl Subscribed {
    /// Begins to watch; `false` where there are too many already.
    pub(super) fn begin(&self, door: Arc<dyn Door>, uri: &str, peer: Peer<RoleServer>) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(uri) {
            return true;
        }
        if held.len() >= WATCHED {
            return false;
        }
        let stop = CancellationToken::new();
        held.insert(uri.to_owned(), stop.clone());
        tokio::spawn(tell(Watch::new(door, [uri.to_owned()]), peer, stop));
        true
    }

    /// Ends it; one that was never wanted is as good as ended.
    pub(super) fn end(&self, uri: &str) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stop) = held.remove(uri) {
            stop.cancel();
        }
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        let held = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        held.values().for_each(CancellationToken::cancel);
    }
}

async fn tell(mut watch: Watch, peer: Peer<RoleServer>, stop: CancellationToken) {
    loop {
        let moved = tokio::select! {
            () = stop.cancelled() => return,
            moved = watch.moved() => moved,
        };
        for uri in moved {
            let told = peer
                .notify_resource_updated(ResourceUpdatedNotificationParam::new(uri))
                .await;
            if told.is_err() {
                return;
            }
        }
    }
}
