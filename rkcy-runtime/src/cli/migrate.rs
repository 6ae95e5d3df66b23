//! `migrate`: the schema of the database.

use super::session::{Session, runtime};
use super::term::{Format, Ink};
use crate::store::{MigrationState, Store, StoreError};
use clap::Subcommand;
use rkcy_core::fault::{Class, Fault};
use serde_json::json;
use std::process::ExitCode;

/// Bring the database's schema up or down, or say where it stands
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  {bin} migrate status\n  {bin} migrate up\n  {bin} migrate down --keep 1"
)]
pub(crate) struct Migrate {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Apply what is not applied yet
    Up,
    /// Take back the last migration, or all above --keep
    Down {
        /// Number of the last migration that stays
        #[arg(long, value_name = "N")]
        keep: Option<u32>,
        /// Allow what throws rows away: keeping none drops every table
        #[arg(long)]
        drop_data: bool,
    },
    /// List the migrations; exits 1 unless all are applied, 3 where the tables were changed beside them
    Status,
}

impl Migrate {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let runtime = runtime()?;
        let store = runtime.block_on(async {
            match self.action {
                Action::Up => session.database_or_new().await,
                _ => session.database().await,
            }
        })?;
        let done = runtime.block_on(self.act(session, &*store));
        runtime.block_on(store.close());
        done
    }

    async fn act(&self, session: &Session, store: &dyn Store) -> Result<ExitCode, Fault> {
        let (term, migrations) = (
            session.term,
            session.platform.desc.migrations(store.dialect()),
        );
        match self.action {
            Action::Up => {
                let applied = store.migrate_up(migrations).await?;
                said(session, "applied", &applied);
            }
            Action::Down { keep, drop_data } => {
                let status = store.migrate_status(migrations).await?;
                let applied: Vec<u32> = (status.iter())
                    .filter(|migration| migration.state != MigrationState::Pending)
                    .map(|migration| migration.number)
                    .collect();
                let before_last = applied.iter().rev().nth(1).copied().unwrap_or(0);
                let keep = keep.unwrap_or(before_last);
                if keep == 0 && !applied.is_empty() && !drop_data {
                    let message = "this drops every table, and the log does not hold what was in them: \
                                   say --drop-data if that is meant";
                    return Err(Fault::new(Class::Invalid, "drops_data", message));
                }
                let taken = store.migrate_down(migrations, keep).await?;
                said(session, "taken back", &taken);
            }
            Action::Status => {
                let status = store.migrate_status(migrations).await?;
                match term.format {
                    Format::Json => status.iter().for_each(|migration| {
                        term.print_json(&json!({
                            "number": migration.number,
                            "name": migration.name,
                            "state": migration.state.to_string(),
                        }));
                    }),
                    Format::Human => {
                        let rows: Vec<Vec<String>> = (status.iter())
                            .map(|migration| {
                                vec![
                                    format!("{:04}", migration.number),
                                    migration.name.clone(),
                                    migration.state.to_string(),
                                ]
                            })
                            .collect();
                        term.print(&term.table(&["number", "name", "state"], &rows, &[]));
                    }
                }
                if status
                    .iter()
                    .any(|migration| migration.state != MigrationState::Applied)
                {
                    return Ok(ExitCode::from(1));
                }
                // Whether it may be written is not asked here.
                match store.check(migrations).await {
                    Ok(()) | Err(StoreError::ReadOnly { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn said(session: &Session, what: &str, numbers: &[u32]) {
    let term = session.term;
    match term.format {
        Format::Json => term.print_json(&json!({ what.replace(' ', "_"): numbers })),
        Format::Human if numbers.is_empty() => term.print("nothing to do"),
        Format::Human => numbers.iter().for_each(|number| {
            term.print(&format!("{} {number:04}", term.paint(Ink::Good, what)));
        }),
    }
}
