//! Writing: one transaction, only what differs.

use std::{collections::BTreeMap, fmt::Display};

use ostler_core::{
    id::{IncidentId, NodeName},
    intent::Intent,
};
use ostler_gate::ports::{Commit, PastChange, RecordKind, StoreError, Taken};
use serde::Serialize;
use sqlx::{
    Connection as _, Sqlite, SqliteConnection, SqlitePool, query::Query, sqlite::SqliteArguments,
};

use crate::{
    CHANGES_KEPT,
    error::{corrupt, failed, number},
    read::heads,
};

/// How far back signed checkpoints are kept, in leaves.
const CHECKPOINTS_KEPT: u64 = 10_000;

/// All of it or none; durable when this returns.
pub(crate) async fn commit(pool: &SqlitePool, commit: &Commit) -> Result<(), StoreError> {
    let mut connection = pool
        .acquire()
        .await
        .map_err(|error| failed("write to", error))?;
    let outcome = write(&mut connection, commit).await;
    if !matches!(outcome, Ok(()) | Err(StoreError::Conflict { .. })) {
        // On a full disk SQLite ends the transaction by itself, which the connection's own count of
        // transactions misses: every later one on it would be refused.
        connection.close_on_drop();
    }
    outcome
}

/// Keeps what was captured of an incident, if that is there.
pub(crate) async fn keep_capture(
    pool: &SqlitePool,
    incident: &IncidentId,
    body: &str,
) -> Result<(), StoreError> {
    let mut connection = pool
        .acquire()
        .await
        .map_err(|error| failed("write to", error))?;
    let query = sqlx::query(
        "INSERT OR REPLACE INTO captures (incident, body) SELECT id, ? FROM incidents WHERE id = ?",
    );
    let query = query.bind(body.to_owned()).bind(incident.to_string());
    run(&mut connection, query).await
}

async fn write(connection: &mut SqliteConnection, commit: &Commit) -> Result<(), StoreError> {
    let mut transaction = connection
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(|error| failed("write to", error))?;
    let connection = &mut *transaction;
    let (held, leaves) = heads(connection).await?;
    if held != commit.base.0 || leaves != commit.leaf_index {
        return Err(StoreError::Conflict { held, leaves });
    }
    if let Some(moved) = &commit.moved {
        write_intent(connection, &commit.before, &moved.intent).await?;
        for past in &moved.past {
            write_past(connection, past).await?;
        }
        set_head(connection, "revision", moved.intent.revision.0).await?;
    }
    write_records(connection, commit).await?;
    write_leaves(connection, commit).await?;
    if let Some(taken) = &commit.taken {
        take_away(connection, taken).await?;
    }
    transaction
        .commit()
        .await
        .map_err(|error| failed("write to", error))
}

pub(crate) async fn run(
    connection: &mut SqliteConnection,
    query: Query<'_, Sqlite, SqliteArguments>,
) -> Result<(), StoreError> {
    query
        .execute(connection)
        .await
        .map(drop)
        .map_err(|error| failed("write to", error))
}

async fn set_head(
    connection: &mut SqliteConnection,
    key: &'static str,
    value: u64,
) -> Result<(), StoreError> {
    run(
        connection,
        sqlx::query("UPDATE meta SET value = ? WHERE key = ?")
            .bind(number(value)?)
            .bind(key),
    )
    .await
}

pub(crate) fn json<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt(what, &error))
}

/// What is new or differs, and what is gone.
pub(crate) fn differences<'m, K: Ord, V: PartialEq>(
    before: &'m BTreeMap<K, V>,
    after: &'m BTreeMap<K, V>,
) -> (Vec<(&'m K, &'m V)>, Vec<&'m K>) {
    let changed = after
        .iter()
        .filter(|(key, value)| before.get(key) != Some(value))
        .collect();
    let gone = before
        .keys()
        .filter(|key| !after.contains_key(key))
        .collect();
    (changed, gone)
}

async fn write_intent(
    connection: &mut SqliteConnection,
    before: &Intent,
    after: &Intent,
) -> Result<(), StoreError> {
    let (changed, gone) = differences(&before.services, &after.services);
    for (key, service) in changed {
        let query = sqlx::query("INSERT OR REPLACE INTO services (service, generation, replicas, body) VALUES (?, ?, ?, ?)")
            .bind(key.to_string())
            .bind(number(service.generation.0)?)
            .bind(service.replicas)
            .bind(json("service", service)?);
        run(connection, query).await?;
    }
    for key in gone {
        run(
            connection,
            sqlx::query("DELETE FROM services WHERE service = ?").bind(key.to_string()),
        )
        .await?;
    }
    let (changed, gone) = differences(&before.secrets, &after.secrets);
    for (key, sealed) in changed {
        let query = sqlx::query("INSERT OR REPLACE INTO secrets (secret, sealed) VALUES (?, ?)");
        run(
            connection,
            query.bind(key.to_string()).bind(sealed.0.clone()),
        )
        .await?;
    }
    for key in gone {
        run(
            connection,
            sqlx::query("DELETE FROM secrets WHERE secret = ?").bind(key.to_string()),
        )
        .await?;
    }
    write_nodes(connection, before, after).await?;
    for agent in after.paused_agents.difference(&before.paused_agents) {
        let query = sqlx::query("INSERT OR REPLACE INTO paused_agents (agent) VALUES (?)");
        run(connection, query.bind(agent.to_string())).await?;
    }
    for agent in before.paused_agents.difference(&after.paused_agents) {
        run(
            connection,
            sqlx::query("DELETE FROM paused_agents WHERE agent = ?").bind(agent.to_string()),
        )
        .await?;
    }
    let (promoted, gone) = differences(&before.promoted_agents, &after.promoted_agents);
    for (agent, autonomy) in promoted {
        let query =
            sqlx::query("INSERT OR REPLACE INTO promoted_agents (agent, body) VALUES (?, ?)");
        let body = json("autonomy", autonomy)?;
        run(connection, query.bind(agent.to_string()).bind(body)).await?;
    }
    for agent in gone {
        let query = sqlx::query("DELETE FROM promoted_agents WHERE agent = ?");
        run(connection, query.bind(agent.to_string())).await?;
    }
    crate::law::write(connection, &before.law, &after.law).await
}

async fn write_nodes(
    connection: &mut SqliteConnection,
    before: &Intent,
    after: &Intent,
) -> Result<(), StoreError> {
    let stands = |intent: &Intent| -> BTreeMap<NodeName, (bool, bool)> {
        let nodes = intent.cordoned.union(&intent.draining);
        nodes
            .map(|node| {
                (
                    node.clone(),
                    (
                        intent.cordoned.contains(node),
                        intent.draining.contains(node),
                    ),
                )
            })
            .collect()
    };
    let (before, after) = (stands(before), stands(after));
    let (changed, gone) = differences(&before, &after);
    for (node, (cordoned, draining)) in changed {
        let query =
            sqlx::query("INSERT OR REPLACE INTO nodes (node, cordoned, draining) VALUES (?, ?, ?)");
        run(
            connection,
            query.bind(node.to_string()).bind(*cordoned).bind(*draining),
        )
        .await?;
    }
    for node in gone {
        run(
            connection,
            sqlx::query("DELETE FROM nodes WHERE node = ?").bind(node.to_string()),
        )
        .await?;
    }
    Ok(())
}

async fn write_past(
    connection: &mut SqliteConnection,
    past: &PastChange,
) -> Result<(), StoreError> {
    let revision = number(past.revision.0)?;
    let query = sqlx::query("INSERT INTO changes (revision, at, leaf, body) VALUES (?, ?, ?, ?)")
        .bind(revision)
        .bind(number(past.at.0)?)
        .bind(number(past.leaf)?)
        .bind(json("past change", past)?);
    run(connection, query).await?;
    for service in &past.services {
        let query =
            sqlx::query("INSERT OR IGNORE INTO change_services (service, revision) VALUES (?, ?)");
        run(connection, query.bind(service.to_string()).bind(revision)).await?;
    }
    let oldest = number(past.revision.0.saturating_sub(CHANGES_KEPT))?;
    run(
        connection,
        sqlx::query("DELETE FROM changes WHERE revision <= ?").bind(oldest),
    )
    .await
}

async fn write_records(
    connection: &mut SqliteConnection,
    commit: &Commit,
) -> Result<(), StoreError> {
    let records = &commit.records;
    put_all(connection, RecordKind::Incident, &records.incidents).await?;
    put_all(connection, RecordKind::Proposal, &records.proposals).await?;
    put_all(connection, RecordKind::Approval, &records.approvals).await?;
    put_all(connection, RecordKind::Token, &records.tokens).await?;
    for (kind, id) in &commit.removed {
        let query = match kind {
            RecordKind::Incident => "DELETE FROM incidents WHERE id = ?",
            RecordKind::Proposal => "DELETE FROM proposals WHERE id = ?",
            RecordKind::Approval => "DELETE FROM approvals WHERE id = ?",
            RecordKind::Token => "DELETE FROM tokens WHERE id = ?",
        };
        run(connection, sqlx::query(query).bind(id.clone())).await?;
        if *kind == RecordKind::Incident {
            let query = sqlx::query("DELETE FROM captures WHERE incident = ?");
            run(connection, query.bind(id.clone())).await?;
        }
    }
    Ok(())
}

async fn put_all<K: Display, V: Serialize>(
    connection: &mut SqliteConnection,
    kind: RecordKind,
    records: &BTreeMap<K, V>,
) -> Result<(), StoreError> {
    let (what, query) = match kind {
        RecordKind::Incident => (
            "incident",
            "INSERT OR REPLACE INTO incidents (id, body) VALUES (?, ?)",
        ),
        RecordKind::Proposal => (
            "proposal",
            "INSERT OR REPLACE INTO proposals (id, body) VALUES (?, ?)",
        ),
        RecordKind::Approval => (
            "approval",
            "INSERT OR REPLACE INTO approvals (id, body) VALUES (?, ?)",
        ),
        RecordKind::Token => (
            "token",
            "INSERT OR REPLACE INTO tokens (id, body) VALUES (?, ?)",
        ),
    };
    for (id, record) in records {
        run(
            connection,
            sqlx::query(query)
                .bind(id.to_string())
                .bind(json(what, record)?),
        )
        .await?;
    }
    Ok(())
}

async fn write_leaves(
    connection: &mut SqliteConnection,
    commit: &Commit,
) -> Result<(), StoreError> {
    let mut position = commit.leaf_index;
    for leaf in &commit.leaves {
        let query = sqlx::query("INSERT INTO audit_leaves (position, hash, body) VALUES (?, ?, ?)")
            .bind(number(position)?)
            .bind(leaf.hash.to_vec())
            .bind(leaf.bytes.clone());
        run(connection, query).await?;
        position += 1;
    }
    set_head(connection, "leaves", position).await?;
    if let Some(note) = &commit.checkpoint {
        let query = sqlx::query("INSERT OR REPLACE INTO checkpoints (size, note) VALUES (?, ?)");
        run(connection, query.bind(number(position)?).bind(note.clone())).await?;
        let oldest = number(position.saturating_sub(CHECKPOINTS_KEPT))?;
        run(
            connection,
            sqlx::query("DELETE FROM checkpoints WHERE size < ?").bind(oldest),
        )
        .await?;
    }
    if let Some(of) = &commit.handover {
        let query = "INSERT INTO audit_handovers (size, note, public_key) VALUES (?, ?, ?)";
        let query = sqlx::query(query).bind(number(position)?);
        let query = query.bind(of.handover.clone()).bind(of.public_key.clone());
        run(connection, query).await?;
    }
    Ok(())
}

/// Retention: leaves before the cut go, and the bodies of some after it.
async fn take_away(connection: &mut SqliteConnection, taken: &Taken) -> Result<(), StoreError> {
    let after = &taken.after;
    let cut = number(after.cut)?;
    run(
        connection,
        sqlx::query("DELETE FROM audit_leaves WHERE position < ?").bind(cut),
    )
    .await?;
    for position in &taken.bodies {
        let query = sqlx::query("UPDATE audit_leaves SET body = x'' WHERE position = ?");
        run(connection, query.bind(number(*position)?)).await?;
    }
    let query =
        sqlx::query("UPDATE audit_retention SET cut = ?, peaks = ?, reads_to = ? WHERE one = 1")
            .bind(cut)
            .bind(after.peaks.concat())
            .bind(number(after.reads_to)?);
    run(connection, query).await
}
