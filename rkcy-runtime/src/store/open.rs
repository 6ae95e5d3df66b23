//! Opening the database that a setting names.

use super::postgres::PostgresStore;
use super::sqlite::SqliteStore;
use super::{Migration, MigrationState, Store, StoreChoice, StoreError, TableDesc};
use std::path::Path;
use std::sync::Arc;

/// Opens a database for the tables of a platform. An SQLite file is made if it is not there, with its
/// directory; a PostgreSQL database must be.
///
/// # Errors
/// Where it is not to be had, or holds something else.
pub async fn open(
    choice: &StoreChoice,
    tables: impl IntoIterator<Item = &'static TableDesc>,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match choice {
        StoreChoice::Sqlite(file) => {
            make_directory_of(file)?;
            Arc::new(SqliteStore::open(file, tables).await?)
        }
        StoreChoice::Postgres(settings) => Arc::new(PostgresStore::open(settings, tables).await?),
    })
}

/// Applies the migrations to a database that has none yet. One that has some is left as it is: what is
/// missing there is for people to apply, since it may take long or lose data.
///
/// # Errors
/// As [`Store::migrate_up`].
pub async fn begin(
    store: &dyn Store,
    migrations: &'static [Migration],
) -> Result<Vec<u32>, StoreError> {
    let status = store.migrate_status(migrations).await?;
    let is_pending = |it: &super::MigrationStatus| it.state == MigrationState::Pending;
    match status.iter().all(is_pending) {
        true => store.migrate_up(migrations).await,
        false => Ok(Vec::new()),
    }
}

fn make_directory_of(file: &Path) -> Result<(), StoreError> {
    let parent = file.parent().filter(|it| !it.as_os_str().is_empty());
    parent
        .map_or(Ok(()), std::fs::create_dir_all)
        .map_err(|error| StoreError::Unavailable {
            store: file.display().to_string().into(),
            source: Arc::new(sqlx::Error::Io(error)),
        })
}
