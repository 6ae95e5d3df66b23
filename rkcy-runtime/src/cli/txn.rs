//! `txn`: submits one transaction, or one command of a concern; what is asked and done about others is
//! [`super::inspect`]'s.

use super::args;
use super::inspect::About;
use super::remote::{self, Remote};
use super::session::{Session, runtime};
use super::term::{Format, Ink, Term};
use crate::codegen::{self, Bytes, ConcernDesc, IdempotencyKey, OpDesc, op};
use crate::driver::Client;
use crate::edge::instance_path;
use crate::facts::{fault_json, reused, txn_id};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::TxnId;
use rkcy_core::key::Key;
use rkcy_core::txn::{self, Access, Outcome};
use serde_json::{Map, Value as Json, json};
use std::process::ExitCode;

/// Submit one transaction and print its result
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} txn sign_up username=anna fullname='Anna of Green Gables'
  {bin} txn fund to=<ID> amount.gold=5
  {bin} txn fund --json '{\"to\":\"<ID>\",\"amount\":{\"gold\":5}}'
  {bin} txn Character.rename <ID> fullname=Bob
  {bin} txn fund to=<ID> amount.gold=5 --key order-7
  {bin} txn show <ID>
  {bin} txn list --state parked")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Txn {
    #[command(subcommand)]
    about: Option<About>,
    /// A transaction of the schema, or `Concern.command` followed by a key
    #[arg(required = true)]
    name: Option<String>,
    /// Arguments: a value is JSON if that fits, else text; `amount.gold=5` names a field inside
    #[arg(value_name = "ARG=VALUE")]
    args: Vec<String>,
    /// Arguments as a JSON object; @FILE reads it from a file, - from stdin
    #[arg(long, value_name = "J|@FILE|-")]
    json: Option<String>,
    /// Its id, a UUID of version 7: submitted twice, it runs once
    #[arg(long, value_name = "UUID")]
    id: Option<String>,
    /// An idempotency key, of up to 256 bytes: who repeats the same with it hears what came of the first time, for a
    /// day after that has ended (`--key-life`)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Whose key it is: others may use it for something else
    #[arg(long, value_name = "NAME", requires = "key")]
    caller: Option<String>,
    /// Print the id as soon as the transaction is in the log
    #[arg(long)]
    no_wait: bool,
    /// Milliseconds that it may wait for others; then it is refused
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u32).range(1..))]
    deadline: Option<u32>,
}

/// Shows a result.
type Show = fn(&Bytes) -> Result<Json, Fault>;

impl Txn {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        if let Some(about) = &self.about {
            return about.run(session);
        }
        let id = self.id.as_deref().map_or(Ok(Client::new_id()), txn_id)?;
        // What is wrong with the input is said before anything is started.
        let logic = (session.platform.logic)(session.platform.desc.partitions);
        let json = &args::object(self.json.as_deref())?;
        let key = self.idempotency_key()?;
        let call = self.prepare(session, &Client::detached(logic), id, json)?.2;
        if let Some(remote) = session.remote()? {
            return self.submit_to(&remote, session.term, id, &call);
        }
        let running = session.start()?;
        let (mut client, runtime) = (running.client(), runtime()?);
        if let Some(key) = key {
            client = client.with_key(key);
        }
        let (mut planned, show, _) = self.prepare(session, &client, id, json)?;
        planned.budget = self.deadline.unwrap_or(0);
        let term = session.term;
        let outcome = if self.no_wait {
            runtime.block_on(client.enqueue(planned)).map(|()| None)
        } else {
            Ok(Some(runtime.block_on(client.outcome(planned))))
        };
        drop(client);
        let stopped = running.stop();
        let code = match outcome? {
            None => said(term, id, "submitted", None),
            Some(Outcome::Committed(result)) => {
                let result = result.map(|bytes| show(&bytes)).transpose();
                let result = result.map_err(|fault| match self.id {
                    Some(_) => reused(id),
                    None => fault,
                });
                said(term, id, "committed", result?)
            }
            Some(Outcome::Refused(fault)) => refused(term, id, "refused", &fault),
            Some(Outcome::NotTaken(fault)) => refused(term, id, "unknown", &fault),
            Some(Outcome::Parked(fault)) => refused(term, id, "parked", &fault),
        };
        stopped.map(|()| code)
    }

    fn idempotency_key(&self) -> Result<Option<IdempotencyKey>, Fault> {
        let Some(key) = &self.key else {
            return Ok(None);
        };
        let caller = self.caller.as_deref().unwrap_or_default();
        IdempotencyKey::new(key)?.of(caller).map(Some)
    }

    /// Submits it to a platform in another process.
    fn submit_to(
        &self,
        remote: &Remote,
        term: Term,
        id: TxnId,
        call: &Call,
    ) -> Result<ExitCode, Fault> {
        let mut headers = vec![remote::named(id)];
        headers.extend((self.deadline).map(|budget| ("rkcy-deadline", budget.to_string())));
        headers.extend((self.no_wait).then(|| ("prefer", "respond-async".to_owned())));
        headers.extend((self.key.clone()).map(|key| ("idempotency-key", key)));
        headers.extend((self.caller.clone()).map(|caller| ("rkcy-caller", caller)));
        let answer = remote.ask(call.method, &call.path, &headers, call.body.as_ref())?;
        Ok(match answer.into_result() {
            Ok(_) if self.no_wait => said(term, id, "submitted", None),
            // A transaction and a command tell more than their result.
            Ok(mut told) => match told.get("outcome") {
                Some(_) => said(term, id, "committed", Some(told["result"].take())),
                None => said(term, id, "committed", Some(told)),
            },
            Err(fault) => {
                let outcome = match (fault.class, fault.code.as_ref()) {
                    (_, "parked") => "parked",
                    (Class::Refusal | Class::Invalid, _) => "refused",
                    _ => "unknown",
                };
                refused(term, id, outcome, &fault)
            }
        })
    }

    /// What is asked for, planned, and as it is asked for over HTTP.
    fn prepare(
        &self,
        session: &Session,
        client: &Client,
        id: TxnId,
        json: &Map<String, Json>,
    ) -> Result<(txn::Txn, Show, Call), Fault> {
        let desc = session.platform.desc;
        let name = self.name.as_deref().unwrap_or_default();
        if let Some((concern, command)) = name.split_once('.') {
            let concern = session.concern(concern)?;
            let op = operation(concern, command, "command", |op| {
                op.access != Access::Shared
            })?;
            let (key, words) = key_and_words(concern, op, &self.args)?;
            let call = Call::of_op(concern, op, &key);
            let mut body = Json::Null;
            let planned = args::read(json, words, op.params, |json| {
                let params = json.as_object().cloned().unwrap_or_default();
                body = json;
                let origin = client.origin(id, client.caller());
                codegen::operation(origin, concern, op, key.clone(), params)
            })?;
            return Ok((planned, op.result_to_json, call.with(body)));
        }
        let Some(transaction) = desc.transaction(name) else {
            let known: Vec<&str> = (desc.transactions.iter()).map(|txn| txn.name).collect();
            return Err(args::unknown("transaction", name, &known));
        };
        let mut body = Json::Null;
        let planned = args::read(json, &self.args, transaction.params, |json| {
            body.clone_from(&json);
            (transaction.from_json)(json, client.origin(id, &Bytes::new()))
        })?;
        let path = format!("/v1/txn/{}", transaction.name);
        let call = Call {
            method: "POST",
            path,
            body: Some(body),
        };
        Ok((planned, transaction.result_to_json, call))
    }
}

/// A request to an edge.
struct Call {
    method: &'static str,
    path: String,
    body: Option<Json>,
}

impl Call {
    fn of_op(concern: &ConcernDesc, op: &OpDesc, key: &Key) -> Call {
        let instance = instance_path(concern, key);
        let (method, path) = match op.number {
            op::CREATE => ("POST", format!("/v1/c/{}", concern.name)),
            op::UPDATE => ("PATCH", instance),
            op::DELETE => ("DELETE", instance),
            _ => ("POST", format!("{instance}/{}", op.name)),
        };
        Call {
            method,
            path,
            body: None,
        }
    }

    /// With this body, where the method has one.
    fn with(self, body: Json) -> Call {
        let body = (self.method != "DELETE").then_some(body);
        Call { body, ..self }
    }
}

/// An operation of a concern by name.
pub(super) fn operation(
    concern: &'static ConcernDesc,
    name: &str,
    what: &str,
    fits: impl Fn(&OpDesc) -> bool,
) -> Result<&'static OpDesc, Fault> {
    let mut all = concern
        .ops
        .iter()
        .filter(|op| fits(op) && op.number != op::NONE);
    all.clone().find(|op| op.name == name).ok_or_else(|| {
        let known: Vec<&str> = all.by_ref().map(|op| op.name).collect();
        let fault = args::unknown(what, name, &known);
        Fault {
            message: format!("{}: {}", concern.name, fault.message).into(),
            ..fault
        }
    })
}

/// The key that stands in front of the arguments. `create` has it among them.
fn key_and_words<'a>(
    concern: &ConcernDesc,
    op: &OpDesc,
    words: &'a [String],
) -> Result<(Key, &'a [String]), Fault> {
    let Some((key, rest)) = words.split_first() else {
        let message = format!(
            "the key of a {} is missing: {}.{} KEY {}",
            concern.name,
            concern.name,
            op.name,
            args::signature(op.params)
        );
        return Err(Fault::new(Class::Invalid, "missing_key", message));
    };
    Ok(((concern.key_from_text)(key)?, rest))
}

pub(super) fn said(term: Term, id: TxnId, outcome: &str, result: Option<Json>) -> ExitCode {
    match term.format {
        Format::Json => term.print_json(&json!({
            "id": id.to_string(),
            "outcome": outcome,
            "result": result,
        })),
        Format::Human => {
            term.say(&format!("{} {id}", term.paint_err(Ink::Good, outcome)));
            if let Some(result) = result.filter(|result| !result.is_null()) {
                term.print_json(&result);
            }
        }
    }
    ExitCode::SUCCESS
}

pub(super) fn refused(term: Term, id: TxnId, outcome: &str, fault: &Fault) -> ExitCode {
    term.error(fault);
    match term.format {
        Format::Json => term.print_json(&json!({
            "id": id.to_string(),
            "outcome": outcome,
            "error": fault_json(fault),
        })),
        Format::Human if outcome == "unknown" => {
            term.say(&format!(
                "  ask again with --id {id}: it runs once, however often it is asked for"
            ));
        }
        Format::Human => {}
    }
    ExitCode::from(fault.class.exit_code())
}
