//! What people rule, row by row.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use ostler_core::law::Law;
use ostler_gate::ports::StoreError;
use serde::Serialize;
use sqlx::SqliteConnection;

use crate::{
    read::{json, name, pairs},
    write::{differences, json as text, run},
};

const FREEZES: &str = "SELECT name, body FROM law WHERE kind = 'freeze'";
const GLASS: &str = "SELECT name, body FROM law WHERE kind = 'glass'";
const POLICIES: &str = "SELECT name, body FROM law WHERE kind = 'policies'";

/// Everything that is kept of it.
pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Law, StoreError> {
    let mut law = Law::default();
    for (freeze, body) in pairs(connection, FREEZES).await? {
        law.freezes
            .insert(name("freeze", freeze)?, json("freeze", &body)?);
    }
    for (person, body) in pairs(connection, GLASS).await? {
        law.glass.insert(person, json("emergency", &body)?);
    }
    let mut policies = BTreeMap::new();
    for (file, body) in pairs(connection, POLICIES).await? {
        policies.insert(file, json("policies", &body)?);
    }
    law.policies = (!policies.is_empty()).then(|| Arc::new(policies));
    Ok(law)
}

/// Writes what differs.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    before: &Law,
    after: &Law,
) -> Result<(), StoreError> {
    put(connection, "freeze", &before.freezes, &after.freezes).await?;
    put(connection, "glass", &before.glass, &after.glass).await?;
    let none = Arc::default();
    let old = before.policies.as_ref().unwrap_or(&none);
    let new = after.policies.as_ref().unwrap_or(&none);
    if Arc::ptr_eq(old, new) {
        return Ok(());
    }
    put(connection, "policies", old, new).await
}

async fn put<K: Ord + Display, V: PartialEq + Serialize>(
    connection: &mut SqliteConnection,
    kind: &'static str,
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> Result<(), StoreError> {
    let (changed, gone) = differences(before, after);
    for (name, value) in changed {
        let query = sqlx::query("INSERT OR REPLACE INTO law (kind, name, body) VALUES (?, ?, ?)");
        let query = query.bind(kind).bind(name.to_string());
        run(connection, query.bind(text(kind, value)?)).await?;
    }
    for name in gone {
        let query = sqlx::query("DELETE FROM law WHERE kind = ? AND name = ?");
        run(connection, query.bind(kind).bind(name.to_string())).await?;
    }
    Ok(())
}
