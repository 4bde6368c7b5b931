//! Reading: everything at the start, pages of leaves and past changes later.

use std::collections::BTreeMap;

use ostler_core::{
    id::{IncidentId, Revision, ServiceKey},
    intent::{Intent, Sealed},
};
use ostler_gate::{
    audit::Handover,
    ports::{Kept, PastChange, Retained, StoreError, StoredLeaf},
};
use serde::de::DeserializeOwned;
use sqlx::{SqliteConnection, SqlitePool};

use crate::error::{corrupt, failed, number, unsigned};

/// Everything, at one moment.
pub(crate) async fn load(pool: &SqlitePool) -> Result<Kept, StoreError> {
    let mut transaction = pool.begin().await.map_err(|error| failed("read", error))?;
    let connection = &mut *transaction;
    let (revision, leaves) = heads(connection).await?;
    let checkpoint: Option<String> =
        sqlx::query_scalar("SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")
            .fetch_optional(&mut *connection)
            .await
            .map_err(|error| failed("read", error))?;
    let mut kept = Kept {
        leaves,
        checkpoint,
        handovers: handovers(connection).await?,
        retained: retained(connection).await?,
        ..Kept::default()
    };
    kept.intent = intent(connection, Revision(revision)).await?;
    read_records(connection, &mut kept).await?;
    Ok(kept)
}

/// The revision and the number of leaves.
pub(crate) async fn heads(connection: &mut SqliteConnection) -> Result<(u64, u64), StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as("SELECT key, value FROM meta")
        .fetch_all(connection)
        .await
        .map_err(|error| failed("read", error))?;
    let meta: BTreeMap<String, i64> = rows.into_iter().collect();
    let head = |key| {
        meta.get(key)
            .copied()
            .ok_or_else(|| corrupt("meta", &format!("`{key}` is missing")))
    };
    Ok((unsigned(head("revision")?)?, unsigned(head("leaves")?)?))
}

async fn intent(
    connection: &mut SqliteConnection,
    revision: Revision,
) -> Result<Intent, StoreError> {
    let mut intent = Intent {
        revision,
        ..Intent::default()
    };
    for (key, body) in pairs(connection, "SELECT service, body FROM services").await? {
        intent
            .services
            .insert(name("service", key)?, json("service", &body)?);
    }
    for (key, sealed) in pairs(connection, "SELECT secret, sealed FROM secrets").await? {
        intent.secrets.insert(name("secret", key)?, Sealed(sealed));
    }
    let nodes: Vec<(String, bool, bool)> =
        sqlx::query_as("SELECT node, cordoned, draining FROM nodes")
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| failed("read", error))?;
    for (node, cordoned, draining) in nodes {
        let node: ostler_core::id::NodeName = name("node", node)?;
        cordoned.then(|| intent.cordoned.insert(node.clone()));
        draining.then(|| intent.draining.insert(node));
    }
    let agents: Vec<String> = sqlx::query_scalar("SELECT agent FROM paused_agents")
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failed("read", error))?;
    for agent in agents {
        intent.paused_agents.insert(name("agent", agent)?);
    }
    for (agent, body) in pairs(connection, "SELECT agent, body FROM promoted_agents").await? {
        let promoted = &mut intent.promoted_agents;
        promoted.insert(name("agent", agent)?, json("autonomy", &body)?);
    }
    intent.law = crate::law::read(connection).await?;
    Ok(intent)
}

async fn read_records(
    connection: &mut SqliteConnection,
    kept: &mut Kept,
) -> Result<(), StoreError> {
    let records = &mut kept.records;
    for (id, body) in pairs(connection, "SELECT id, body FROM incidents").await? {
        records
            .incidents
            .insert(name("incident", id)?, json("incident", &body)?);
    }
    for (id, body) in pairs(connection, "SELECT id, body FROM proposals").await? {
        records
            .proposals
            .insert(name("proposal", id)?, json("proposal", &body)?);
    }
    for (id, body) in pairs(connection, "SELECT id, body FROM approvals").await? {
        records
            .approvals
            .insert(name("approval", id)?, json("approval", &body)?);
    }
    for (id, body) in pairs(connection, "SELECT id, body FROM tokens").await? {
        records.tokens.insert(id, json("token", &body)?);
    }
    Ok(())
}

async fn handovers(connection: &mut SqliteConnection) -> Result<Vec<Handover>, StoreError> {
    let query = "SELECT note, public_key FROM audit_handovers ORDER BY size";
    let handover = |(handover, public_key)| Handover {
        handover,
        public_key,
    };
    let found = pairs(connection, query).await?;
    Ok(found.into_iter().map(handover).collect())
}

async fn retained(connection: &mut SqliteConnection) -> Result<Retained, StoreError> {
    let (cut, peaks, reads_to): (i64, Vec<u8>, i64) =
        sqlx::query_as("SELECT cut, peaks, reads_to FROM audit_retention WHERE one = 1")
            .fetch_one(connection)
            .await
            .map_err(|error| failed("read the audit log of", error))?;
    let (hashes, rest) = peaks.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(corrupt("audit log's edge", &"it has a broken hash"));
    }
    Ok(Retained {
        cut: unsigned(cut)?,
        peaks: hashes.to_vec(),
        reads_to: unsigned(reads_to)?,
    })
}

/// Bytes that the leaves' bodies take.
pub(crate) async fn log_bytes(pool: &SqlitePool) -> Result<u64, StoreError> {
    let sum: Option<i64> = sqlx::query_scalar("SELECT sum(length(body)) FROM audit_leaves")
        .fetch_one(pool)
        .await
        .map_err(|error| failed("read the audit log of", error))?;
    unsigned(sum.unwrap_or_default())
}

/// Leaves in order, from an index.
pub(crate) async fn leaves(
    pool: &SqlitePool,
    from: u64,
    limit: u32,
) -> Result<Vec<StoredLeaf>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT position, hash, body FROM audit_leaves WHERE position >= ? ORDER BY position LIMIT ?")
            .bind(number(from)?)
            .bind(limit)
            .fetch_all(pool)
            .await
            .map_err(|error| failed("read the audit log of", error))?;
    rows.into_iter()
        .map(|(position, hash, bytes)| {
            let hash = hash
                .try_into()
                .map_err(|_| corrupt("audit leaf", &format!("{position}: its hash is damaged")))?;
            Ok(StoredLeaf {
                index: unsigned(position)?,
                bytes,
                hash,
            })
        })
        .collect()
}

/// Past changes, newest first.
pub(crate) async fn changes(
    pool: &SqlitePool,
    service: Option<&ServiceKey>,
    limit: u32,
) -> Result<Vec<PastChange>, StoreError> {
    let query = match service {
        Some(service) => sqlx::query_scalar(
            "SELECT body FROM change_services JOIN changes USING (revision) WHERE service = ? \
             ORDER BY revision DESC LIMIT ?",
        )
        .bind(service.to_string()),
        None => sqlx::query_scalar("SELECT body FROM changes ORDER BY revision DESC LIMIT ?"),
    };
    let bodies: Vec<String> = query
        .bind(limit)
        .fetch_all(pool)
        .await
        .map_err(|error| failed("read the history of", error))?;
    bodies
        .iter()
        .map(|body| json("past change", body))
        .collect()
}

/// One past change.
pub(crate) async fn change(
    pool: &SqlitePool,
    revision: Revision,
) -> Result<Option<PastChange>, StoreError> {
    let body: Option<String> = sqlx::query_scalar("SELECT body FROM changes WHERE revision = ?")
        .bind(number(revision.0)?)
        .fetch_optional(pool)
        .await
        .map_err(|error| failed("read the history of", error))?;
    body.map(|body| json("past change", &body)).transpose()
}

/// What was captured of an incident.
pub(crate) async fn capture(
    pool: &SqlitePool,
    incident: &IncidentId,
) -> Result<Option<String>, StoreError> {
    sqlx::query_scalar("SELECT body FROM captures WHERE incident = ?")
        .bind(incident.to_string())
        .fetch_optional(pool)
        .await
        .map_err(|error| failed("read a capture of", error))
}

pub(crate) async fn pairs(
    connection: &mut SqliteConnection,
    query: &'static str,
) -> Result<Vec<(String, String)>, StoreError> {
    sqlx::query_as(query)
        .fetch_all(connection)
        .await
        .map_err(|error| failed("read", error))
}

pub(crate) fn name<T: TryFrom<String>>(what: &'static str, text: String) -> Result<T, StoreError>
where
    T::Error: std::fmt::Display,
{
    T::try_from(text).map_err(|error| corrupt(what, &error))
}

pub(crate) fn json<T: DeserializeOwned>(what: &'static str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| corrupt(what, &error))
}
