//! Durable state on SQLite: intent, records, history, audit log. One file, write-ahead log, every
//! commit on disk before it is acknowledged. Only the gate writes; it decides nothing here.

mod error;
mod law;
mod migrations;
mod read;
mod schema;
mod write;

use std::{os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use async_trait::async_trait;
use ostler_core::id::{IncidentId, Revision, ServiceKey};
use ostler_gate::ports::{Commit, Kept, PastChange, Store, StoreError, StoredLeaf};
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::Mutex;

use error::failed;
pub use schema::{Schema, copy};

/// How many past changes are kept.
pub const CHANGES_KEPT: u64 = 10_000;

/// State in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
    /// One writer at a time waits here, not in SQLite's busy loop.
    writer: Mutex<()>,
}

impl SqliteStore {
    /// Opens the file, makes it where there is none, and brings its schema up to this version.
    ///
    /// # Errors
    /// When the file cannot be opened, is not a store, is damaged, or comes from a newer version whose
    /// steps this one does not understand. Before the first step an older file is copied beside itself.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        make_private(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            .pragma("journal_size_limit", "67108864");
        let pool = SqlitePoolOptions::new()
            .max_connections(3)
            .min_connections(1)
            .connect_with(options)
            .await
            .map_err(|error| failed("open", error))?;
        let store = Self {
            pool,
            writer: Mutex::new(()),
        };
        schema::prepare(&store.pool, path).await?;
        migrations::migrator()
            .run(&store.pool)
            .await
            .map_err(|error| StoreError::Failed {
                operation: "bring up to date",
                source: Box::new(error),
            })?;
        Ok(store)
    }

    /// Closes the file after what is under way.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Secrets are sealed, but what runs where is nobody else's business.
fn make_private(path: &Path) -> Result<(), StoreError> {
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    made.map(drop).map_err(|error| StoreError::Failed {
        operation: "open",
        source: Box::new(error),
    })
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self) -> Result<Kept, StoreError> {
        read::load(&self.pool).await
    }

    async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let _turn = self.writer.lock().await;
        write::commit(&self.pool, commit).await
    }

    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredLeaf>, StoreError> {
        read::leaves(&self.pool, from, limit).await
    }

    async fn log_bytes(&self) -> Result<u64, StoreError> {
        read::log_bytes(&self.pool).await
    }

    async fn changes(
        &self,
        service: Option<&ServiceKey>,
        limit: u32,
    ) -> Result<Vec<PastChange>, StoreError> {
        read::changes(&self.pool, service, limit).await
    }

    async fn capture(&self, incident: &IncidentId) -> Result<Option<String>, StoreError> {
        read::capture(&self.pool, incident).await
    }

    async fn keep_capture(&self, incident: &IncidentId, body: &str) -> Result<(), StoreError> {
        let _turn = self.writer.lock().await;
        write::keep_capture(&self.pool, incident, body).await
    }

    async fn change(&self, revision: Revision) -> Result<Option<PastChange>, StoreError> {
        read::change(&self.pool, revision).await
    }
}
