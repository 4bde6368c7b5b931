//! What every store must do, run on memory and on SQLite.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use ostler_core::{
    change::{self, Change},
    id::{AgentName, Revision, ServiceKey},
    incident::{Incident, IncidentState},
    intent::{Intent, Sealed, SecretKey},
    law::{Freeze, Glass},
    time::Time,
};
use ostler_gate::{
    audit::Handover,
    ports::{
        Commit, Kept, Moved, NewLeaf, PastChange, RecordKind, Retained, Store, StoreError, Taken,
    },
    testing::MemoryStore,
};
use ostler_store::SqliteStore;
use ostler_tools::record::{Records, Token};

fn leaf(index: u64) -> NewLeaf {
    NewLeaf {
        bytes: format!("{{\"index\":{index}}}").into_bytes(),
        hash: [u8::try_from(index % 251).unwrap(); 32],
    }
}

fn agent(number: u64) -> AgentName {
    AgentName::new(format!("a{number}")).unwrap()
}

/// A commit that applies a change to what is kept.
fn moving(kept: &Kept, change: Change, services: Vec<ServiceKey>) -> Commit {
    let applied = change::apply(&kept.intent, &change, Time(7)).unwrap();
    let past = PastChange {
        revision: applied.intent.revision,
        at: Time(7),
        principal: "user:ann".into(),
        tool: "x".into(),
        summary: "did x".into(),
        services,
        change,
        inverse: applied.inverse,
        leaf: kept.leaves,
        undoes: None,
    };
    Commit {
        base: kept.intent.revision,
        before: Arc::new(kept.intent.clone()),
        moved: Some(Moved {
            intent: Arc::new(applied.intent),
            past: vec![past],
        }),
        records: Records::default(),
        removed: Vec::new(),
        leaves: vec![leaf(kept.leaves)],
        leaf_index: kept.leaves,
        checkpoint: Some(format!("checkpoint {}", kept.leaves + 1)),
        handover: None,
        taken: None,
    }
}

fn still(kept: &Kept) -> Commit {
    Commit {
        moved: None,
        ..moving(kept, Change::PauseAgent { agent: agent(0) }, Vec::new())
    }
}

fn secret(text: &str) -> SecretKey {
    SecretKey::try_from(text.to_owned()).unwrap()
}

fn token(name: &str) -> Token {
    Token {
        name: name.into(),
        roles: Vec::new(),
        hash: "h".into(),
        created_at: Time(1),
        expires_at: Time(2),
    }
}

async fn suite(store: &dyn Store) {
    starts_empty(store).await;
    keeps_the_intent(store).await;
    keeps_records(store).await;
    keeps_changes_of_the_key(store).await;
    refuses_conflicts(store).await;
    pages_leaves(store).await;
    remembers_changes(store).await;
    takes_leaves_away(store).await;
    keeps_captures_with_their_incidents(store).await;
}

async fn starts_empty(store: &dyn Store) {
    assert_eq!(store.load().await.unwrap(), Kept::default());
    assert!(store.leaves(0, 10).await.unwrap().is_empty());
    assert!(store.changes(None, 10).await.unwrap().is_empty());
    assert!(store.change(Revision(1)).await.unwrap().is_none());
}

async fn step(store: &dyn Store, change: Change, services: Vec<ServiceKey>) -> Intent {
    let kept = store.load().await.unwrap();
    let commit = moving(&kept, change, services);
    let wanted = commit.moved.as_ref().unwrap().intent.as_ref().clone();
    store.commit(&commit).await.unwrap();
    let after = store.load().await.unwrap();
    assert_eq!(after.intent, wanted);
    assert_eq!(after.leaves, kept.leaves + 1);
    assert_eq!(after.checkpoint, commit.checkpoint);
    wanted
}

const SHOP: &str = "
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: cart, namespace: shop }
spec: { image: 'shop/cart:1', replicas: { min: 1, max: 5 } }
---
apiVersion: ostler.dev/v1
kind: Service
metadata: { name: front, namespace: shop }
spec: { image: 'shop/front:1' }
";

fn apply() -> (Change, Vec<ServiceKey>) {
    let manifests = ostler_core::spec::read_manifests(SHOP).unwrap();
    let keys = manifests.iter().map(|manifest| manifest.key()).collect();
    let puts = manifests.into_iter().map(|manifest| change::ServicePut {
        service: manifest.key(),
        labels: manifest.metadata.labels,
        spec: manifest.spec,
    });
    (
        Change::ApplyServices {
            services: puts.collect(),
        },
        keys,
    )
}

async fn keeps_the_intent(store: &dyn Store) {
    let (change, services) = apply();
    let intent = step(store, change, services).await;
    assert_eq!(intent.services.len(), 2);
    let cart: ServiceKey = "shop/cart".parse().unwrap();
    step(
        store,
        Change::ScaleService {
            service: cart.clone(),
            replicas: 3,
        },
        vec![cart],
    )
    .await;
    step(
        store,
        Change::PutSecret {
            secret: secret("shop/a"),
            sealed: Sealed("x".into()),
        },
        Vec::new(),
    )
    .await;
    step(
        store,
        Change::PutSecret {
            secret: secret("shop/b"),
            sealed: Sealed("y".into()),
        },
        Vec::new(),
    )
    .await;
    step(
        store,
        Change::DeleteSecret {
            secret: secret("shop/a"),
        },
        Vec::new(),
    )
    .await;
    keeps_the_law(store).await;
    step(store, Change::PauseAgent { agent: agent(1) }, Vec::new()).await;
    step(store, Change::PauseAgent { agent: agent(2) }, Vec::new()).await;
    step(store, Change::ResumeAgent { agent: agent(1) }, Vec::new()).await;
    let node = || "n1".parse().unwrap();
    step(store, Change::CordonNode { node: node() }, Vec::new()).await;
    step(store, Change::DrainNode { node: node() }, Vec::new()).await;
    step(store, Change::UncordonNode { node: node() }, Vec::new()).await;
    let front: ServiceKey = "shop/front".parse().unwrap();
    let intent = step(
        store,
        Change::DeleteService {
            service: front.clone(),
        },
        vec![front],
    )
    .await;
    assert_eq!(
        (
            intent.services.len(),
            intent.secrets.len(),
            intent.paused_agents.len()
        ),
        (1, 1, 1)
    );
}

async fn keeps_records(store: &dyn Store) {
    let kept = store.load().await.unwrap();
    let mut commit = still(&kept);
    commit.records.tokens.insert("ci".into(), token("ci"));
    commit.records.tokens.insert("ann".into(), token("ann"));
    store.commit(&commit).await.unwrap();
    let kept = store.load().await.unwrap();
    assert_eq!(
        kept.records.tokens, commit.records.tokens,
        "with their hashes"
    );
    let mut commit = still(&kept);
    commit.removed.push((RecordKind::Token, "ci".into()));
    store.commit(&commit).await.unwrap();
    let kept = store.load().await.unwrap();
    assert_eq!(kept.records.tokens.keys().collect::<Vec<_>>(), ["ann"]);
    let ports_records = kept.records.clone();
    assert!(ports_records.incidents.is_empty());
}

async fn keeps_the_law(store: &dyn Store) {
    let freeze = |freeze: Option<u64>| Change::SetFreeze {
        name: "easter".parse().unwrap(),
        freeze: freeze.map(|until| {
            Box::new(Freeze {
                from: Time(1),
                until: Time(until),
                namespaces: ["shop".parse().unwrap()].into(),
                reason: "eggs".into(),
            })
        }),
    };
    let glass = |glass: Option<Glass>| Change::SetGlass {
        person: "ann".into(),
        glass,
    };
    let fire = Glass {
        until: Time(9),
        reason: "fire".into(),
    };
    let policies = |files: &[(&str, &str)]| Change::SetPolicies {
        policies: (!files.is_empty()).then(|| {
            let own = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
            Arc::new(files.iter().map(own).collect())
        }),
    };
    for change in [
        freeze(Some(5)),
        freeze(Some(6)),
        glass(Some(fire)),
        policies(&[("a.cedar", "a"), ("b.cedar", "b")]),
        policies(&[("b.cedar", "c")]),
        freeze(None),
        glass(None),
        policies(&[]),
    ] {
        step(store, change, Vec::new()).await;
    }
}

async fn keeps_changes_of_the_key(store: &dyn Store) {
    let mut told = Vec::new();
    for number in 0..12 {
        let kept = store.load().await.unwrap();
        let mut commit = still(&kept);
        told.push(Handover {
            handover: format!("from {number} to {}", number + 1),
            public_key: format!("key {number}"),
        });
        commit.handover = told.last().cloned();
        store.commit(&commit).await.unwrap();
        assert_eq!(store.load().await.unwrap().handovers, told, "oldest first");
    }
}

async fn refuses_conflicts(store: &dyn Store) {
    let kept = store.load().await.unwrap();
    let good = moving(&kept, Change::PauseAgent { agent: agent(9) }, Vec::new());
    let stale = Commit {
        base: Revision(kept.intent.revision.0 - 1),
        ..good.clone()
    };
    assert!(matches!(
        store.commit(&stale).await,
        Err(StoreError::Conflict { .. })
    ));
    let gap = Commit {
        leaf_index: kept.leaves + 1,
        ..good.clone()
    };
    assert!(matches!(
        store.commit(&gap).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(
        store.load().await.unwrap(),
        kept,
        "nothing was half-written"
    );
    store.commit(&good).await.unwrap();
    assert!(
        matches!(store.commit(&good).await, Err(StoreError::Conflict { .. })),
        "once only"
    );
}

async fn pages_leaves(store: &dyn Store) {
    let kept = store.load().await.unwrap();
    let mut commit = still(&kept);
    commit.leaves = (kept.leaves..kept.leaves + 5).map(leaf).collect();
    store.commit(&commit).await.unwrap();
    let page = store.leaves(kept.leaves + 1, 3).await.unwrap();
    assert_eq!(
        page.iter().map(|leaf| leaf.index).collect::<Vec<_>>(),
        [1, 2, 3].map(|step| kept.leaves + step)
    );
    assert_eq!(
        (&page[0].bytes, page[0].hash),
        (&commit.leaves[1].bytes, commit.leaves[1].hash)
    );
    assert_eq!(
        store.leaves(0, 1_000).await.unwrap().len() as u64,
        kept.leaves + 5
    );
    assert!(store.leaves(kept.leaves + 5, 3).await.unwrap().is_empty());
}

async fn takes_leaves_away(store: &dyn Store) {
    let kept = store.load().await.unwrap();
    assert_eq!(kept.retained, Retained::default());
    let bytes = store.log_bytes().await.unwrap();
    let all = store.leaves(0, 1_000).await.unwrap();
    assert_eq!(
        bytes,
        all.iter().map(|leaf| leaf.bytes.len() as u64).sum::<u64>()
    );
    let mut commit = still(&kept);
    let after = Retained {
        cut: 3,
        peaks: vec![[1; 32], [2; 32]],
        reads_to: 6,
    };
    commit.taken = Some(Taken {
        after: after.clone(),
        bodies: vec![4, 5],
    });
    store.commit(&commit).await.unwrap();
    let left = store.leaves(0, 1_000).await.unwrap();
    assert_eq!(left[0].index, 3);
    assert_eq!(left.len() as u64, kept.leaves + 1 - 3);
    let gone = |index: u64| left[usize::try_from(index - 3).unwrap()].bytes.is_empty();
    assert_eq!([3, 4, 5, 6].map(gone), [false, true, true, false]);
    assert_eq!(left[1].hash, all[4].hash, "hashes stay");
    let now = store.load().await.unwrap();
    assert_eq!((now.retained, now.leaves), (after, kept.leaves + 1));
    assert!(store.log_bytes().await.unwrap() < bytes);
}

async fn remembers_changes(store: &dyn Store) {
    let cart: ServiceKey = "shop/cart".parse().unwrap();
    let of_cart = store.changes(Some(&cart), 10).await.unwrap();
    assert_eq!(
        of_cart
            .iter()
            .map(|past| past.revision.0)
            .collect::<Vec<_>>(),
        [2, 1],
        "newest first"
    );
    let newest = store.changes(None, 3).await.unwrap();
    assert_eq!(newest.len(), 3);
    assert!(newest[0].revision > newest[1].revision);
    let one = store.change(Revision(2)).await.unwrap().unwrap();
    assert_eq!(one, of_cart[0]);
    assert!(one.inverse.is_some());
}

fn incident(id: &str) -> Incident {
    Incident {
        id: id.parse().unwrap(),
        service: "shop/cart".parse().unwrap(),
        state: IncidentState::Open,
        title: "down".into(),
        opened_by: "agent:healer".into(),
        opened_at: Time(1),
        began_at: Time(1),
        closed_at: None,
        cause: None,
        proposals: Vec::new(),
        timeline: Vec::new(),
        symptoms: Default::default(),
        correction: None,
    }
}

async fn keeps_captures_with_their_incidents(store: &dyn Store) {
    let one = incident("inc_captured");
    let (id, other) = (one.id.clone(), "inc_nobody".parse().unwrap());
    let write = async |state: IncidentState| {
        let kept = store.load().await.unwrap();
        let mut commit = still(&kept);
        let written = Incident {
            state,
            ..one.clone()
        };
        commit.records.incidents.insert(id.clone(), written);
        store.commit(&commit).await.unwrap();
    };
    write(IncidentState::Open).await;
    assert_eq!(store.capture(&id).await.unwrap(), None);
    store.keep_capture(&id, "{\"a\":1}").await.unwrap();
    store.keep_capture(&other, "{}").await.unwrap();
    write(IncidentState::Resolved).await;
    let kept = store.capture(&id).await.unwrap();
    assert_eq!(
        kept.as_deref(),
        Some("{\"a\":1}"),
        "it outlives the incident's moves"
    );
    assert_eq!(
        store.capture(&other).await.unwrap(),
        None,
        "nobody's capture"
    );
    let kept = store.load().await.unwrap();
    let mut commit = still(&kept);
    commit.removed.push((RecordKind::Incident, id.to_string()));
    store.commit(&commit).await.unwrap();
    assert_eq!(
        store.capture(&id).await.unwrap(),
        None,
        "it goes with the incident"
    );
}

#[tokio::test]
async fn memory_conforms() {
    suite(&MemoryStore::default()).await;
}

#[tokio::test]
async fn sqlite_conforms_and_reopens_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let store = SqliteStore::open(&path).await.unwrap();
    suite(&store).await;
    let kept = store.load().await.unwrap();
    let leaves = store.leaves(0, 1_000).await.unwrap();
    store.close().await;
    let again = SqliteStore::open(&path).await.unwrap();
    assert_eq!(again.load().await.unwrap(), kept);
    assert_eq!(again.leaves(0, 1_000).await.unwrap(), leaves);
}

#[tokio::test]
async fn a_file_that_is_no_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    std::fs::write(&path, vec![b'x'; 8_192]).unwrap();
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(
        SqliteStore::open(Path::new("/nowhere/at/all.db"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn nobody_else_can_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    SqliteStore::open(&path).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

/// The process that is killed; does nothing unless asked.
#[tokio::test]
async fn writes_until_killed() {
    let Some(path) = std::env::var_os("OSTLER_TEST_WRITE_TO") else {
        return;
    };
    let store = SqliteStore::open(Path::new(&path)).await.unwrap();
    let mut kept = store.load().await.unwrap();
    loop {
        let change = Change::PauseAgent {
            agent: agent(kept.leaves % 50),
        };
        let commit = moving(&kept, change, Vec::new());
        store.commit(&commit).await.unwrap();
        kept.intent = commit.moved.as_ref().unwrap().intent.as_ref().clone();
        kept.leaves += 1;
        println!("acknowledged {}", kept.leaves);
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state.db");
    let mut before = 0;
    for wanted in [3, 11, 29, 40, 7] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writes_until_killed", "--nocapture"])
            .env("OSTLER_TEST_WRITE_TO", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let numbers = lines.filter_map(|line| {
            line.split("acknowledged ")
                .nth(1)?
                .trim()
                .parse::<u64>()
                .ok()
        });
        let acknowledged = numbers.take(wanted).last();
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = acknowledged.unwrap_or_else(|| panic!("the child wrote nothing"));
        let store = SqliteStore::open(&path).await.unwrap();
        let kept = store.load().await.unwrap();
        assert!(
            kept.leaves >= acknowledged && acknowledged > before,
            "{before} {acknowledged} {}",
            kept.leaves
        );
        assert_eq!(
            kept.intent.revision.0, kept.leaves,
            "intent and leaf go together"
        );
        assert_eq!(
            store.leaves(0, 100_000).await.unwrap().len() as u64,
            kept.leaves
        );
        assert!(store.change(kept.intent.revision).await.unwrap().is_some());
        before = kept.leaves;
        store.close().await;
    }
}
