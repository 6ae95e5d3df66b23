//! What every store must do, run on each: SQLite, and PostgreSQL on a real server.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use rkcy_core::fault::Class;
use rkcy_core::id::{ConcernId, PartitionId, Position, Version};
use rkcy_core::key::RowKey;
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::StoredPosition;
use rkcy_runtime::store::{
    self, Dialect, Migration, MigrationState, Store, StoreChoice, StoreError, begin,
};
use std::sync::Arc;
use support::postgres::Database;
use support::tables::{
    PARTITION, at, batch, cases, crew, crew_row, everything, gone, member, migrations, player, row,
    tables,
};

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

async fn lists_have_rows_of_their_own(store: &dyn Store) {
    let text = |number: u32| -> String {
        let letters = "abcdefghij".chars().take((number % 11) as usize);
        letters
            .chain("0123456789".chars().rev().take((number % 7) as usize))
            .collect()
    };
    let first = (0..600).map(|number| (crew(number), crew_row(&text(number), 1)));
    let first = first.chain([(player(1), row("x", 1, 1))]).collect();
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), first))
        .await
        .unwrap();
    let after = |number: u32| match number % 4 {
        0 => gone(6),
        1 => crew_row("", 6),
        2 => crew_row(&text(number + 5), 6),
        _ => crew_row(&text(number), 1),
    };
    let changed = (0..600).filter(|number| number % 4 < 3);
    let changed = changed
        .map(|number| (crew(number), after(number)))
        .collect();
    store
        .write(PARTITION, batch(at(1), at(6), changed))
        .await
        .unwrap();
    let check = async |keys: Vec<RowKey>, rows: Vec<StoredRow>| {
        let loaded = store.load(PARTITION, keys.clone()).await.unwrap();
        let expected: Vec<(RowKey, StoredRow)> = keys.into_iter().zip(rows).collect();
        assert_eq!(loaded.rows, expected);
    };
    let rows = (0..600).map(|number| match number % 4 {
        0 => StoredRow::ABSENT,
        _ => after(number),
    });
    let more = [StoredRow::ABSENT, row("x", 1, 1)];
    let keys = (0..601).map(crew).chain([player(1)]);
    check(keys.collect(), rows.chain(more).collect()).await;
    // What is made again begins without the elements of the one before.
    let again = vec![(crew(4), crew_row("z9", 7))];
    store
        .write(PARTITION, batch(at(6), at(7), again.clone()))
        .await
        .unwrap();
    check(vec![crew(4)], vec![again[0].1.clone()]).await;
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
    let all = migrations(store.dialect());
    let states = async || -> Vec<MigrationState> {
        let status = store.migrate_status(all).await.unwrap();
        status.iter().map(|migration| migration.state).collect()
    };
    use MigrationState::{Applied, Edited, Pending, Unknown};
    assert_eq!(states().await, [Applied; 3]);
    assert_eq!(store.migrate_up(all).await.unwrap(), [0_u32; 0]);
    store
        .write(PARTITION, batch(StoredPosition::default(), at(1), vec![]))
        .await
        .unwrap();
    assert_eq!(store.migrate_down(all, 1).await.unwrap(), [3, 2]);
    assert_eq!(states().await, [Applied, Pending, Pending]);
    assert_eq!(store.position(PARTITION).await.unwrap(), at(1));
    assert_eq!(store.migrate_down(all, 0).await.unwrap(), [1]);
    assert_eq!(store.migrate_down(all, 0).await.unwrap(), [0_u32; 0]);
    assert_eq!(states().await, [Pending; 3]);
    assert_eq!(store.migrate_up(all).await.unwrap(), [1, 2, 3]);
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
        [Edited, Unknown, Unknown]
    );
    assert_eq!(status[1].name, "members");
    let error = store.migrate_up(&EDITED).await.unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_edited_migration", 3)
    );
    let error = store.migrate_down(&all[..1], 0).await.unwrap_err();
    assert_eq!(error.code(), "store_unknown_migration");
}

async fn a_migration_that_fails_leaves_nothing(store: &dyn Store) {
    let broken = Migration {
        number: 4,
        name: "broken",
        up: r#"CREATE TABLE "half" ("a" INTEGER); CREATE TABLE "player" ("a" INTEGER);"#,
        down: "",
    };
    let fine = migrations(store.dialect()).iter().map(copy);
    let with_error: &'static [Migration] = fine.chain([broken]).collect::<Vec<_>>().leak();
    for _ in 0..2 {
        match store.migrate_up(with_error).await {
            Err(StoreError::Migration {
                number: 4,
                name: "broken",
                ..
            }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store.migrate_status(with_error).await.unwrap()[3].state,
        MigrationState::Pending
    );
}

fn copy(of: &Migration) -> Migration {
    Migration {
        number: of.number,
        name: of.name,
        up: of.up,
        down: of.down,
    }
}

/// Each with values at the ends of its type.
async fn every_type_comes_back_as_it_went(store: &dyn Store) {
    let cases = cases();
    let keys = [0, 1, 10_000, u64::MAX - 1, u64::MAX];
    let row = |place: usize| StoredRow {
        value: Some(Bytes::from(vec![u8::try_from(place).unwrap()])),
        version: Version {
            generation: u32::MAX,
            position: Position::from_raw(u64::MAX, u32::MAX),
        },
    };
    let rows: Vec<_> = (0..cases.len())
        .map(|place| {
            (
                everything(keys.get(place).copied().unwrap_or(place as u64)),
                row(place),
            )
        })
        .collect();
    let new = StoredPosition {
        position: Position::from_raw(u64::MAX, u32::MAX),
        changelog: u64::MAX,
        snapshot: Some(u64::MAX),
    };
    store
        .write(
            PARTITION,
            batch(StoredPosition::default(), new, rows.clone()),
        )
        .await
        .unwrap();
    let keys = rows.iter().map(|(key, _)| key.clone()).collect();
    let loaded = store.load(PARTITION, keys).await.unwrap();
    assert_eq!(loaded.position, new.position);
    assert_eq!(loaded.rows, rows);
    assert_eq!(store.position(PARTITION).await.unwrap(), new);
}

/// As many as storage writes at once, twice, then away.
async fn a_large_batch_is_one(store: &dyn Store) {
    let count = 20_000;
    let all = |make: &dyn Fn(u32) -> StoredRow| -> Vec<_> {
        (0..count)
            .map(|number| (player(number), make(number)))
            .collect()
    };
    let steps: [&dyn Fn(u32) -> StoredRow; 3] = [
        &|number| row("first", i64::from(number), 1),
        &|number| row("second", i64::from(number), 2),
        &|_| gone(3),
    ];
    let mut expected = StoredPosition::default();
    for (step, make) in (1..).zip(steps) {
        let write = batch(expected, at(step), all(make));
        store.write(PARTITION, write).await.unwrap();
        expected = at(step);
        let loaded = store
            .load(PARTITION, (0..count).map(player).collect())
            .await
            .unwrap();
        for (number, (_, found)) in (0..).zip(loaded.rows) {
            let wanted = Some(make(number)).filter(|row| row.value.is_some());
            assert_eq!(found, wanted.unwrap_or(StoredRow::ABSENT));
        }
    }
}

/// Several tables in one batch and one read, as of an entity group.
async fn rows_of_several_tables_are_of_one_snapshot(store: &dyn Store) {
    let rows = vec![
        (player(1), row("ann", 5, 1)),
        (
            member("blue", 1),
            StoredRow {
                value: Some(Bytes::from_static(b"member")),
                ..row("", 0, 1)
            },
        ),
        (
            everything(1),
            StoredRow {
                value: Some(Bytes::from_static(&[2])),
                ..row("", 0, 1)
            },
        ),
    ];
    let write = batch(StoredPosition::default(), at(1), rows.clone());
    store.write(PARTITION, write).await.unwrap();
    let keys = rows.iter().map(|(key, _)| key.clone()).collect();
    let loaded = store.load(PARTITION, keys).await.unwrap();
    assert_eq!((loaded.position, loaded.rows), (at(1).position, rows));
}

/// Readers beside a writer: what they see is of the position that comes with it.
async fn rows_are_of_the_position_that_comes_with_them(store: Arc<dyn Store>) {
    let writer = Arc::clone(&store);
    let writing = tokio::spawn(async move {
        let mut expected = StoredPosition::default();
        for offset in 1..=200 {
            let gold = i64::try_from(offset).unwrap();
            let players = (0..3).map(|number| (player(number), row("x", gold, offset)));
            let members = (0..3).map(|number| {
                let value = Some(Bytes::from_static(b"member"));
                (
                    member("blue", number),
                    StoredRow {
                        value,
                        ..row("", 0, offset)
                    },
                )
            });
            let rows = players.chain(members).collect();
            writer
                .write(PARTITION, batch(expected, at(offset), rows))
                .await
                .unwrap();
            expected = at(offset);
        }
    });
    let mut last = Position::START;
    let (mut one_table, both) = (true, |number| [player(number), member("blue", number)]);
    while last != at(200).position {
        one_table = !one_table;
        let keys = match one_table {
            true => (0..3).map(player).collect(),
            false => (0..3).flat_map(both).collect(),
        };
        let loaded = store.load(PARTITION, keys).await.unwrap();
        assert!(loaded.position >= last);
        last = loaded.position;
        for (_, found) in loaded.rows {
            assert_eq!(found.version.position.offset(), last.offset());
        }
    }
    writing.await.unwrap();
}

/// Two that both believe to own a partition: of each two batches one is written, whole.
async fn of_two_writers_one_is_stopped(store: Arc<dyn Store>) {
    let mut expected = StoredPosition::default();
    for offset in 1..=20 {
        let write = |name: &'static str, changelog| {
            let new = StoredPosition {
                changelog,
                ..at(offset)
            };
            let rows = (0..50)
                .map(|number| (player(number), row(name, 1, offset)))
                .collect();
            let (store, write) = (Arc::clone(&store), batch(expected, new, rows));
            tokio::spawn(async move { store.write(PARTITION, write).await })
        };
        let both = (write("one", 1000), write("two", 2000));
        let (one, two) = (both.0.await.unwrap(), both.1.await.unwrap());
        let found = store.position(PARTITION).await.unwrap();
        let (winner, lost) = match found.changelog {
            1000 => ("one", two),
            _ => ("two", one.clone()),
        };
        assert!(matches!(lost, Err(StoreError::Conflict { .. })), "{lost:?}");
        let loaded = store
            .load(PARTITION, (0..50).map(player).collect())
            .await
            .unwrap();
        let wanted = row(winner, 1, offset);
        assert!(
            loaded.rows.iter().all(|(_, row)| *row == wanted),
            "of {winner}"
        );
        expected = found;
    }
}

async fn a_database_belongs_to_one_log(store: &dyn Store) {
    store.bind_log("one").await.unwrap();
    store.bind_log("one").await.unwrap();
    let error = store.bind_log("two").await.unwrap_err();
    assert_eq!(error.code(), "store_foreign");
    assert!(
        error.to_string().contains("the log one, not to two"),
        "{error}"
    );
}

async fn what_was_changed_by_hand_is_named(store: &dyn Store) {
    let all = migrations(store.dialect());
    store.check(all).await.unwrap();
    let wrong = async |with: &str| {
        let error = store.check(all).await.unwrap_err();
        assert_eq!(
            (error.code(), error.class().exit_code()),
            ("store_drift", 3)
        );
        assert!(error.to_string().contains(with), "{with} in {error}");
    };
    // A person does this, beside the migrations.
    let change = async |sql: &str| {
        let mut changed: Vec<Migration> = all.iter().map(copy).collect();
        changed.push(Migration {
            number: 4,
            name: "by hand",
            up: sql.to_owned().leak(),
            down: "SELECT 1",
        });
        let changed: &'static [Migration] = changed.leak();
        store.migrate_up(changed).await.unwrap();
        store.migrate_down(changed, 3).await.unwrap();
    };
    let integer = match store.dialect() {
        Dialect::Sqlite => "INTEGER",
        Dialect::Postgres => "BIGINT",
    };
    // What stands beside the tables, and what keeps no row out, is nobody's business.
    change(r#"CREATE TABLE "mine" ("a" TEXT); CREATE INDEX "mine_too" ON "player" ("gold");"#)
        .await;
    change(r#"CREATE VIEW "rich" AS SELECT "name" FROM "player" WHERE "gold" > 100;"#).await;
    store.check(all).await.unwrap();
    change(r#"DROP VIEW "rich""#).await;

    change(r#"CREATE UNIQUE INDEX "names" ON "player" ("name");"#).await;
    wrong(r#"unique index "names" of table "player" is there, which this build does not know"#)
        .await;
    change(r#"DROP INDEX "names"; DROP INDEX "member_number";"#).await;
    wrong(r#"index "member_number" of table "member" is missing"#).await;
    change(r#"CREATE INDEX "member_number" ON "member" ("number", "guild");"#).await;
    wrong(r#"index "member_number" of table "member" is "#).await;
    change(r#"DROP INDEX "member_number"; CREATE UNIQUE INDEX "member_number" ON "member" ("number");"#)
        .await;
    wrong(r#"index "member_number" of table "member" is UNIQUE"#).await;
    change(r#"DROP INDEX "member_number"; CREATE INDEX "member_number" ON "member" ("number");"#)
        .await;
    store.check(all).await.unwrap();

    change(&format!(
        r#"ALTER TABLE "player" ADD COLUMN "age" {integer}"#
    ))
    .await;
    wrong(r#"column "player"."age" is there, which this build does not know"#).await;
    change(r#"ALTER TABLE "player" DROP COLUMN "age""#).await;
    store.check(all).await.unwrap();
    change(r#"ALTER TABLE "player" RENAME COLUMN "note" TO "notes""#).await;
    wrong(r#"column "player"."note" is missing; column "player"."notes" is there"#).await;
    change(r#"ALTER TABLE "player" DROP COLUMN "notes""#).await;
    change(&format!(
        r#"ALTER TABLE "player" ADD COLUMN "note" {integer}"#
    ))
    .await;
    wrong(r#"column "player"."note" holds"#).await;
    change(r#"ALTER TABLE "player" DROP COLUMN "note""#).await;
    change(r#"ALTER TABLE "player" ADD COLUMN "note" TEXT CHECK ("note" <> 'x')"#).await;
    match store.dialect() {
        Dialect::Sqlite => {
            wrong(r#"column "player"."note" holds TEXT CHECK ( "note" < > 'x' ), not TEXT"#).await;
        }
        Dialect::Postgres => {
            wrong(r#"constraint "player_note_check" of table "player" is there"#).await;
            change(r#"ALTER TABLE "player" DROP CONSTRAINT "player_note_check""#).await;
            store.check(all).await.unwrap();
            only_postgres_changes(&wrong, &change).await;
        }
    }
    // What else was changed is named beside it.
    change(r#"DROP TABLE "member""#).await;
    change(r#"DROP TABLE "player""#).await;
    wrong(r#"table "member" is missing; table "player" is missing"#).await;
}

async fn only_postgres_changes(wrong: &impl AsyncFn(&str), change: &impl AsyncFn(&str)) {
    let both = [
        (
            r#"DROP CONSTRAINT "player_gold_check""#,
            r#"constraint "player_gold_check" of table "player" is missing"#,
            r#"ADD CONSTRAINT "player_gold_check" CHECK ("gold" >= 0) NOT VALID"#,
        ),
        (
            "DISABLE ROW LEVEL SECURITY",
            r#"constraint "player_gold_check" of table "player" is CHECK ((gold >= 0)) NOT VALID, not"#,
            r#"VALIDATE CONSTRAINT "player_gold_check""#,
        ),
        (
            r#"ALTER COLUMN "name" DROP NOT NULL"#,
            r#"column "player"."name" holds text, not text NOT NULL"#,
            r#"ALTER COLUMN "name" SET NOT NULL"#,
        ),
        (
            r#"ALTER COLUMN "note" SET DEFAULT 'x'"#,
            r#"column "player"."note" holds text DEFAULT 'x'::text, not text"#,
            r#"ALTER COLUMN "note" DROP DEFAULT"#,
        ),
        (
            r#"ALTER COLUMN "note" TYPE varchar(9)"#,
            r#"column "player"."note" holds character varying(9), not text"#,
            r#"ALTER COLUMN "note" TYPE text"#,
        ),
        (
            r#"ADD CONSTRAINT "names" UNIQUE ("name")"#,
            r#"constraint "names" of table "player" is there"#,
            r#"DROP CONSTRAINT "names""#,
        ),
        (
            r#"DROP CONSTRAINT "player_pkey""#,
            r#"constraint PRIMARY KEY (id) of table "player" is missing"#,
            r#"ADD PRIMARY KEY ("id")"#,
        ),
        (
            "SET UNLOGGED",
            r#"table "player" is declared UNLOGGED, not nothing"#,
            "SET LOGGED",
        ),
        (
            "ENABLE ROW LEVEL SECURITY",
            r#"table "player" is declared ROW LEVEL SECURITY, not nothing"#,
            "DISABLE ROW LEVEL SECURITY",
        ),
    ];
    for (there, named, back) in both {
        change(&format!(r#"ALTER TABLE "player" {there}"#)).await;
        wrong(named).await;
        change(&format!(r#"ALTER TABLE "player" {back}"#)).await;
    }
}

/// The version is exactly that of the build: no migration too few, too many, or another one.
async fn another_version_is_named(store: &dyn Store) {
    let all = migrations(store.dialect());
    let says = async |migrations: &'static [Migration], code: &str, with: &str, remedy: &str| {
        let error = store.check(migrations).await.unwrap_err();
        assert_eq!((error.code(), error.class().exit_code()), (code, 3));
        assert!(error.to_string().contains(with), "{error}");
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
    };
    says(
        &all[..2],
        "store_unknown_migration",
        "migration 3 (everything)",
        "the build that applied it",
    )
    .await;
    let mut edited: Vec<Migration> = all.iter().map(copy).collect();
    edited[1].up = format!("{} ", edited[1].up).leak();
    says(
        edited.leak(),
        "store_edited_migration",
        "migration 2 (members)",
        "put migration 2 back",
    )
    .await;
    store.migrate_down(all, 2).await.unwrap();
    says(
        all,
        "store_schema",
        "migration 3 (everything) is pending",
        "migrate up",
    )
    .await;
    // All that there is is applied, but a table that is asked for is made by none.
    says(
        &all[..2],
        "store_unreached",
        r#"table "every thing" is not made"#,
        "rkcy-gen migrate",
    )
    .await;
}

/// Only where nothing was ever applied: what comes later is for people to decide.
async fn only_an_empty_database_is_begun(store: &dyn Store) {
    let all = migrations(store.dialect());
    store.migrate_down(all, 0).await.unwrap();
    assert_eq!(begin(store, all).await.unwrap(), [1, 2, 3]);
    assert_eq!(begin(store, all).await.unwrap(), [0_u32; 0]);
    store.migrate_down(all, 2).await.unwrap();
    assert_eq!(begin(store, all).await.unwrap(), [0_u32; 0]);
    let error = store.check(all).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("migration 3 (everything) is pending"),
        "{error}"
    );
    assert!(error.remedy().contains("migrate up"));
}

/// Runs a test on a migrated database.
async fn on(choice: &StoreChoice) -> Arc<dyn Store> {
    let store = store::open(choice, tables()).await.unwrap();
    store.migrate_up(migrations(store.dialect())).await.unwrap();
    store
}

macro_rules! conformance {
    ($($test:ident)*; $($shared:ident)*) => {
        mod on_sqlite {
            use super::*;
            conformance!(@each sqlite; $($test)*; $($shared)*);
        }
        mod on_postgres {
            use super::*;
            conformance!(@each postgres; $($test)*; $($shared)*);
        }
    };
    (@each $where:ident; $($test:ident)*; $($shared:ident)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                let (_place, choice) = $where().await;
                let store = on(&choice).await;
                super::$test(&*store).await;
                store.close().await;
            }
        )*
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $shared() {
                let (_place, choice) = $where().await;
                let store = on(&choice).await;
                super::$shared(Arc::clone(&store)).await;
                store.close().await;
            }
        )*
    };
}

/// A file in a directory that lives as long as the first value.
async fn sqlite() -> (tempfile::TempDir, StoreChoice) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in").join("test.db");
    (dir, StoreChoice::Sqlite(file))
}

/// A database of its own, which lives as long as the first value.
async fn postgres() -> (Database, StoreChoice) {
    let database = Database::new().await;
    let choice = StoreChoice::Postgres(database.settings());
    (database, choice)
}

conformance!(
        rows_and_position_are_written_and_read_together
        rows_are_replaced_and_deleted
        lists_have_rows_of_their_own
        a_second_writer_is_found_out
        a_batch_that_fails_leaves_nothing
        migrations_go_up_and_down
        a_migration_that_fails_leaves_nothing
        every_type_comes_back_as_it_went
        a_large_batch_is_one
        rows_of_several_tables_are_of_one_snapshot
        a_database_belongs_to_one_log
        what_was_changed_by_hand_is_named
        another_version_is_named
        only_an_empty_database_is_begun
;
        rows_are_of_the_position_that_comes_with_them
        of_two_writers_one_is_stopped
);
