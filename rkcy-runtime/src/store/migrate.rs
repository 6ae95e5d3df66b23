//! Which migrations to apply, for any database.
//!
//! Owns the comparison of what a build brings with what a database has. Leaves running them to each
//! store. A migration is known by number and by the hash of its text, so that one edited after it was
//! applied is found instead of being taken for done.

use super::{Migration, StoreError};
use std::sync::Arc;

/// A migration as the database remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) hash: String,
}

/// Where a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigrationState {
    /// Applied, and unchanged since.
    Applied,
    /// Not applied yet.
    Pending,
    /// Applied, and changed since.
    Edited,
    /// Applied by another build; this one does not know it.
    Unknown,
}

impl std::fmt::Display for MigrationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            MigrationState::Applied => "applied",
            MigrationState::Pending => "pending",
            MigrationState::Edited => "edited",
            MigrationState::Unknown => "unknown",
        })
    }
}

/// One migration and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub state: MigrationState,
}

/// Hash of what a migration does, in both directions.
pub(super) fn hash(migration: &Migration) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for text in [migration.up, migration.down] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    format!("{:032x}", hasher.digest128())
}

/// A part of a migration, which is made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its statements; one alone where it stands outside of a transaction.
    pub(super) sql: &'static str,
    /// Whether it cannot stand in a transaction.
    pub(super) outside: bool,
}

/// What a part begins with, which is not the first.
const NEXT: &str = "-- rkcy: next transaction\n";
/// The same of one that stands outside of a transaction. It can be made twice: a crash may come before it is noted.
const OUTSIDE: &str = "-- rkcy: outside a transaction\n";

/// The parts of a migration, in their order: at least one.
pub(super) fn parts(sql: &'static str) -> Vec<Part> {
    let (mut parts, mut rest, mut outside) = (Vec::new(), sql, false);
    loop {
        let places = [
            (rest.find(NEXT), NEXT, false),
            (rest.find(OUTSIDE), OUTSIDE, true),
        ];
        let next = places
            .into_iter()
            .filter_map(|(at, mark, is_outside)| Some((at?, mark, is_outside)));
        let Some((at, mark, is_outside)) = next.min_by_key(|(at, ..)| *at) else {
            parts.push(Part { sql: rest, outside });
            return parts;
        };
        parts.push(Part {
            sql: &rest[..at],
            outside,
        });
        (rest, outside) = (&rest[at + mark.len()..], is_outside);
    }
}

/// All migrations that the build or the database knows, in order of number.
pub(super) fn status(migrations: &[Migration], applied: &[Applied]) -> Vec<MigrationStatus> {
    let mut all: Vec<MigrationStatus> = migrations
        .iter()
        .map(|ours| {
            let state = match applied.iter().find(|theirs| theirs.number == ours.number) {
                None => MigrationState::Pending,
                Some(theirs) if theirs.hash == hash(ours) => MigrationState::Applied,
                Some(_) => MigrationState::Edited,
            };
            MigrationStatus {
                number: ours.number,
                name: ours.name.to_owned(),
                state,
            }
        })
        .collect();
    for theirs in applied {
        if !migrations.iter().any(|ours| ours.number == theirs.number) {
            all.push(MigrationStatus {
                number: theirs.number,
                name: theirs.name.clone(),
                state: MigrationState::Unknown,
            });
        }
    }
    all.sort_by_key(|migration| migration.number);
    all
}

/// Refuses to go on where a migration was edited or is unknown.
pub(super) fn check(
    migrations: &[Migration],
    applied: &[Applied],
    store: &Arc<str>,
) -> Result<(), StoreError> {
    for MigrationStatus {
        number,
        name,
        state,
    } in status(migrations, applied)
    {
        let store = Arc::clone(store);
        match state {
            MigrationState::Edited => {
                return Err(StoreError::EditedMigration {
                    store,
                    number,
                    name,
                });
            }
            MigrationState::Unknown => {
                return Err(StoreError::UnknownMigration {
                    store,
                    number,
                    name,
                });
            }
            MigrationState::Applied | MigrationState::Pending => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Part, parts};

    #[test]
    fn a_migration_falls_into_its_parts() {
        let part = |sql, outside| Part { sql, outside };
        assert_eq!(parts("A;\n"), [part("A;\n", false)]);
        let sql = "A;\n-- rkcy: next transaction\nB;\n-- rkcy: outside a transaction\nC;\n";
        let expected = [part("A;\n", false), part("B;\n", false), part("C;\n", true)];
        assert_eq!(parts(sql), expected);
    }
}
