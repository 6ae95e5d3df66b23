//! A database for one history: what is in it, and the runtime's own migrations on it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use rkcy_gen::evolve::{Dialect, Table};
use rkcy_runtime::store::postgres::{PostgresStore, Settings};
use rkcy_runtime::store::sqlite::SqliteStore;
use rkcy_runtime::store::{Migration, Store, StoreError};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use super::Version;

/// The schema of a database; `{schema}` is the namespace in PostgreSQL.
const COLUMNS: &str = "
SELECT format('%s.%s %s null=%s default=%s comment=%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
    NOT a.attnotnull, a.atthasdef, col_description(c.oid, a.attnum))
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = '{schema}'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
AND c.relname NOT IN ('_rkcy_migration', '_rkcy_migration_part', '_rkcy_position', '_rkcy_log')
UNION ALL SELECT format('%s constraint %s %s valid=%s', conrelid::regclass,
    CASE contype WHEN 'p' THEN 'key' ELSE conname::text END, pg_get_constraintdef(oid), convalidated)
FROM pg_constraint WHERE connamespace = '{schema}'::regnamespace AND contype IN ('c', 'p')
AND conrelid::regclass::text NOT IN ('_rkcy_migration', '_rkcy_migration_part', '_rkcy_position', '_rkcy_log')
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = '{schema}' AND indexname LIKE '\\_rkcy\\_%\\_\\_%'
AND indexname NOT LIKE '%pkey%'
UNION ALL SELECT format('%s comment=%s', relname, obj_description(oid)) FROM pg_class
WHERE relnamespace = '{schema}'::regnamespace AND relkind = 'r'";

pub(crate) enum Database {
    Sqlite(SqliteStore, TempDir),
    Postgres(PostgresStore, String, String),
}

impl Database {
    pub(crate) async fn new(dialect: Dialect) -> Database {
        match dialect {
            Dialect::Sqlite => {
                let place = TempDir::new().unwrap();
                let store = SqliteStore::open(&place.path().join("db"), [])
                    .await
                    .unwrap();
                Database::Sqlite(store, place)
            }
            Dialect::Postgres => {
                // A namespace is made faster than a database.
                let random = std::time::SystemTime::UNIX_EPOCH
                    .elapsed()
                    .unwrap()
                    .as_nanos();
                let name = format!("evolve_{}_{random}", std::process::id());
                on_server(&server(), &format!("CREATE SCHEMA {name}")).await;
                let url = format!("{}?options=-c%20search_path%3D{name}", server());
                let store = PostgresStore::open(&Settings::new(&url).unwrap(), [])
                    .await
                    .unwrap();
                Database::Postgres(store, url, name)
            }
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Database::Sqlite(store, _) => store,
            Database::Postgres(store, ..) => store,
        }
    }

    fn dialect(&self) -> Dialect {
        match self {
            Database::Sqlite(..) => Dialect::Sqlite,
            Database::Postgres(..) => Dialect::Postgres,
        }
    }

    /// The migrations as a binary has them; they live as long as the test.
    fn migrations(&self, versions: &[Version]) -> &'static [Migration] {
        let dialect = self.dialect();
        let leak = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
        let all = versions.iter().map(|version| {
            let script = &version.migration.scripts[&dialect];
            Migration {
                number: version.migration.number,
                name: leak(&version.migration.name),
                up: leak(&script.up),
                down: leak(&script.down),
            }
        });
        Box::leak(all.collect::<Vec<_>>().into_boxed_slice())
    }

    pub(crate) async fn up(&self, versions: &[Version]) -> Result<(), String> {
        let migrations = self.migrations(versions);
        let done = self.store().migrate_up(migrations).await;
        done.map_err(|it| shown(&it))?;
        // However it came here, it is what a start takes for unchanged.
        let checked = self.store().check(migrations).await;
        checked.map_err(|it| shown(&it))
    }

    pub(crate) async fn down(&self, versions: &[Version], keep: u32) -> Result<(), String> {
        let migrations = self.migrations(versions);
        let done = self.store().migrate_down(migrations, keep).await;
        done.map_err(|it| shown(&it))?;
        let stays = migrations.iter().take_while(|it| it.number <= keep).count();
        if stays == 0 {
            return Ok(());
        }
        let checked = self.store().check(&migrations[..stays]).await;
        checked.map_err(|it| shown(&it))
    }

    pub(crate) async fn execute(&self, sql: &str) {
        match self {
            Database::Sqlite(_, place) => {
                let mut connection = sqlite(place.path()).await;
                sqlx::raw_sql(AssertSqlSafe(sql))
                    .execute(&mut connection)
                    .await
                    .unwrap();
                connection.close().await.unwrap();
            }
            Database::Postgres(_, url, _) => on_server(url, sql).await,
        }
    }

    /// What a query of one column of text gives, in order.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let query = sqlx::query(AssertSqlSafe(sql));
        match self {
            Database::Sqlite(_, place) => {
                let mut connection = sqlite(place.path()).await;
                let rows = query.fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|it| panic!("{it}\n{sql}"));
                connection.close().await.unwrap();
                rows.iter().map(|row| row.try_get(0).unwrap()).collect()
            }
            Database::Postgres(_, url, _) => {
                let query = sqlx::query(AssertSqlSafe(sql));
                let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
                let rows = query.fetch_all(&mut connection).await;
                let rows = rows.unwrap_or_else(|it| panic!("{it}\n{sql}"));
                connection.close().await.unwrap();
                rows.iter().map(|row| row.try_get(0).unwrap()).collect()
            }
        }
    }

    /// The schema, in an order that does not depend on how it came about.
    pub(crate) async fn schema(&self) -> Vec<String> {
        let mut lines = match self {
            Database::Postgres(_, _, name) => {
                let lines = self.texts(&COLUMNS.replace("{schema}", name)).await;
                let lines = lines.into_iter();
                lines
                    .map(|line| line.replace(&format!("{name}."), ""))
                    .collect()
            }
            Database::Sqlite(..) => {
                let all = self
                    .texts("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
                    .await;
                let tables = all
                    .iter()
                    .filter(|sql| !sql.contains("\"_rkcy_migration\""));
                let tables = tables.filter(|sql| !sql.contains("\"_rkcy_position\""));
                let mut lines = Vec::new();
                for sql in tables {
                    let name = sql.lines().next().unwrap_or_default();
                    let rest = sql.lines().skip(1).map(|it| it.trim_end_matches(','));
                    lines.push(name.to_owned());
                    lines.extend(rest.map(|line| format!("{name} {line}")));
                }
                lines
            }
        };
        lines.sort();
        lines
    }

    /// All rows of the tables that are not derived, in order.
    pub(crate) async fn rows(&self, tables: &[Table]) -> Vec<String> {
        let mut all = Vec::new();
        for table in tables.iter().filter(|it| it.derived.is_none()) {
            let mut names: Vec<String> = table.columns.iter().map(|it| it.name.clone()).collect();
            names.sort();
            // Elements of lists are as old as their instance.
            names.extend((table.list.is_none()).then(|| "_rkcy_offset".to_owned()));
            let shown = names.iter().map(|name| match self {
                Database::Sqlite(..) => format!("'{name}=' || quote(\"{name}\")"),
                Database::Postgres(..) => {
                    format!("'{name}=' || coalesce(\"{name}\"::text, 'NULL')")
                }
            });
            let shown: Vec<String> = shown.collect();
            let sql = format!(
                "SELECT {} FROM \"{}\" ORDER BY 1",
                shown.join(" || ' ' || "),
                table.name
            );
            let rows = self.texts(&sql).await;
            all.extend(rows.into_iter().map(|row| format!("{}: {row}", table.name)));
        }
        all.sort();
        all
    }

    pub(crate) async fn close(self) {
        self.store().close().await;
        if let Database::Postgres(_, url, name) = self {
            on_server(&url, &format!("DROP SCHEMA {name} CASCADE")).await;
        }
    }
}

fn shown(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

async fn sqlite(place: &Path) -> sqlx::SqliteConnection {
    let url = format!("sqlite:{}", place.join("db").display());
    sqlx::SqliteConnection::connect(&url).await.unwrap()
}

async fn on_server(url: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(url).await.unwrap();
    let done = sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(&mut connection)
        .await;
    done.unwrap_or_else(|it| panic!("{it}\n{sql}"));
    connection.close().await.unwrap();
}

/// The database of `scripts/services`.
fn server() -> String {
    static SERVER: OnceLock<String> = OnceLock::new();
    let server =
        SERVER.get_or_init(|| std::env::var("RKCY_TEST_STORE").unwrap_or_else(|_| started()));
    server.clone()
}

fn started() -> String {
    let services = |arguments: &[&str]| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/services");
        let output = Command::new(script)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "this test needs `scripts/services`"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    services(&["start", "postgres"]);
    let all = services(&["env"]);
    let mut lines = all.lines();
    let line = lines.find_map(|line| line.strip_prefix("RKCY_STORE="));
    line.unwrap().to_owned()
}
