//! Whose file this is: older ones are copied and brought up to this version, one that is a step newer is
//! used where that step allows it, and all others are refused.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use ostler_gate::ports::StoreError;
use sqlx::{
    ConnectOptions as _, Connection as _, SqliteConnection, SqlitePool,
    sqlite::SqliteConnectOptions,
};

use crate::{
    error::{failed, unsigned},
    migrations::KNOWN,
};

/// Steps that a file may be ahead of a program.
const AHEAD: u64 = 1;
/// Copies of earlier schemas that are kept.
const COPIES: usize = 3;

/// What a file says of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The last step that was made; 0 in a new file.
    pub found: u64,
    /// The oldest schema whose programs may use it.
    pub oldest: u64,
    /// The schema of this program.
    pub known: u64,
}

impl Schema {
    /// What a file says that may be in use. A file that is not there is new.
    ///
    /// # Errors
    /// When it cannot be read or is not a store.
    pub async fn of(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            let known = unsigned(KNOWN)?;
            return Ok(Self {
                found: 0,
                oldest: known,
                known,
            });
        }
        let mut connection = look(path).await?;
        let schema = Self::read(&mut connection).await?;
        let closed = connection.close().await;
        closed.map_err(|error| failed("close", error))?;
        Ok(schema)
    }

    async fn read(connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let known = unsigned(KNOWN)?;
        let new = Self {
            found: 0,
            oldest: known,
            known,
        };
        let exists =
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
        let tables: i64 = one(connection, exists).await?.unwrap_or_default();
        if tables == 0 {
            return Ok(new);
        }
        let last = "SELECT max(version) FROM _sqlx_migrations WHERE success";
        let found: Option<i64> = one(connection, last).await?.flatten();
        let Some(found) = found else {
            return Ok(new);
        };
        let oldest = "SELECT value FROM meta WHERE key = 'oldest_reader'";
        // Files from before that was written down are understood by nobody older.
        let oldest: i64 = one(connection, oldest).await?.unwrap_or(found);
        Ok(Self {
            found: unsigned(found)?,
            oldest: unsigned(oldest)?,
            known,
        })
    }

    /// Whether this program may use the file.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when it is too old for it.
    pub fn check(self) -> Result<Self, StoreError> {
        let Self {
            found,
            oldest,
            known,
        } = self;
        let ahead = found.saturating_sub(known);
        if ahead == 0 || (ahead <= AHEAD && oldest <= known) {
            return Ok(self);
        }
        Err(StoreError::Newer {
            found,
            oldest,
            known,
        })
    }

    /// Steps that are to be made.
    #[must_use]
    pub fn steps(self) -> u64 {
        self.known.saturating_sub(self.found)
    }
}

/// Refuses what is too new; copies what is about to change.
pub(crate) async fn prepare(pool: &SqlitePool, path: &Path) -> Result<(), StoreError> {
    let mut connection = pool
        .acquire()
        .await
        .map_err(|error| failed("open", error))?;
    let schema = Schema::read(&mut connection).await?.check()?;
    if schema.found > schema.known {
        tracing::warn!(
            found = schema.found,
            known = schema.known,
            "the state was written by a newer version, whose step this one can live with"
        );
    }
    if schema.found == 0 || schema.steps() == 0 {
        return Ok(());
    }
    let place = copy_path(path, schema.found);
    write_copy(&mut connection, &place).await?;
    tracing::info!(copy = %place.display(), from = schema.found, to = schema.known, "the state is brought up to this version");
    forget_old(path)
}

/// Copies a store as it is at this moment, whoever uses it, into a new file.
///
/// # Errors
/// When it cannot be read, or the copy not be written.
pub async fn copy(path: &Path, to: &Path) -> Result<(), StoreError> {
    let mut connection = look(path).await?;
    write_copy(&mut connection, to).await?;
    let closed = connection.close().await;
    closed.map_err(|error| failed("close", error))
}

/// Where the copy from before a step lies.
#[must_use]
pub fn copy_path(path: &Path, schema: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{schema}"));
    name.into()
}

async fn look(path: &Path) -> Result<SqliteConnection, StoreError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let connection = options.connect().await;
    connection.map_err(|error| failed("open", error))
}

async fn one<T>(
    connection: &mut SqliteConnection,
    query: &'static str,
) -> Result<Option<T>, StoreError>
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    let found = sqlx::query_scalar(query).fetch_optional(connection).await;
    found.map_err(|error| failed("read the schema of", error))
}

/// Durable before it has its name.
async fn write_copy(connection: &mut SqliteConnection, to: &Path) -> Result<(), StoreError> {
    let mut draft = to.as_os_str().to_owned();
    draft.push(".draft");
    let draft = PathBuf::from(draft);
    remove(&draft).map_err(|error| disk(error, "copy"))?;
    let text = draft.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO ?")
        .bind(text)
        .execute(connection)
        .await;
    let finish = || {
        fs::set_permissions(&draft, Permissions::from_mode(0o600))?;
        File::open(&draft)?.sync_all()?;
        fs::rename(&draft, to)?;
        match to.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    let done = match copied {
        Ok(_) => finish().map_err(|error| disk(error, "copy")),
        Err(error) => Err(failed("copy", error)),
    };
    if done.is_err() {
        drop(remove(&draft));
    }
    done
}

/// Copies of long ago go; the newest stay.
fn forget_old(path: &Path) -> Result<(), StoreError> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let prefix = format!("{}.schema-", name.to_string_lossy());
    let mut copies: Vec<(u64, PathBuf)> = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| disk(error, "look beside"))? {
        let path = entry.map_err(|error| disk(error, "look beside"))?.path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let number = name.and_then(|name| name.strip_prefix(&prefix)?.parse().ok());
        copies.extend(number.map(|number| (number, path)));
    }
    copies.sort();
    let surplus = copies.len().saturating_sub(COPIES);
    for (_, path) in copies.into_iter().take(surplus) {
        remove(&path).map_err(|error| disk(error, "remove an old copy of"))?;
    }
    Ok(())
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn disk(error: std::io::Error, operation: &'static str) -> StoreError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::Failed {
        operation,
        source: Box::new(error),
    }
}
