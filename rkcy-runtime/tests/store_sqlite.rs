//! What is SQLite's own of a store: files that are something else, damaged, full or not to be written.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_core::fault::Class;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::StoredPosition;
use rkcy_runtime::store::sqlite::SqliteStore;
use rkcy_runtime::store::{Dialect, MigrationState, Store, StoreError};
use std::path::Path;
use support::tables::{PARTITION, at, batch, migrations, player, row, tables};

async fn open(file: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(file, tables()).await
}

/// A migrated store in a directory that lives as long as the first value.
async fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("test.db")).await.unwrap();
    store.migrate_up(migrations(Dialect::Sqlite)).await.unwrap();
    (dir, store)
}

#[tokio::test]
async fn rows_are_there_after_reopening() {
    let (dir, store) = fresh().await;
    let rows = vec![(player(1), row("ann", 5, 1))];
    store
        .write(
            PARTITION,
            batch(StoredPosition::default(), at(1), rows.clone()),
        )
        .await
        .unwrap();
    store.close().await;
    let store = open(&dir.path().join("test.db")).await.unwrap();
    let loaded = store.load(PARTITION, vec![player(1)]).await.unwrap();
    assert_eq!((loaded.position, loaded.rows), (at(1).position, rows));
}

#[tokio::test]
async fn a_database_without_its_schema_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("test.db")).await.unwrap();
    let status = store
        .migrate_status(migrations(Dialect::Sqlite))
        .await
        .unwrap();
    assert!(
        status
            .iter()
            .all(|migration| migration.state == MigrationState::Pending)
    );
    assert_eq!(
        store
            .migrate_down(migrations(Dialect::Sqlite), 0)
            .await
            .unwrap(),
        [0_u32; 0]
    );
    let error = store.position(PARTITION).await.unwrap_err();
    assert_eq!(error.code(), "store_schema");
    assert!(error.remedy().contains("migrate up"));
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("letter.txt");
    std::fs::write(&file, "Dear Sir or Madam, ".repeat(100)).unwrap();
    let error = open(&file).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_foreign", 2)
    );
    assert!(error.to_string().contains("letter.txt"), "{error}");
    let error = open(dir.path()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_unavailable", 3)
    );

    let file = dir.path().join("other.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new()
        .filename(&file)
        .create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("CREATE TABLE photos (a)")
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
    let before = std::fs::read(&file).unwrap();
    let error = open(&file).await.unwrap_err();
    assert!(error.to_string().contains("photos"), "{error}");
    assert_eq!(
        std::fs::read(&file).unwrap(),
        before,
        "it is left as it was"
    );
}

#[tokio::test]
async fn a_damaged_file_is_an_error() {
    let (dir, store) = fresh().await;
    let rows = (0..2000)
        .map(|number| (player(number), row("x", 1, 1)))
        .collect();
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), rows))
        .await
        .unwrap();
    store.close().await;
    let file = dir.path().join("test.db");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[4096..].fill(0xaa);
    std::fs::write(&file, bytes).unwrap();
    let error = match open(&file).await {
        Err(error) => error,
        Ok(store) => store
            .load(PARTITION, (0..2000).map(player).collect())
            .await
            .unwrap_err(),
    };
    assert_eq!(
        (error.code(), error.class()),
        ("store_damaged", Class::Corrupt)
    );
}

#[tokio::test]
async fn a_full_disk_loses_nothing_written() {
    let (_dir, store) = fresh().await;
    store
        .write(
            PARTITION,
            batch(
                StoredPosition::default(),
                at(1),
                vec![(player(0), row("x", 1, 1))],
            ),
        )
        .await
        .unwrap();
    store.limit_pages(40).await.unwrap();
    let name = "x".repeat(1000);
    let rows: Vec<_> = (0..2000)
        .map(|number| (player(number), row(&name, 1, 2)))
        .collect();
    let error = store
        .write(PARTITION, batch(at(1), at(2), rows.clone()))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_disk_full", 3)
    );
    let loaded = store
        .load(PARTITION, vec![player(0), player(1)])
        .await
        .unwrap();
    assert_eq!(loaded.position, at(1).position);
    assert_eq!(
        (&loaded.rows[0].1, &loaded.rows[1].1),
        (&row("x", 1, 1), &StoredRow::ABSENT)
    );
    store.limit_pages(1_000_000).await.unwrap();
    store
        .write(PARTITION, batch(at(1), at(2), rows))
        .await
        .unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(2));
}

#[tokio::test]
async fn a_transaction_that_sqlite_rolled_back_by_itself_does_not_stop_the_next() {
    let (dir, store) = fresh().await;
    // As a full disk does in the middle of a commit.
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(dir.path().join("test.db"));
    let other = sqlx::SqlitePool::connect_with(options).await.unwrap();
    let trigger = r#"CREATE TRIGGER broken BEFORE INSERT ON "player"
        BEGIN SELECT RAISE(ROLLBACK, 'rolled back'); END"#;
    sqlx::query(trigger).execute(&other).await.unwrap();
    let rows = vec![(player(0), row("x", 1, 1))];
    let batch = batch(StoredPosition::default(), at(1), rows);
    store.write(PARTITION, batch.clone()).await.unwrap_err();
    sqlx::query("DROP TRIGGER broken")
        .execute(&other)
        .await
        .unwrap();
    store.write(PARTITION, batch).await.unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(1));
}
