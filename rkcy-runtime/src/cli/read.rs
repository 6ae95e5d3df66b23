//! `get` and `query`: reads of one instance.

use super::args;
use super::remote;
use super::session::{Session, runtime};
use super::txn::operation;
use crate::codegen::{ConcernDesc, Key, op};
use crate::edge::instance_path;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::txn::Access;
use serde_json::Value as Json;
use std::process::ExitCode;

/// Print an instance
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  {bin} get Character <ID>\n  {bin} get Character <ID> --stale --format json"
)]
pub(crate) struct Get {
    /// Name of the concern
    concern: String,
    /// Key of the instance
    key: String,
    /// As the database has it, which may lag; works beside a platform that is running
    #[arg(long)]
    stale: bool,
}

/// Ask an instance
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  {bin} query Character <ID> worth")]
pub(crate) struct Query {
    /// Name of the concern
    concern: String,
    /// Key of the instance
    key: String,
    /// Name of the query
    name: String,
    /// Arguments: a value is JSON if that fits, else text
    #[arg(value_name = "ARG=VALUE")]
    args: Vec<String>,
    /// Arguments as a JSON object; @FILE reads it from a file, - from stdin
    #[arg(long, value_name = "J|@FILE|-")]
    json: Option<String>,
}

impl Get {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let concern = session.concern(&self.concern)?;
        let key = (concern.key_from_text)(&self.key)?;
        let instance = if self.stale {
            stale(session, concern, key)?
        } else {
            // A concern may do without it.
            operation(concern, "get", "operation", |op| op.number == op::GET)?;
            match session.remote()? {
                Some(remote) => remote.get(&instance_path(concern, &key))?,
                None => {
                    let bytes = ask(session, concern, key, op::GET, crate::codegen::Bytes::new())?;
                    (concern.to_json)(&bytes)?
                }
            }
        };
        session.term.print_json(&instance);
        Ok(ExitCode::SUCCESS)
    }
}

impl Query {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let concern = session.concern(&self.concern)?;
        let own =
            |op: &crate::codegen::OpDesc| op.access == Access::Shared && op.number >= op::FIRST_OWN;
        let query = operation(concern, &self.name, "query", own)?;
        let key = (concern.key_from_text)(&self.key)?;
        let json = &args::object(self.json.as_deref())?;
        let args = args::read(json, &self.args, query.params, query.args_from_json)?;
        let answer = match session.remote()? {
            Some(remote) => {
                let args = remote::query_string(&(query.args_to_json)(&args)?);
                let instance = instance_path(concern, &key);
                remote.get(&format!("{instance}/{}{args}", query.name))?
            }
            None => {
                let answer = ask(session, concern, key, query.number, args)?;
                (query.result_to_json)(&answer)?
            }
        };
        session.term.print_json(&answer);
        Ok(ExitCode::SUCCESS)
    }
}

/// Reads through the log of a platform that is started for it.
fn ask(
    session: &Session,
    concern: &ConcernDesc,
    key: Key,
    op: u16,
    args: crate::codegen::Bytes,
) -> Result<crate::codegen::Bytes, Fault> {
    let running = session.start()?;
    let client = running.client();
    let answer = (concern.group_and_row(key))
        .and_then(|(group, row)| {
            let id = crate::driver::Client::new_id();
            client.single(id, group, row, op, Access::Shared, args)
        })
        .and_then(|planned| runtime()?.block_on(client.submit(planned)));
    drop(client);
    running.stop()?;
    answer
}

/// Reads from the database.
fn stale(session: &Session, concern: &ConcernDesc, key: Key) -> Result<Json, Fault> {
    let runtime = runtime()?;
    let rows = runtime.block_on(async {
        let store = session.database().await?;
        let rows = session.stored(&*store, concern, [key]).await;
        store.close().await;
        rows
    })?;
    let value = rows.into_iter().find_map(|row| row.value).ok_or_else(|| {
        let message = format!("the database has no such {}", concern.name);
        Fault::new(Class::Refusal, "not_found", message)
    })?;
    (concern.to_json)(&value)
}
