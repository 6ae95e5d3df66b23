//! What is PostgreSQL's own of a store: servers that die, hang, are full, read only or somebody else's, and
//! the ways into them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use rkcy_core::rows::StoredRow;
use rkcy_core::storage::StoredPosition;
use rkcy_runtime::store::postgres::{PostgresStore, Settings};
use rkcy_runtime::store::{Dialect, Migration, Store, StoreError};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::postgres::{Database, Server, success};
use support::tables::{PARTITION, at, batch, migrations, player, row, tables};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn open(database: &Database) -> PostgresStore {
    PostgresStore::open(&database.settings(), tables())
        .await
        .unwrap()
}

async fn fresh() -> (Database, PostgresStore) {
    let database = Database::new().await;
    let store = open(&database).await;
    store
        .migrate_up(migrations(Dialect::Postgres))
        .await
        .unwrap();
    (database, store)
}

fn players(name: &str, offset: u64) -> Vec<(rkcy_core::key::RowKey, StoredRow)> {
    (0..100)
        .map(|number| (player(number), row(name, 1, offset)))
        .collect()
}

/// Writes as storage does: what may pass is tried again, and a batch that was written by a try whose answer
/// was lost is done.
async fn write_at_last(store: &PostgresStore, from: StoredPosition, to: u64) -> Vec<StoreError> {
    let write = batch(from, at(to), players("x", to));
    let mut errors = Vec::new();
    loop {
        match store.write(PARTITION, Arc::clone(&write)).await {
            Ok(()) => return errors,
            Err(StoreError::Conflict { found, .. }) if found == at(to) => return errors,
            Err(error) => {
                assert!(error.may_pass(), "{error:?}");
                errors.push(error);
            }
        }
    }
}

#[tokio::test]
async fn a_database_without_its_schema_says_what_to_do() {
    let database = Database::new().await;
    let store = open(&database).await;
    let error = store.position(PARTITION).await.unwrap_err();
    assert_eq!(error.code(), "store_schema");
    assert!(error.remedy().contains("migrate up"));
    let error = store
        .check(migrations(Dialect::Postgres))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("migration 1 (init) is pending"),
        "{error}"
    );
}

#[tokio::test]
async fn a_database_of_something_else_is_refused() {
    let database = Database::new().await;
    database.execute("CREATE TABLE photos (a INTEGER)").await;
    let error = PostgresStore::open(&database.settings(), tables())
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_foreign", 2)
    );
    assert!(error.to_string().contains("\"photos\""), "{error}");
}

#[tokio::test]
async fn who_cannot_come_in_hears_why_and_no_secret() {
    // One that speaks no TLS.
    let server = Server::new("");
    let database = Database::on(&server.url()).await;
    let url = database.url();
    let (server, name) = url.rsplit_once('/').unwrap();
    let (_, host) = server.rsplit_once('@').unwrap();
    for (url, code, why) in [
        (
            format!("{server}/no_such_place"),
            "store_denied",
            "does not exist",
        ),
        (
            format!("postgres://nobody:s3cret@{host}/{name}"),
            "store_denied",
            "nobody",
        ),
        (
            format!("postgres://rkcy:s3cret@127.0.0.1:1/{name}"),
            "store_unavailable",
            "refused",
        ),
        (
            format!("{url}?sslmode=require&password=s3cret"),
            "store_denied",
            "TLS",
        ),
    ] {
        let error = PostgresStore::open(&Settings::new(&url).unwrap(), tables())
            .await
            .unwrap_err();
        let said = format!("{error} {} {error:?}", error.remedy());
        assert_eq!(
            (error.code(), error.class().exit_code()),
            (code, 3),
            "{said}"
        );
        assert!(said.contains(why) && !said.contains("s3cret"), "{said}");
    }
}

/// Whoever listens here agrees to TLS, and is gone at some moment of the handshake: a server that is killed. That
/// is no question of certificates, and passes.
#[tokio::test]
async fn a_server_that_is_gone_in_the_handshake_is_away() {
    for (read, reset) in [(8, false), (8, true), (9, false), (200, false), (200, true)] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            while let Ok((mut caller, _)) = listener.accept().await {
                let mut bytes = vec![0; 8];
                let _ = caller.read_exact(&mut bytes).await;
                let _ = caller.write_all(b"S").await;
                bytes.resize(read - 8, 0);
                let _ = caller.read_exact(&mut bytes).await;
                // What was not read makes the end a reset; to end quietly, all is read.
                if !reset {
                    let _ = caller.shutdown().await;
                    let _ = caller.read_to_end(&mut bytes).await;
                }
            }
        });
        let url = format!("postgres://rkcy@127.0.0.1:{port}/x?sslmode=require");
        let error = PostgresStore::open(&Settings::new(&url).unwrap(), tables())
            .await
            .unwrap_err();
        server.abort();
        assert!(error.may_pass(), "{read} {reset}: {error:?}");
    }
}

/// The server ends the connection in the middle of a batch, at a moment that is known: the batch waits for a
/// lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_ended_in_a_batch_costs_nothing() {
    let (database, store) = fresh().await;
    write_at_last(&store, StoredPosition::default(), 1).await;
    let locked = sqlx::PgPool::connect(&database.url()).await.unwrap();
    let mut lock = locked.begin().await.unwrap();
    let sql = r#"LOCK TABLE "player" IN ACCESS EXCLUSIVE MODE"#;
    sqlx::query(sql).execute(&mut *lock).await.unwrap();
    let store = Arc::new(store);
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            store
                .write(PARTITION, batch(at(1), at(2), players("y", 2)))
                .await
        }
    });
    let waiting = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waiting)
        .fetch_one(&locked)
        .await
        .unwrap()
        == 0
    {}
    let error = writing.await.unwrap().unwrap_err();
    assert!(error.may_pass(), "{error:?}");
    lock.rollback().await.unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(1));
    assert!(
        write_at_last(&store, at(1), 2).await.is_empty(),
        "a new connection is fine"
    );
    let loaded = store.load(PARTITION, vec![player(0)]).await.unwrap();
    assert_eq!(loaded.rows[0].1, row("x", 1, 2));
}

/// What a server says in its own words: by triggers, so that each comes at a known moment.
#[tokio::test]
async fn what_a_server_refuses_is_told_apart() {
    let (database, store) = fresh().await;
    write_at_last(&store, StoredPosition::default(), 1).await;
    for (state, code, may_pass) in [
        ("disk_full", "store_disk_full", true),
        ("serialization_failure", "store_unavailable", true),
        ("deadlock_detected", "store_unavailable", true),
        ("query_canceled", "store_unavailable", true),
        ("out_of_memory", "store_unavailable", true),
        ("admin_shutdown", "store_unavailable", true),
        ("read_only_sql_transaction", "store_read_only", true),
        ("insufficient_privilege", "store_denied", false),
        ("check_violation", "store_constraint", false),
        ("numeric_value_out_of_range", "store_constraint", false),
        ("undefined_column", "store_schema", false),
        ("data_corrupted", "store_damaged", false),
    ] {
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'as if' USING ERRCODE = '{state}'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON \"player\" EXECUTE FUNCTION refuse()"
        );
        database.execute(&trigger).await;
        let write = batch(at(1), at(2), players("late", 2));
        let error = store.write(PARTITION, write).await.unwrap_err();
        assert_eq!(
            (error.code(), error.may_pass()),
            (code, may_pass),
            "{state}: {error:?}"
        );
        database.execute("DROP TRIGGER refuse ON \"player\"").await;
        let loaded = store.load(PARTITION, vec![player(0)]).await.unwrap();
        let before = (at(1).position, row("x", 1, 1));
        assert_eq!(
            (loaded.position, loaded.rows[0].1.clone()),
            before,
            "after {state}"
        );
    }
    assert!(write_at_last(&store, at(1), 2).await.is_empty());
}

#[tokio::test]
async fn a_database_that_may_not_be_written_is_said_at_the_start() {
    let (database, store) = fresh().await;
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let set = |to| format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = {to}");
    database.execute(&set("on")).await;
    store.close().await;
    let store = open(&database).await;
    let error = store
        .check(migrations(Dialect::Postgres))
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.class().exit_code()),
        ("store_read_only", 3)
    );
    let server = database.url().rsplit_once('/').unwrap().0.to_owned();
    support::postgres::execute(&format!("{server}/postgres"), &set("off")).await;
    let store = open(&database).await;
    store.check(migrations(Dialect::Postgres)).await.unwrap();
}

/// Killed as by a crash, again and again, while one writes: what was acknowledged is there afterwards, what was
/// not is there whole or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_loses_nothing_acknowledged() {
    let mut server = Server::new("");
    let database = Database::on(&server.url()).await;
    let store = Arc::new(open(&database).await);
    store
        .migrate_up(migrations(Dialect::Postgres))
        .await
        .unwrap();
    let (said, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move {
            let (mut from, mut errors) = (StoredPosition::default(), 0);
            for offset in 1_u64.. {
                errors += write_at_last(&store, from, offset).await.len();
                from = at(offset);
                if said.send(offset).is_err() {
                    break;
                }
            }
            errors
        }
    });
    for _ in 0..2 {
        for _ in 0..20 {
            acknowledged.recv().await.unwrap();
        }
        server.kill();
        let mut last = 0;
        while let Ok(offset) = acknowledged.try_recv() {
            last = offset;
        }
        server.start();
        let loaded = store.load(PARTITION, (0..100).map(player).collect()).await;
        // A connection that died is noticed when it is used.
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) if error.may_pass() => store
                .load(PARTITION, (0..100).map(player).collect())
                .await
                .unwrap(),
            Err(error) => panic!("{error:?}"),
        };
        let found = loaded.position.offset().unwrap();
        assert!(found >= last, "{found} is less than {last}");
        let wanted = row("x", 1, found);
        assert!(
            loaded.rows.iter().all(|(_, row)| *row == wanted),
            "torn at {found}"
        );
    }
    acknowledged.recv().await.unwrap();
    drop(acknowledged);
    assert!(writing.await.unwrap() > 0, "the writer has noticed");
}

/// One that is stopped, and goes on: neither is a batch lost, nor is it there twice, nor torn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_is_waited_for() {
    let server = Server::new("");
    let database = Database::on(&server.url()).await;
    let store = Arc::new(open(&database).await);
    store
        .migrate_up(migrations(Dialect::Postgres))
        .await
        .unwrap();
    write_at_last(&store, StoredPosition::default(), 1).await;
    let pids: Vec<i32> = {
        let pool = sqlx::PgPool::connect(&database.url()).await.unwrap();
        let sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'";
        sqlx::query_scalar(sql).fetch_all(&pool).await.unwrap()
    };
    let signal = |signal: &str| {
        server.signal(signal);
        for pid in &pids {
            // Some have ended with their connection.
            let _ = Command::new("kill")
                .args(["-s", signal, &pid.to_string()])
                .output();
        }
    };
    signal("STOP");
    let writing = tokio::spawn({
        let store = Arc::clone(&store);
        async move { write_at_last(&store, at(1), 2).await }
    });
    // A new connection is not accepted: that is said after a bounded time.
    let error = PostgresStore::open(&database.settings(), tables())
        .await
        .unwrap_err();
    assert!(error.may_pass(), "{error:?}");
    signal("CONT");
    writing.await.unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(2));
}

/// A copy that follows: rows and position are of one moment, and what it has not got yet is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_says_so() {
    let primary = Database::new().await;
    let replica = Database::new().await;
    let writer = open(&primary).await;
    let copy = open(&replica).await;
    for store in [&writer, &copy] {
        store
            .migrate_up(migrations(Dialect::Postgres))
            .await
            .unwrap();
        write_at_last(store, StoredPosition::default(), 1).await;
    }
    // The copy gets no more.
    write_at_last(&writer, at(1), 2).await;
    let settings = primary.settings().with_replica(&replica.url()).unwrap();
    let store = PostgresStore::open(&settings, tables()).await.unwrap();
    let loaded = store.load(PARTITION, vec![player(1)]).await.unwrap();
    assert_eq!(
        (loaded.position, &loaded.rows[0].1),
        (at(1).position, &row("x", 1, 1))
    );
    assert_eq!(
        store.position(PARTITION).await.unwrap(),
        at(2),
        "storage asks the primary"
    );
    write_at_last(&store, at(2), 3).await;
    assert_eq!(writer.position(PARTITION).await.unwrap(), at(3));
}

/// Keys and certificates for a day: an authority, a server at 127.0.0.1, a client called rkcy.
fn certificates(dir: &Path) {
    let run = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        success(openssl.current_dir(dir).args(arguments.split(' ')));
    };
    std::fs::write(dir.join("server.ext"), "subjectAltName=IP:127.0.0.1").unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    for authority in ["ca", "other"] {
        run(&format!(
            "req -x509 {key} -days 1 -subj /CN={authority} -keyout {authority}.key -out {authority}.pem"
        ));
    }
    for (who, subject) in [("server", "server"), ("client", "rkcy")] {
        run(&format!(
            "req -new {key} -subj /CN={subject} -keyout {who}.key -out {who}.csr"
        ));
        let names = if who == "server" {
            " -extfile server.ext"
        } else {
            ""
        };
        run(&format!(
            "x509 -req -in {who}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 -out {who}.pem{names}"
        ));
    }
}

#[tokio::test]
async fn tls_is_spoken_as_the_address_says() {
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let mut server = Server::new("");
    let database = Database::on(&server.url()).await;
    support::postgres::execute(
        &format!("{}/postgres", server.url()),
        "CREATE ROLE guest LOGIN PASSWORD 's3cret'; GRANT pg_read_all_data TO guest",
    )
    .await;
    server.kill();
    server.put(
        "server.key",
        &std::fs::read_to_string(dir.path().join("server.key")).unwrap(),
    );
    server.put(
        "server.pem",
        &std::fs::read_to_string(dir.path().join("server.pem")).unwrap(),
    );
    server.put(
        "ca.pem",
        &std::fs::read_to_string(dir.path().join("ca.pem")).unwrap(),
    );
    server.configure(
        "ssl = on\nssl_key_file = 'server.key'\nssl_cert_file = 'server.pem'\nssl_ca_file = 'ca.pem'\n",
    );
    server.put(
        "pg_hba.conf",
        "hostssl all rkcy 127.0.0.1/32 cert\nhostssl all guest 127.0.0.1/32 scram-sha-256\n",
    );
    server.start();
    let file = |name: &str| dir.path().join(name).display().to_string();
    let name = database.url().rsplit_once('/').unwrap().1.to_owned();
    let place = format!("127.0.0.1:{}/{name}", server.port());
    let verify = format!("sslmode=verify-full&sslrootcert={}", file("ca.pem"));
    let client = format!(
        "sslcert={}&sslkey={}",
        file("client.pem"),
        file("client.key")
    );
    let try_open = async |url: String| {
        let settings = Settings::new(&url).unwrap();
        assert!(!format!("{settings:?} {settings}").contains("s3cret"));
        PostgresStore::open(&settings, tables()).await
    };

    let store = try_open(format!("postgres://rkcy@{place}?{verify}&{client}"))
        .await
        .unwrap();
    store
        .migrate_up(migrations(Dialect::Postgres))
        .await
        .unwrap();
    write_at_last(&store, StoredPosition::default(), 1).await;
    store.close().await;
    let store = try_open(format!("postgres://guest:s3cret@{place}?{verify}"))
        .await
        .unwrap();
    assert_eq!(store.position(PARTITION).await.unwrap(), at(1));
    store.close().await;

    let wrong_authority = format!("sslmode=verify-full&sslrootcert={}", file("other.pem"));
    let elsewhere = place.replace("127.0.0.1", "localhost");
    for (url, why) in [
        (
            format!("postgres://guest:wr0ng@{place}?{verify}"),
            "password authentication failed",
        ),
        (
            format!("postgres://guest:s3cret@{place}?sslmode=disable"),
            "no encryption",
        ),
        (
            format!("postgres://guest:s3cret@{place}?{wrong_authority}"),
            "certificate verify failed",
        ),
        (
            format!("postgres://guest:s3cret@{elsewhere}?{verify}"),
            "ostname mismatch",
        ),
        (format!("postgres://rkcy@{place}?{verify}"), "certificate"),
    ] {
        let error = try_open(url).await.unwrap_err();
        let said = format!("{error} {error:?} {}", error.remedy());
        assert_eq!(error.code(), "store_denied", "{said}");
        assert!(said.contains(why), "{said}");
        assert!(
            !said.contains("s3cret") && !said.contains("wr0ng"),
            "{said}"
        );
    }
}

/// A table to migrate.
const THING: Migration = Migration {
    number: 1,
    name: "init",
    up: "CREATE TABLE \"thing\" (\"x\" INTEGER NOT NULL);",
    down: "DROP TABLE \"thing\";",
};

/// Of several parts: a check that looks at rows, and an index that is made outside of a transaction.
const IN_PARTS: &[Migration] = &[
    THING,
    Migration {
        number: 2,
        name: "parts",
        up: "ALTER TABLE \"thing\" ADD CONSTRAINT \"c\" CHECK (\"x\" > 0) NOT VALID;\n\
             -- rkcy: next transaction\n\
             ALTER TABLE \"thing\" VALIDATE CONSTRAINT \"c\";\n\
             -- rkcy: outside a transaction\n\
             DROP INDEX CONCURRENTLY IF EXISTS \"i\";\n\
             -- rkcy: outside a transaction\n\
             CREATE INDEX CONCURRENTLY \"i\" ON \"thing\" (\"x\");\n",
        down: "DROP INDEX \"i\";\nALTER TABLE \"thing\" DROP CONSTRAINT \"c\";\n",
    },
];

#[tokio::test]
async fn a_migration_of_several_parts_goes_on_where_it_stopped() {
    let database = Database::new().await;
    let store = PostgresStore::open(&database.settings(), []).await.unwrap();
    store.migrate_up(&IN_PARTS[..1]).await.unwrap();
    database.execute("INSERT INTO \"thing\" VALUES (-1)").await;
    let error = store.migrate_up(IN_PARTS).await.unwrap_err();
    assert!(
        matches!(error, StoreError::Migration { number: 2, .. }),
        "{error:?}"
    );
    // The first part is done, so rows are held against the check; nothing is taken back meanwhile.
    let error = store.migrate_down(IN_PARTS, 0).await.unwrap_err();
    assert!(error.to_string().contains("half applied"), "{error}");
    database.execute("UPDATE \"thing\" SET \"x\" = 1").await;
    assert_eq!(store.migrate_up(IN_PARTS).await.unwrap(), [2]);
    assert!(store.migrate_up(IN_PARTS).await.unwrap().is_empty());
    let check = "DO $$ BEGIN ASSERT (SELECT indisvalid FROM pg_index WHERE indexrelid = '\"i\"'::regclass); END $$";
    database.execute(check).await;
    assert_eq!(store.migrate_down(IN_PARTS, 0).await.unwrap(), [2, 1]);
}

const TWO_TABLES: &[Migration] = &[
    THING,
    Migration {
        number: 2,
        name: "two",
        up: "CREATE TABLE \"other\" (\"x\" BIGINT NOT NULL);\n",
        down: "DROP TABLE \"other\";\n",
    },
    Migration {
        number: 3,
        name: "both",
        // Waits long enough for the other session to have its first table.
        up: "ALTER TABLE \"thing\" ADD COLUMN \"y\" INTEGER;\nSELECT pg_sleep(0.5);\n\
             ALTER TABLE \"other\" ADD COLUMN \"y\" INTEGER;\n",
        down: "ALTER TABLE \"other\" DROP COLUMN \"y\";\nALTER TABLE \"thing\" DROP COLUMN \"y\";\n",
    },
];

/// Another session has a table that the migration wants, and wants the one that the migration has. The migration is the
/// one that PostgreSQL ends, since the other waits longer before it looks.
#[tokio::test]
async fn a_migration_that_met_a_deadlock_is_begun_again() {
    let database = Database::new().await;
    let store = PostgresStore::open(&database.settings(), []).await.unwrap();
    store.migrate_up(&TWO_TABLES[..2]).await.unwrap();
    let other = database.execute(
        "BEGIN; SET LOCAL deadlock_timeout = '20s'; LOCK TABLE \"other\"; SELECT pg_sleep(0.2); \
         INSERT INTO \"thing\" VALUES (1); COMMIT",
    );
    let (applied, ()) = tokio::join!(store.migrate_up(TWO_TABLES), other);
    assert_eq!(applied.unwrap(), [3]);
}

/// An index that is made outside of a transaction waits for whoever looks at the database, and so for another program that
/// waits to migrate. That one must not wait within a statement.
#[tokio::test]
async fn two_programs_that_migrate_at_once_wait_for_each_other() {
    for _ in 0..3 {
        let database = Database::new().await;
        let open = async || PostgresStore::open(&database.settings(), []).await.unwrap();
        let (one, other) = (open().await, open().await);
        let (one, other) = tokio::join!(one.migrate_up(IN_PARTS), other.migrate_up(IN_PARTS));
        let mut applied = [one.unwrap(), other.unwrap()].concat();
        applied.sort_unstable();
        assert_eq!(applied, [1, 2]);
    }
}

const LOCKS: &[Migration] = &[
    THING,
    Migration {
        number: 2,
        name: "locks",
        up: "SET LOCAL lock_timeout = '100ms';\nALTER TABLE \"thing\" ADD COLUMN \"y\" INTEGER;\n",
        down: "ALTER TABLE \"thing\" DROP COLUMN \"y\";\n",
    },
];

#[tokio::test]
async fn a_migration_asks_again_for_a_table_and_keeps_nobody_waiting() {
    let database = Database::new().await;
    let store = PostgresStore::open(&database.settings(), []).await.unwrap();
    store.migrate_up(&LOCKS[..1]).await.unwrap();
    let hold = database.execute(
        "BEGIN; LOCK TABLE \"thing\" IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(1.5); COMMIT",
    );
    let write = async {
        // While the migration asks for the table again and again.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let began = Instant::now();
        database.execute("INSERT INTO \"thing\" VALUES (1)").await;
        assert!(began.elapsed() < Duration::from_millis(900));
    };
    let up = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        store.migrate_up(LOCKS).await.unwrap()
    };
    let ((), (), applied) = tokio::join!(hold, write, up);
    assert_eq!(applied, [2]);
}
