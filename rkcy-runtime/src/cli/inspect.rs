//! `txn show|list|cancel|resume`: where transactions are, and what an operator can do about them.

use super::session::{Session, runtime, txn_id};
use super::term::{Format, Ink, Term, fault_json};
use super::txn::{refused, said};
use crate::codegen::{Bytes, PlatformDesc};
use crate::driver::Client;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::{PartitionId, TxnId};
use rkcy_core::key::RowKey;
use rkcy_core::status::{Ask, Fact, Status};
use rkcy_core::txn::{Args, Mode, Outcome, Txn};
use rkcy_core::wire::Wire;
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
        let facts = of_one
            .iter()
            .map(|(partition, status)| fact(desc, *partition, &status.fact));
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

fn fact(desc: &PlatformDesc, at: PartitionId, fact: &Fact) -> Json {
    let mut json = match fact {
        Fact::Runs => json!({ "state": "runs", "says": "began here and runs" }),
        Fact::Ended(outcome) => ended(outcome),
        Fact::Waits {
            group,
            ahead,
            since,
            txn,
        } => json!({
            "state": "waits",
            "says": format!("waits for {} since {since} ms, {ahead} in front of it", desc.row_text(group)),
            "group": desc.row_text(group),
            "ahead": ahead,
            "since_ms": since,
            "transaction": transaction(desc, txn),
        }),
        Fact::Passed {
            groups,
            holds,
            next,
        } => {
            let named = |rows: &[RowKey]| -> Vec<String> {
                rows.iter().map(|row| desc.row_text(row)).collect()
            };
            let (locks, holds) = (named(groups), named(holds));
            let next = next.map(|next| desc.partition_text(next));
            let went = next
                .as_deref()
                .map_or("stayed".to_owned(), |next| format!("went on to {next}"));
            json!({
                "state": "passed",
                "says": format!("{went}; has locked {locks:?}, holds {holds:?}"),
                "locks": locks,
                "holds": holds,
                "next": next,
            })
        }
        Fact::Parked {
            attempt,
            fault,
            txn,
        } => json!({
            "state": "parked",
            "says": format!("parked, attempt {attempt}: {fault}"),
            "attempt": attempt,
            "error": fault_json(fault),
            "transaction": transaction(desc, txn),
        }),
    };
    json["partition"] = desc.partition_text(at).into();
    json
}

fn ended(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Committed(_) => json!({ "state": "committed", "says": "is committed" }),
        Outcome::Refused(fault) => {
            json!({ "state": "refused", "says": fault.to_string(), "error": fault_json(fault) })
        }
        Outcome::NotTaken(fault) | Outcome::Parked(fault) => {
            json!({ "state": "unknown", "says": fault.to_string(), "error": fault_json(fault) })
        }
    }
}

/// A transaction on its way: its visits, with payloads and results.
fn transaction(desc: &PlatformDesc, bytes: &Bytes) -> Json {
    let txn = match Txn::from_wire(bytes.clone()) {
        Ok(txn) => txn,
        Err(error) => return json!({ "unreadable": error.to_string() }),
    };
    let named = desc.numbered(txn.kind);
    let visits: Vec<Json> = (0_u16..)
        .zip(&txn.visits)
        .map(|(nth, visit)| {
            let steps: Vec<Json> = (visit.steps.iter())
                .map(|step| {
                    let row = step.row(&visit.group);
                    let op = row.and_then(|row| desc.op(row.concern, step.op));
                    let payload = match (&step.args, op) {
                        (Args::Ready(args), Some(op)) => (op.args_to_json)(args).ok(),
                        _ => None,
                    };
                    json!({
                        "step": step.number,
                        "instance": row.map(|row| desc.row_text(row)),
                        "operation": op.map_or_else(|| step.op.to_string(), |op| op.name.to_owned()),
                        "payload": payload,
                    })
                })
                .collect();
            json!({
                "group": desc.row_text(&visit.group),
                "made": nth < txn.next,
                "steps": steps,
            })
        })
        .collect();
    json!({
        "name": named.map_or("a single operation", |it| it.name),
        "mode": match txn.mode {
            Mode::Transaction => "transaction",
            Mode::Read => "read",
            Mode::GiveBack(_) => "give_back",
            Mode::Saga => "saga",
        },
        "stamp_ms": txn.id.stamp(),
        "visits": visits,
        "refused": txn.turned.as_ref().map(fault_json),
    })
}
