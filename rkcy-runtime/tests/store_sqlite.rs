//! What every store must do, run on SQLite, and what is SQLite's own: files that are something else,
//! damaged, full or not to be written.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{ConcernId, PartitionId, Position, Version};
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use rkcy_runtime::store::sqlite::SqliteStore;
use rkcy_runtime::store::{Migration, MigrationState, SqlValue, Store, StoreError, TableDesc};
use std::path::Path;
use std::sync::Arc;

const PARTITION: PartitionId = PartitionId {
    concern: ConcernId(1),
    index: 0,
};

/// A concern with one key column; a value is `name`, a zero byte, `gold` in eight bytes.
static PLAYER: TableDesc = TableDesc {
    concern: ConcernId(1),
    name: "player",
    key_columns: &["id"],
    value_columns: &["name", "gold", "ratio", "note", "flag"],
    key: |bytes| Ok(vec![SqlValue::Blob(bytes.to_vec())]),
    to_columns: |bytes| {
        let split = bytes
            .iter()
            .position(|byte| *byte == 0)
            .ok_or_else(unreadable)?;
        let gold = i64::from_be_bytes(bytes[split + 1..].try_into().map_err(|_| unreadable())?);
        let name = String::from_utf8(bytes[..split].to_vec()).map_err(|_| unreadable())?;
        Ok(vec![
            SqlValue::Text(name),
            SqlValue::I64(gold),
            SqlValue::F64(0.5),
            SqlValue::Null,
            SqlValue::Bool(gold > 10),
        ])
    },
    from_columns: |columns| match columns {
        [
            SqlValue::Blob(_),
            SqlValue::Text(name),
            SqlValue::I64(gold),
            SqlValue::F64(_),
            SqlValue::Null,
            SqlValue::I64(_),
        ] => Ok([name.as_bytes(), &[0], &gold.to_be_bytes()].concat()),
        _ => Err(unreadable()),
    },
};

/// A concern with a key of two columns and nothing else.
static MEMBER: TableDesc = TableDesc {
    concern: ConcernId(2),
    name: "member",
    key_columns: &["guild", "number"],
    value_columns: &[],
    key: |mut bytes| {
        let guild = String::decode_key(&mut bytes).ok_or_else(unreadable)?;
        let number = u32::decode_key(&mut bytes).ok_or_else(unreadable)?;
        Ok(vec![
            SqlValue::Text(guild),
            SqlValue::I64(i64::from(number)),
        ])
    },
    to_columns: |_| Ok(vec![]),
    from_columns: |_| Ok(b"member".to_vec()),
};

fn unreadable() -> Fault {
    Fault::new(Class::Corrupt, "unreadable", "")
}

static MIGRATIONS: [Migration; 2] = [
    Migration {
        number: 1,
        name: "init",
        up: r#"CREATE TABLE "player" (
            "id" BLOB NOT NULL, "name" TEXT NOT NULL, "gold" INTEGER NOT NULL CHECK ("gold" >= 0),
            "ratio" REAL, "note" TEXT, "flag" INTEGER NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL, PRIMARY KEY ("id")) STRICT, WITHOUT ROWID;"#,
        down: r#"DROP TABLE "player";"#,
    },
    Migration {
        number: 2,
        name: "members",
        up: r#"CREATE TABLE "member" (
            "guild" TEXT NOT NULL, "number" INTEGER NOT NULL,
            "_rkcy_generation" INTEGER NOT NULL, "_rkcy_offset" INTEGER NOT NULL,
            "_rkcy_index" INTEGER NOT NULL,
            PRIMARY KEY ("guild", "number")) STRICT, WITHOUT ROWID;
            CREATE INDEX "member_number" ON "member" ("number");"#,
        down: r#"DROP INDEX "member_number"; DROP TABLE "member";"#,
    },
];

fn player(number: u32) -> RowKey {
    RowKey {
        concern: PLAYER.concern,
        key: Key::of(&number),
    }
}

fn member(guild: &str, number: u32) -> RowKey {
    let mut key = Key::of(&guild.to_owned());
    key.push(&number);
    RowKey {
        concern: MEMBER.concern,
        key,
    }
}

fn row(name: &str, gold: i64, offset: u64) -> StoredRow {
    let value = [name.as_bytes(), &[0], &gold.to_be_bytes()].concat();
    let version = Version {
        generation: 3,
        position: Position::new(offset, 7),
    };
    StoredRow {
        value: Some(value.into()),
        version,
    }
}

fn gone(offset: u64) -> StoredRow {
    StoredRow {
        value: None,
        ..row("", 0, offset)
    }
}

fn at(offset: u64) -> StoredPosition {
    StoredPosition {
        position: Position::new(offset, 2),
        changelog: offset + 10,
        snapshot: (offset > 5).then_some(offset + 1),
    }
}

fn batch(
    expected: StoredPosition,
    new: StoredPosition,
    rows: Vec<(RowKey, StoredRow)>,
) -> Arc<Batch> {
    Arc::new(Batch {
        expected,
        new,
        rows: rows.into_iter().collect(),
    })
}

async fn open(file: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(file, [&PLAYER, &MEMBER]).await
}

/// A migrated store in a directory that lives as long as the first value.
async fn fresh() -> (tempfile::TempDir, SqliteStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("test.db")).await.unwrap();
    store.migrate_up(&MIGRATIONS).await.unwrap();
    (dir, store)
}

// ---- what every store must do

async fn rows_and_position_are_written_and_read_together(store: &dyn Store) {
    assert_eq!(
        store.position(PARTITION).await.unwrap(),
        StoredPosition::default()
    );
    let rows = vec![
        (player(1), row("ann", 5, 1)),
        (player(2), row("bob", 50, 2)),
        (
            member("blue", 1),
            StoredRow {
                value: Some(Bytes::from_static(b"member")),
                ..row("", 0, 2)
            },
        ),
    ];
    store
        .write(
            PARTITION,
            batch(StoredPosition::default(), at(2), rows.clone()),
        )
        .await
        .unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(2));
    let keys = vec![
        player(2),
        member("blue", 2),
        player(3),
        member("blue", 1),
        player(1),
        player(2),
    ];
    let loaded = store.load(PARTITION, keys.clone()).await.unwrap();
    assert_eq!(loaded.position, at(2).position);
    let expected = [
        &rows[1].1,
        &StoredRow::ABSENT,
        &StoredRow::ABSENT,
        &rows[2].1,
        &rows[0].1,
        &rows[1].1,
    ];
    assert!(loaded.rows.iter().map(|(key, _)| key).eq(&keys));
    assert!(loaded.rows.iter().map(|(_, row)| row).eq(expected));
    let other = PartitionId {
        index: 1,
        ..PARTITION
    };
    assert_eq!(
        store.position(other).await.unwrap(),
        StoredPosition::default()
    );
    assert_eq!(
        store.load(other, vec![]).await.unwrap().position,
        Position::START
    );
}

async fn rows_are_replaced_and_deleted(store: &dyn Store) {
    let first = (0..700)
        .map(|number| (player(number), row("x", 1, 1)))
        .collect();
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), first))
        .await
        .unwrap();
    let second = (0..700)
        .map(|number| match number % 3 {
            0 => (player(number), gone(6)),
            _ => (player(number), row("y", i64::from(number), 6)),
        })
        .chain([(member("never there", 1), gone(6))])
        .collect();
    store
        .write(PARTITION, batch(at(1), at(6), second))
        .await
        .unwrap();
    let loaded = store
        .load(PARTITION, (0..710).map(player).collect())
        .await
        .unwrap();
    for (number, (_, found)) in (0_u32..).zip(loaded.rows) {
        let expected = match number {
            700.. => StoredRow::ABSENT,
            _ if number % 3 == 0 => StoredRow::ABSENT,
            _ => row("y", i64::from(number), 6),
        };
        assert_eq!(found, expected, "player {number}");
    }
    assert_eq!(store.position(PARTITION).await.unwrap(), at(6));
}

async fn a_second_writer_is_found_out(store: &dyn Store) {
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), vec![]))
        .await
        .unwrap();
    for wrong in [
        StoredPosition::default(),
        at(0),
        StoredPosition {
            changelog: 1,
            ..at(1)
        },
    ] {
        let write = batch(wrong, at(2), vec![(player(1), row("late", 1, 2))]);
        match store.write(PARTITION, write).await {
            Err(StoreError::Conflict {
                partition,
                expected,
                found,
                ..
            }) => {
                assert_eq!((partition, expected, found), (PARTITION, wrong, at(1)));
            }
            other => panic!("{other:?}"),
        }
    }
    let loaded = store.load(PARTITION, vec![player(1)]).await.unwrap();
    assert_eq!(loaded.position, at(1).position);
    assert_eq!(
        loaded.rows[0].1,
        StoredRow::ABSENT,
        "nothing of a refused batch is there"
    );
}

async fn a_batch_that_fails_leaves_nothing(store: &dyn Store) {
    let rows = vec![
        (player(1), row("fine", 1, 1)),
        (player(2), row("in debt", -1, 1)),
    ];
    let error = store
        .write(PARTITION, batch(StoredPosition::default(), at(1), rows))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "store_constraint");
    let bad = StoredRow {
        value: Some(Bytes::from_static(b"no zero")),
        ..row("", 0, 1)
    };
    let rows = vec![(player(1), row("fine", 1, 1)), (player(2), bad)];
    let error = store
        .write(PARTITION, batch(StoredPosition::default(), at(1), rows))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.class()),
        ("store_unreadable_row", Class::Corrupt)
    );
    let loaded = store.load(PARTITION, vec![player(1)]).await.unwrap();
    assert_eq!(
        (loaded.position, &loaded.rows[0].1),
        (Position::START, &StoredRow::ABSENT)
    );
    let unknown = RowKey {
        concern: ConcernId(9),
        ..player(1)
    };
    let error = store.load(PARTITION, vec![unknown]).await.unwrap_err();
    assert_eq!(error.code(), "store_no_table");
}

async fn migrations_go_up_and_down(store: &dyn Store) {
    let states = async || -> Vec<MigrationState> {
        let status = store.migrate_status(&MIGRATIONS).await.unwrap();
        status.iter().map(|migration| migration.state).collect()
    };
    use MigrationState::{Applied, Edited, Pending, Unknown};
    assert_eq!(states().await, [Applied, Applied]);
    assert_eq!(store.migrate_up(&MIGRATIONS).await.unwrap(), [0_u32; 0]);
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), vec![]))
        .await
        .unwrap();
    assert_eq!(store.migrate_down(&MIGRATIONS, 1).await.unwrap(), [2]);
    assert_eq!(states().await, [Applied, Pending]);
    assert_eq!(store.position(PARTITION).await.unwrap(), at(1));
    assert_eq!(store.migrate_down(&MIGRATIONS, 0).await.unwrap(), [1]);
    assert_eq!(
        store.migrate_down(&MIGRATIONS, 0).await.unwrap(),
        [0_u32; 0]
    );
    assert_eq!(states().await, [Pending, Pending]);
    assert_eq!(store.migrate_up(&MIGRATIONS).await.unwrap(), [1, 2]);
    let restarted = store.position(PARTITION).await.unwrap();
    assert_eq!(
        restarted,
        StoredPosition::default(),
        "the rows are gone, so is the position"
    );

    static EDITED: [Migration; 1] = [Migration {
        number: 1,
        name: "init",
        up: "SELECT 1",
        down: "SELECT 1",
    }];
    let status = store.migrate_status(&EDITED).await.unwrap();
    assert_eq!(
        status.iter().map(|it| it.state).collect::<Vec<_>>(),
        [Edited, Unknown]
    );
    assert_eq!(status[1].name, "members");
    let error = store.migrate_up(&EDITED).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_edited_migration", 3)
    );
    let error = store.migrate_down(&MIGRATIONS[..1], 0).await.unwrap_err();
    assert_eq!(error.code(), "store_unknown_migration");
}

async fn a_migration_that_fails_leaves_nothing(store: &dyn Store) {
    static WITH_ERROR: [Migration; 3] = [
        Migration {
            ..copy(&MIGRATIONS[0])
        },
        Migration {
            ..copy(&MIGRATIONS[1])
        },
        Migration {
            number: 3,
            name: "broken",
            up: r#"CREATE TABLE "half" ("a" INTEGER); CREATE TABLE "player" ("a" INTEGER);"#,
            down: "",
        },
    ];
    for _ in 0..2 {
        match store.migrate_up(&WITH_ERROR).await {
            Err(StoreError::Migration {
                number: 3,
                name: "broken",
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store.migrate_status(&WITH_ERROR).await.unwrap()[2].state,
        MigrationState::Pending
    );
}

const fn copy(of: &Migration) -> Migration {
    Migration {
        number: of.number,
        name: of.name,
        up: of.up,
        down: of.down,
    }
}

macro_rules! conformance {
    ($fresh:ident; $($test:ident)*) => {
        mod every_store { $(
            #[tokio::test]
            async fn $test() {
                let (_dir, store) = super::$fresh().await;
                super::$test(&store).await;
            }
        )* }
    };
}
conformance!(fresh;
    rows_and_position_are_written_and_read_together
    rows_are_replaced_and_deleted
    a_second_writer_is_found_out
    a_batch_that_fails_leaves_nothing
    migrations_go_up_and_down
    a_migration_that_fails_leaves_nothing
);

// ---- SQLite's own

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

/// Readers beside a writer: what they see is of the position that comes with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_of_the_position_that_comes_with_them() {
    let (_dir, store) = fresh().await;
    let store = std::sync::Arc::new(store);
    let writer = std::sync::Arc::clone(&store);
    let writing = tokio::spawn(async move {
        let mut expected = StoredPosition::default();
        for offset in 1..=200 {
            let rows = (0..3).map(|number| {
                (
                    player(number),
                    row("x", i64::try_from(offset).unwrap(), offset),
                )
            });
            writer
                .write(PARTITION, batch(expected, at(offset), rows.collect()))
                .await
                .unwrap();
            expected = at(offset);
        }
    });
    let mut last = Position::START;
    while last != at(200).position {
        let loaded = store
            .load(PARTITION, (0..3).map(player).collect())
            .await
            .unwrap();
        assert!(loaded.position >= last);
        last = loaded.position;
        for (_, found) in loaded.rows {
            assert_eq!(found.version.position.offset(), last.offset());
        }
    }
    writing.await.unwrap();
}

#[tokio::test]
async fn a_database_without_its_schema_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("test.db")).await.unwrap();
    let status = store.migrate_status(&MIGRATIONS).await.unwrap();
    assert!(
        status
            .iter()
            .all(|migration| migration.state == MigrationState::Pending)
    );
    assert_eq!(
        store.migrate_down(&MIGRATIONS, 0).await.unwrap(),
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
