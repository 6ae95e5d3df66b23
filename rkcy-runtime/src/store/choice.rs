//! Which database a platform is run on, as a setting says it.

use super::postgres;
use std::fmt;
use std::path::PathBuf;

/// Which database a platform is run on.
#[derive(Clone, Debug)]
pub enum StoreChoice {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL server.
    Postgres(postgres::Settings),
}

/// As the setting `store` is written, without secrets.
impl fmt::Display for StoreChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreChoice::Sqlite(file) => write!(f, "sqlite:{}", file.display()),
            StoreChoice::Postgres(settings) => write!(f, "{settings}"),
        }
    }
}
