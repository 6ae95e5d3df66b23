//! `txn show|list|cancel|resume`: where transactions are, and what an operator can do about them.

use super::remote::Remote;
use super::session::{Session, runtime};
use super::term::{Format, Ink, Term};
use super::txn::{refused, said};
use crate::driver::Client;
use crate::facts::{self, txn_id};
use rkcy_core::fault::Fault;
use rkcy_core::id::TxnId;
use rkcy_core::status::Ask;
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

impl About {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        if let Some(remote) = session.remote()? {
            return self.run_at(&remote, session.term);
        }
        let (term, desc) = (session.term, session.platform.desc);
        match self {
            About::Show(one) => {
                let id = txn_id(&one.id)?;
                let told = with_client(session, async |client| client.ask(Ask::One(id)).await)?;
                if told.is_empty() {
                    return Err(facts::unknown(id));
                }
                show(term, &facts::by_transaction(desc, &told));
            }
            About::List(list) => {
                let ask = match list.state {
                    State::Running => Ask::Running(list.limit),
                    State::Parked => Ask::Parked(list.limit),
                };
                let told = with_client(session, async |client| client.ask(ask).await)?;
                show(term, &facts::by_transaction(desc, &told));
            }
            About::Cancel(one) => {
                let id = txn_id(&one.id)?;
                let outcome = with_client(session, async |client| Ok(client.cancel(id).await))?;
                return Ok(match outcome {
                    Outcome::Refused(fault) if fault.code == "cancelled" => {
                        said(term, id, "cancelled", None)
                    }
                    Outcome::Committed(_) => {
                        refused(term, id, "committed", &facts::cancelled_too_late())
                    }
                    Outcome::Refused(fault) => refused(term, id, "refused", &fault),
                    Outcome::NotTaken(fault) if fault.code == "unknown_id" => {
                        return Err(facts::unknown(id));
                    }
                    Outcome::NotTaken(fault) => refused(term, id, "unknown", &fault),
                    Outcome::Parked(fault) => refused(term, id, "parked", &fault),
                });
            }
            About::Resume(one) => {
                let id = txn_id(&one.id)?;
                with_client(session, async |client| {
                    let told = client.ask(Ask::One(id)).await?;
                    let attempt = facts::parked_attempt(&told);
                    let attempt = attempt.ok_or_else(|| facts::not_parked(id))?;
                    client.resume(id, attempt).await
                })?;
                return Ok(said(term, id, "resumed", None));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The same at a platform in another process.
    fn run_at(&self, remote: &Remote, term: Term) -> Result<ExitCode, Fault> {
        let post = |path: String| remote.ask("POST", &path, &[], None)?.into_result();
        match self {
            About::Show(one) => {
                let id = txn_id(&one.id)?;
                let told = remote.get(&format!("/v1/id/{id}"))?;
                show(term, &listed(Json::Array(vec![told])));
            }
            About::List(list) => {
                let state = match list.state {
                    State::Running => "running",
                    State::Parked => "parked",
                };
                let path = format!("/v1/id?state={state}&limit={}", list.limit);
                show(term, &listed(remote.get(&path)?));
            }
            About::Cancel(one) => {
                let id = txn_id(&one.id)?;
                return Ok(match post(format!("/v1/id/{id}/cancel")) {
                    Ok(_) => said(term, id, "cancelled", None),
                    Err(fault) if fault.code == "unknown_id" => return Err(fault),
                    Err(fault) if fault.code == "committed" => {
                        refused(term, id, "committed", &fault)
                    }
                    Err(fault) => refused(term, id, "refused", &fault),
                });
            }
            About::Resume(one) => {
                let id = txn_id(&one.id)?;
                post(format!("/v1/id/{id}/resume"))?;
                return Ok(said(term, id, "resumed", None));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What an edge has told of transactions.
fn listed(told: Json) -> Vec<(TxnId, Vec<Json>)> {
    let Json::Array(told) = told else {
        return Vec::new();
    };
    let one = |mut told: Json| {
        let id = txn_id(told.get("id")?.as_str()?).ok()?;
        match told["facts"].take() {
            Json::Array(facts) => Some((id, facts)),
            _ => None,
        }
    };
    told.into_iter().filter_map(one).collect()
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

/// Prints what is known, one transaction after the other.
fn show(term: Term, told: &[(TxnId, Vec<Json>)]) {
    for (id, facts) in told {
        match term.format {
            Format::Json => term.print_json(&json!({ "id": id.to_string(), "facts": facts })),
            Format::Human => human(term, *id, facts),
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
