//! What an error of SQLite means.
//!
//! Owns the mapping from its result codes (<https://sqlite.org/rescode.html>) to [`StoreError`].

use crate::store::StoreError;
use std::path::Path;
use std::sync::Arc;

/// The file, as messages name it.
#[derive(Clone, Debug)]
pub(super) struct Name(Arc<str>);

impl Name {
    pub(super) fn of(file: &Path) -> Name {
        Name(file.display().to_string().into())
    }

    pub(super) fn get(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// A number in a column of the store's own is out of range.
    pub(super) fn bad_number(&self) -> StoreError {
        let source = sqlx::Error::Decode("a number that no build writes".into());
        StoreError::Damaged {
            store: self.get(),
            source: Arc::new(source),
        }
    }

    /// What an error of the driver means.
    pub(super) fn error(&self, error: sqlx::Error) -> StoreError {
        const ERROR: i64 = 1;
        const READONLY: i64 = 8;
        const CORRUPT: i64 = 11;
        const FULL: i64 = 13;
        const CONSTRAINT: i64 = 19;
        const NOTADB: i64 = 26;
        let store = self.get();
        let code = error
            .as_database_error()
            .and_then(|error| error.code())
            .and_then(|code| code.parse::<i64>().ok())
            // The low byte is the kind; the rest says more of it.
            .map(|code| code & 0xff);
        match (code, &error) {
            (Some(FULL), _) => StoreError::Full { store },
            (Some(READONLY), _) => StoreError::ReadOnly { store },
            (Some(NOTADB), _) => StoreError::Foreign {
                store,
                found: "it is no SQLite file".to_owned(),
            },
            (Some(CORRUPT), _)
            | (None, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                StoreError::Damaged {
                    store,
                    source: Arc::new(error),
                }
            }
            (Some(CONSTRAINT), _) => StoreError::Constraint {
                store,
                source: Arc::new(error),
            },
            // The statements are the store's own, so what is wrong with them are the tables.
            (Some(ERROR), sqlx::Error::Database(database)) => StoreError::Schema {
                store,
                what: database.message().to_owned(),
            },
            _ => StoreError::Unavailable {
                store,
                source: Arc::new(error),
            },
        }
    }
}
