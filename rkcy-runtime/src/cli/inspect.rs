//! `txn show|list|cancel|resume`: where transactions are, and what an operator can do about them.

use super::session::{Session, runtime};
use super::term::{Format, Ink, Term};
use super::txn::{refused, said};
use crate::driver::Client;
use crate::facts::{self, txn_id};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{PartitionId, TxnId};
use rkcy_core::status::{Ask, Fact, Status};
use rkcy_core::txn::Outcome;
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// What is done about a transaction.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum About {
    /// Where a transaction is, what it waits for, each step with payload and result
    Show(One),
    /// Transactions that run, or sagas that are parked
    List(List),
    /// End a transaction that has not come too far
    Cancel(One),
    /// Let a parked saga go on
    Resume(One),
}

/// One transaction.
#[derive(Debug, clap::Args)]
pub(crate) struct One {
    /// Its id
    id: String,
}

/// Transactions in a state.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// Which
    #[arg(long, value_enum, default_value_t)]
    state: State,
    /// The most of each partition that are listed
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    limit: u32,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum State {
    /// Those that run
    #[default]
    Running,
    /// Sagas that could not be undone
    Parked,
}

/// A fact with the partition that knows it.
type Told = (PartitionId, Status);

impl About {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let term = session.term;
        match self {
            About::Show(one) => {
                let id = txn_id(&one.id)?;
                let told = with_client(session, async |client| client.ask(Ask::One(id)).await)?;
                if told.is_empty() {
                    return Err(unknown(id));
                }
                show(session, &told);
            }
            About::List(list) => {
                let ask = match list.state {
                    State::Running => Ask::Running(list.limit),
                    State::Parked => Ask::Parked(list.limit),
                };
                show(
                    session,
                    &with_client(session, async |client| client.ask(ask).await)?,
                );
            }
            About::Cancel(one) => {
                let id = txn_id(&one.id)?;
                let outcome = with_client(session, async |client| Ok(client.cancel(id).await))?;
                return Ok(match outcome {
                    Outcome::Refused(fault) if fault.code == "cancelled" => {
                        said(term, id, "cancelled", None)
                    }
                    Outcome::Committed(_) => {
                        let message = "it was committed before it could be cancelled";
                        let fault = Fault::refusal("committed", message);
                        refused(term, id, "committed", &fault)
                    }
                    Outcome::Refused(fault) => refused(term, id, "refused", &fault),
                    Outcome::NotTaken(fault) if fault.code == "unknown_id" => {
                        return Err(unknown(id));
                    }
                    Outcome::NotTaken(fault) => refused(term, id, "unknown", &fault),
                    Outcome::Parked(fault) => refused(term, id, "parked", &fault),
                });
            }
            About::Resume(one) => {
                let id = txn_id(&one.id)?;
                with_client(session, async |client| {
                    let told = client.ask(Ask::One(id)).await?;
                    let attempt = told.into_iter().find_map(|(_, status)| match status.fact {
                        Fact::Parked { attempt, .. } => Some(attempt),
                        _ => None,
                    });
                    let attempt = attempt.ok_or_else(|| {
                        Fault::refusal("not_parked", format!("{id} is not parked"))
                    })?;
                    client.resume(id, attempt).await
                })?;
                return Ok(said(term, id, "resumed", None));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Starts the platform for one conversation.
fn with_client<T>(
    session: &Session,
    talk: impl AsyncFnOnce(&Client) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let running = session.start()?;
    let client = running.client();
    let told = runtime()?.block_on(talk(&client));
    drop(client);
    running.stop()?;
    told
}

fn unknown(id: TxnId) -> Fault {
    let message = format!("no partition knows {id}: it never was, or ended long ago");
    Fault::new(Class::Refusal, "unknown_id", message)
}

/// Prints what is known, one transaction after the other.
fn show(session: &Session, told: &[Told]) {
    let (term, desc) = (session.term, session.platform.desc);
    let mut sorted: Vec<&Told> = told.iter().collect();
    sorted.sort_by_key(|(partition, status)| (status.txn, *partition));
    for of_one in sorted.chunk_by(|one, other| one.1.txn == other.1.txn) {
        let facts =
            (of_one.iter()).map(|(partition, status)| facts::fact(desc, *partition, &status.fact));
        let facts: Vec<Json> = facts.collect();
        let Some((_, first)) = of_one.first() else {
            continue;
        };
        match term.format {
            Format::Json => {
                term.print_json(&json!({ "id": first.txn.to_string(), "facts": facts }));
            }
            Format::Human => human(term, first.txn, &facts),
        }
    }
    if term.format == Format::Human && told.is_empty() {
        term.say("there is none");
    }
}

fn human(term: Term, id: TxnId, facts: &[Json]) {
    term.print(&term.paint(Ink::Strong, &id.to_string()));
    for fact in facts {
        let text = |name: &str| fact.get(name).and_then(Json::as_str).unwrap_or_default();
        term.print(&format!("  {}  {}", text("partition"), text("says")));
        let Some(steps) = fact.pointer("/transaction/visits").and_then(Json::as_array) else {
            continue;
        };
        for visit in steps {
            let at = visit
                .get("group")
                .and_then(Json::as_str)
                .unwrap_or_default();
            let made = match visit.get("made").and_then(Json::as_bool) {
                Some(true) => term.paint(Ink::Good, "made"),
                _ => term.paint(Ink::Faint, "to come"),
            };
            term.print(&format!("    {at}  {made}"));
            for step in visit
                .get("steps")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
            {
                term.print(&format!(
                    "      {}",
                    term.paint(Ink::Faint, &step.to_string())
                ));
            }
        }
    }
}
