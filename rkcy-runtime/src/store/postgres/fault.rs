//! What an error of PostgreSQL means.
//!
//! Owns the mapping from its SQLSTATEs (<https://www.postgresql.org/docs/current/errcodes-appendix.html>)
//! and from the driver's own errors to [`StoreError`].

use crate::store::StoreError;
use sqlx::postgres::PgConnectOptions;
use std::sync::Arc;

/// The database, as messages name it: without secrets.
#[derive(Clone, Debug)]
pub(super) struct Name(Arc<str>);

impl Name {
    pub(super) fn of(options: &PgConnectOptions) -> Name {
        Name(super::settings::shown(options).into())
    }

    pub(super) fn get(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// Something stands in a column that no build writes.
    pub(super) fn unreadable(&self, what: &'static str) -> StoreError {
        StoreError::Damaged {
            store: self.get(),
            source: Arc::new(sqlx::Error::Decode(what.into())),
        }
    }

    /// It has not answered in time. Whether it did what was asked is unknown.
    pub(super) fn too_slow(&self) -> StoreError {
        self.no_answer("no answer in time")
    }

    fn no_answer(&self, what: &'static str) -> StoreError {
        let source = std::io::Error::new(std::io::ErrorKind::TimedOut, what);
        StoreError::Unavailable {
            store: self.get(),
            source: Arc::new(sqlx::Error::Io(source)),
        }
    }

    /// What an error of the driver means.
    pub(super) fn error(&self, error: sqlx::Error) -> StoreError {
        self.shared(&Arc::new(error))
    }

    /// The same of one that others keep as well.
    pub(super) fn shared(&self, error: &Arc<sqlx::Error>) -> StoreError {
        let source = Arc::clone(error);
        let store = self.get();
        let state = (error.as_database_error())
            .and_then(|error| error.code())
            .map(|code| code.into_owned());
        let said = || match &**error {
            sqlx::Error::Database(database) => database.message().to_owned(),
            other => other.to_string(),
        };
        let Some(state) = state else {
            return match &**error {
                sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                    StoreError::Damaged { store, source }
                }
                sqlx::Error::Tls(why) if is_lost(why.as_ref()) => {
                    StoreError::Unavailable { store, source }
                }
                sqlx::Error::Configuration(_) | sqlx::Error::Tls(_) => StoreError::Denied {
                    store,
                    what: said(),
                },
                // The server is away, or all connections hang: what each try said is not known any more.
                sqlx::Error::PoolTimedOut => self.no_answer("no connection in time"),
                _ => StoreError::Unavailable { store, source },
            };
        };
        match state.as_str() {
            // disk_full, configuration_limit_exceeded (temp_file_limit)
            "53100" | "53400" => StoreError::Full { store },
            // read_only_sql_transaction: a standby, or a database that was set so
            "25006" => StoreError::ReadOnly { store },
            // insufficient_privilege, invalid_catalog_name, and all of a failed log-in
            "42501" | "3D000" | "28000" | "28P01" => StoreError::Denied {
                store,
                what: said(),
            },
            // data_corrupted, index_corrupted
            "XX001" | "XX002" => StoreError::Damaged { store, source },
            // lock_not_available (lock_timeout), and not a wrong table as its neighbours are
            "55P03" => StoreError::Unavailable { store, source },
            _ => match &state[..2] {
                // Integrity constraints, and values that a column does not take.
                "23" | "22" => StoreError::Constraint { store, source },
                // The statements are the store's own, so what is wrong with them are the tables.
                "42" | "3F" | "0A" => StoreError::Schema {
                    store,
                    what: said(),
                },
                // Lost connections (08), serialization failures and deadlocks (40), lack of memory or
                // of connections (53), shutdown, crash, cancel and time-outs (57, 25P03), and what is not
                // known: it may pass, and is said each time.
                _ => StoreError::Unavailable { store, source },
            },
        }
    }
}

/// Whether a handshake of TLS ended because the connection did, as with a server that is killed in the middle
/// of it. OpenSSL has an error of the socket for that, or, where the socket only ended, one of two texts and
/// nothing behind it: "unexpected EOF" and, since 3.0, "unexpected eof while reading".
fn is_lost(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.is::<std::io::Error>())
        || error.to_string().to_lowercase().contains("unexpected eof")
}
