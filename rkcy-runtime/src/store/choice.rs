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

impl StoreChoice {
    /// As the setting `store` is written, with its secrets: for the environment of a process that is
    /// started with the same settings.
    #[must_use]
    pub fn with_secrets(&self) -> String {
        match self {
            StoreChoice::Sqlite(_) => self.to_string(),
            StoreChoice::Postgres(settings) => settings.url_with_secrets().to_owned(),
        }
    }
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
