//! Files of other versions: older ones are copied and brought up to date, one that is a step newer is
//! used where its step allows it, and nothing else is touched.
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::path::Path;

use ostler_gate::ports::{Store as _, StoreError};
use ostler_store::{Schema, SqliteStore, copy};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .connect()
        .await
        .unwrap()
}

async fn run(path: &Path, statements: &[String]) {
    let mut connection = raw(path).await;
    for statement in statements {
        let statement = sqlx::AssertSqlSafe(statement.clone());
        sqlx::query(statement)
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection.close().await.unwrap();
}

/// What a newer version's step leaves behind: a table of its own, and what it says of older readers.
fn step(number: u64, oldest: u64) -> [String; 3] {
    [
        format!("CREATE TABLE of_step_{number} (x INTEGER NOT NULL) STRICT"),
        format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES ({number}, 'newer', TRUE, x'00', 1)"
        ),
        format!("UPDATE meta SET value = {oldest} WHERE key = 'oldest_reader'"),
    ]
}

/// The oldest schema whose programs may use a file that the newest step has not come to.
const OLDEST_BEFORE: u64 = 5;

/// What takes back the newest step: to be written anew with each.
fn newest_undone(known: u64) -> [String; 3] {
    [
        "DROP TABLE audit_handovers".to_owned(),
        format!("UPDATE meta SET value = {OLDEST_BEFORE} WHERE key = 'oldest_reader'"),
        format!("DELETE FROM _sqlx_migrations WHERE version = {known}"),
    ]
}

async fn fresh(path: &Path) -> u64 {
    SqliteStore::open(path).await.unwrap().close().await;
    let schema = Schema::of(path).await.unwrap();
    assert_eq!(schema.found, schema.known);
    schema.known
}

#[tokio::test]
async fn a_file_one_step_newer_is_used_where_its_step_allows_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ostler.db");
    let known = fresh(&path).await;
    run(&path, &step(known + 1, known)).await;
    let schema = Schema::of(&path).await.unwrap();
    assert_eq!((schema.found, schema.oldest), (known + 1, known));
    let store = SqliteStore::open(&path).await.unwrap();
    store.load().await.unwrap();
    store.close().await;
    // What the newer version made is still there for it.
    let mut connection = raw(&path).await;
    let table = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM of_step_{}", known + 1));
    let rows: i64 = sqlx::query_scalar(table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(rows, 0);
    connection.close().await.unwrap();
    assert!(
        !dir.path()
            .join(format!("ostler.db.schema-{known}"))
            .exists()
    );
}

#[tokio::test]
async fn a_file_that_is_too_new_is_refused_by_numbers_and_not_touched() {
    for (ahead, allows) in [(1, 0), (2, 1)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ostler.db");
        let known = fresh(&path).await;
        let oldest = known + ahead - allows * ahead;
        for number in 1..=ahead {
            run(&path, &step(known + number, oldest)).await;
        }
        let before = std::fs::read(&path).unwrap();
        let error = SqliteStore::open(&path).await.unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
        let words = error.to_string();
        for part in [
            format!("it has schema {}", known + ahead),
            format!("this one has schema {known}"),
            "Start the newer version".to_owned(),
        ] {
            assert!(words.contains(&part), "{part}: {words}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn an_older_file_is_copied_as_it_was_before_its_first_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ostler.db");
    let known = fresh(&path).await;
    let back = known - 1;
    // As it was one version ago, with something in it that only reached the write-ahead log.
    run(&path, &newest_undone(known)).await;
    let undo = [
        "INSERT INTO tokens (id, body) VALUES ('mark', 'x')".to_owned(),
        "DELETE FROM tokens".to_owned(),
        "UPDATE meta SET value = 41 WHERE key = 'revision'".to_owned(),
    ];
    run(&path, &undo).await;
    assert_eq!(Schema::of(&path).await.unwrap().found, back);
    assert_eq!(Schema::of(&path).await.unwrap().steps(), 1);
    let store = SqliteStore::open(&path).await.unwrap();
    store.load().await.unwrap();
    store.close().await;
    assert_eq!(Schema::of(&path).await.unwrap().found, known);
    let kept = dir.path().join(format!("ostler.db.schema-{back}"));
    let schema = Schema::of(&kept).await.unwrap();
    assert_eq!((schema.found, schema.oldest), (back, OLDEST_BEFORE));
    let mode = std::os::unix::fs::PermissionsExt::mode(&kept.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut connection = raw(&kept).await;
    let revision = "SELECT value FROM meta WHERE key = 'revision'";
    let revision: i64 = sqlx::query_scalar(revision)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(revision, 41);
    connection.close().await.unwrap();
    // A second start makes no other.
    std::fs::remove_file(&kept).unwrap();
    SqliteStore::open(&path).await.unwrap().close().await;
    assert!(!kept.exists());
}

#[tokio::test]
async fn a_copy_can_be_taken_while_somebody_writes_and_only_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ostler.db");
    let known = fresh(&path).await;
    let store = SqliteStore::open(&path).await.unwrap();
    let to = dir.path().join("copy.db");
    copy(&path, &to).await.unwrap();
    copy(&path, &to).await.unwrap();
    store.close().await;
    SqliteStore::open(&to).await.unwrap().load().await.unwrap();
    for number in [1, 2, 3] {
        std::fs::write(dir.path().join(format!("ostler.db.schema-{number}")), "old").unwrap();
    }
    run(&path, &newest_undone(known)).await;
    SqliteStore::open(&path).await.unwrap().close().await;
    let there = |number: u64| {
        dir.path()
            .join(format!("ostler.db.schema-{number}"))
            .exists()
    };
    assert_eq!([1, 2, 3, known - 1].map(there), [false, true, true, true]);
}
