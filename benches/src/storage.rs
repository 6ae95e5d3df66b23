//! Rows into PostgreSQL: `PostgresStore` in batches as storage writes them, against `COPY` of the same rows.
//!
//! The same characters are written again and again, in random order, as those of a running platform are. The
//! raw copy, which is the floor, appends the same rows to a table of the same columns and key and never looks
//! at what is there; the other one copies them into a temporary table and writes them over those that are there, which is
//! what the store would do if it did not bind arrays. All commit once for each batch, and take turns.

use crate::figures::{Figures, duration};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use rkcy_core::id::{ConcernId, PartitionId, Position, Version};
use rkcy_core::key::{Key, RowKey};
use rkcy_core::rows::StoredRow;
use rkcy_core::storage::{Batch, StoredPosition};
use rkcy_runtime::codegen::{Ref, encode};
use rkcy_runtime::store::Store;
use rkcy_runtime::store::postgres::{PostgresStore, Settings};
use rpg::generated::{Character, PLATFORM};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Characters there are; a batch touches a tenth of them.
const CHARACTERS: usize = 200_000;
/// Rows of a batch: as many as storage gathers, at most.
const BATCH: usize = 20_000;
/// Each side runs in turns.
const SLICES: u32 = 4;

pub(crate) fn run(figures: &mut Figures) {
    let url = std::env::var("RKCY_TEST_STORE").expect("scripts/bench starts the server");
    let (server, _) = url.rsplit_once('/').expect("postgres://…/DATABASE");
    let runtime = crate::callers::runtime();
    let name = format!("rkcy_bench_{}", Uuid::new_v4().simple());
    runtime.block_on(async {
        let admin = format!("{server}/postgres");
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        measure(figures, &format!("{server}/{name}")).await;
        execute(&admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
    });
}

async fn measure(figures: &mut Figures, url: &str) {
    let settings = Settings::new(url).expect("an address");
    let store = PostgresStore::open(&settings, PLATFORM.tables())
        .await
        .expect("the database");
    store
        .migrate_up(PLATFORM.postgres)
        .await
        .expect("its tables");
    execute(
        url,
        r#"CREATE TABLE "plain" (LIKE "character" INCLUDING ALL); CREATE TABLE "merged" (LIKE "character" INCLUDING ALL)"#,
    )
    .await;
    let concern = PLATFORM.concern("Character").expect("a concern").id;
    let mut sides = Sides {
        store,
        raw: PgConnection::connect(url).await.expect("a connection"),
        partition: PartitionId { concern, index: 0 },
        position: StoredPosition::default(),
        keys: (0..CHARACTERS).map(|_| Uuid::new_v4()).collect(),
        draw: ChaCha8Rng::seed_from_u64(1),
    };
    execute_on(
        &mut sides.raw,
        r#"CREATE TEMPORARY TABLE "new" (LIKE "character" INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"#,
    )
    .await;
    // All are there before anything is measured.
    for batch in 0..CHARACTERS / BATCH {
        let some: Vec<Uuid> = sides.keys[batch * BATCH..(batch + 1) * BATCH].to_vec();
        sides.store(&some).await;
        sides.merge(&some).await;
    }
    let slice = duration() / SLICES;
    let mut rates = [Rate::default(), Rate::default(), Rate::default()];
    for _ in 0..SLICES {
        for (nth, rate) in rates.iter_mut().enumerate() {
            let begun = Instant::now();
            while begun.elapsed() < slice {
                let some = sides.some();
                let took = match nth {
                    0 => sides.store(&some).await,
                    1 => sides.merge(&some).await,
                    _ => sides.plain(&some).await,
                };
                rate.rows += some.len();
                rate.took += took;
            }
        }
    }
    let [stored, merged, plain] = rates.map(|rate| rate.rows as f64 / rate.took.as_secs_f64());
    figures.add("storage_over_raw_copy", stored / plain, "ratio");
    figures.add("storage_over_copy_and_merge", stored / merged, "ratio");
    figures.add("storage_rows_per_second", stored, "1/s");
    figures.add("raw_copy_rows_per_second", plain, "1/s");
    figures.add("copy_and_merge_rows_per_second", merged, "1/s");
    sides.store.close().await;
}

#[derive(Default)]
struct Rate {
    rows: usize,
    took: Duration,
}

struct Sides {
    store: PostgresStore,
    raw: PgConnection,
    partition: PartitionId,
    position: StoredPosition,
    keys: Vec<Uuid>,
    draw: ChaCha8Rng,
}

impl Sides {
    /// The keys of one batch.
    fn some(&mut self) -> Vec<Uuid> {
        let (some, _) = self.keys.partial_shuffle(&mut self.draw, BATCH);
        some.to_vec()
    }

    fn character(&mut self, id: Uuid) -> Character {
        let mut character = Character::new(id, Ref::new(id), "Anna of the Hills".to_owned());
        character.currency.gold = self.draw.random_range(0..1_000_000);
        character
    }

    /// By the store, out of encoded rows as storage has them.
    async fn store(&mut self, keys: &[Uuid]) -> Duration {
        let next = StoredPosition {
            position: Position::new(self.position.changelog, 0),
            changelog: self.position.changelog + 1,
            snapshot: None,
        };
        let rows = keys.iter().map(|id| {
            let concern: ConcernId = self.partition.concern;
            let key = Key::of(id);
            let row = StoredRow {
                value: Some(encode(&self.character(*id))),
                version: Version {
                    generation: 0,
                    position: next.position,
                },
            };
            (RowKey { concern, key }, row)
        });
        let batch = Batch {
            rows: rows.collect(),
            expected: self.position,
            new: next,
        };
        let begun = Instant::now();
        self.store
            .write(self.partition, Arc::new(batch))
            .await
            .expect("a write");
        self.position = next;
        begun.elapsed()
    }

    /// Copied into a temporary table, then over what is there.
    async fn merge(&mut self, keys: &[Uuid]) -> Duration {
        let rows = self.text(keys);
        let begun = Instant::now();
        execute_on(&mut self.raw, "BEGIN").await;
        self.copy("new", &rows).await;
        execute_on(
            &mut self.raw,
            r#"INSERT INTO "merged" SELECT * FROM "new" ON CONFLICT ("id") DO UPDATE SET
            "player" = excluded."player", "fullname" = excluded."fullname", "class" = excluded."class",
            "active" = excluded."active", "currency_gold" = excluded."currency_gold",
            "currency_faction_0" = excluded."currency_faction_0",
            "currency_faction_1" = excluded."currency_faction_1",
            "currency_faction_2" = excluded."currency_faction_2", "items" = excluded."items",
            "_rkcy_generation" = excluded."_rkcy_generation",
            "_rkcy_offset" = excluded."_rkcy_offset", "_rkcy_index" = excluded."_rkcy_index""#,
        )
        .await;
        execute_on(&mut self.raw, "COMMIT").await;
        begun.elapsed()
    }

    /// Copied into a table that has none of them.
    async fn plain(&mut self, keys: &[Uuid]) -> Duration {
        let rows = self.text(keys);
        execute_on(&mut self.raw, r#"TRUNCATE "plain""#).await;
        let begun = Instant::now();
        self.copy("plain", &rows).await;
        begun.elapsed()
    }

    async fn copy(&mut self, table: &str, rows: &str) {
        let mut copy = self
            .raw
            .copy_in_raw(&format!("COPY \"{table}\" FROM STDIN"))
            .await
            .expect("COPY");
        copy.send(rows.as_bytes()).await.expect("rows");
        copy.finish().await.expect("rows");
    }

    /// Rows as `COPY` takes them.
    fn text(&mut self, keys: &[Uuid]) -> String {
        let mut text = String::new();
        for id in keys {
            let it = self.character(*id);
            let gold = it.currency.gold;
            let name = it.fullname;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{id}\t{id}\t{name}\twarrior\tt\t{gold}\t0\t0\t0\t[]\t0\t1\t0\t0\t\\N\t\\N"
            );
        }
        text
    }
}

async fn execute(url: &str, sql: &str) {
    let mut connection = PgConnection::connect(url).await.expect("the server");
    execute_on(&mut connection, sql).await;
}

async fn execute_on(connection: &mut PgConnection, sql: &str) {
    let run = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await;
    run.expect("a statement");
}
