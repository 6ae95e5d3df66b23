//! `watch`: the finished transactions, as the audit of each partition tells of them.

use super::session::Session;
use super::term::{Format, Ink};
use crate::codegen::Timestamp;
use crate::driver::{Edited, Told};
use crate::facts::fault_json;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::txn::Outcome;
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// Print the finished and failed transactions that the audit has kept, by the time they were decided
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} watch -d
  {bin} watch --errors --format json
Of transactions, only what ran with --audit all or --audit refused is told of; of configuration, every edit.")]
pub(crate) struct Watch {
    /// With results
    #[arg(short, long)]
    decode: bool,
    /// Only those that were decided at an instance of this concern
    #[arg(long, value_name = "C")]
    concern: Option<String>,
    /// Only those that were not committed
    #[arg(long)]
    errors: bool,
}

impl Watch {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let concern = self
            .concern
            .as_deref()
            .map(|name| session.concern(name))
            .transpose()?;
        let running = session.start()?;
        let mut all: Vec<(PartitionId, Told)> = Vec::new();
        let read = running
            .all_partitions()
            .into_iter()
            .filter(|id| concern.is_none_or(|concern| concern.group == id.concern))
            .try_for_each(|id| running.audit(id, |told| all.push((id, told))));
        let mut edits = Vec::new();
        let read = match self.concern.is_none() && !self.errors {
            true => read.and_then(|()| running.edits(|edited| edits.push(edited))),
            false => read,
        };
        running.stop()?;
        read?;
        all.retain(|(_, told)| {
            !self.errors || !matches!(told.finished.outcome, Outcome::Committed(_))
        });
        all.sort_by_key(|(id, told)| (told.finished.decided, *id, told.number));
        let mut edits = edits.iter().peekable();
        for (id, told) in &all {
            while let Some(edited) = edits.next_if(|it| it.at <= told.finished.decided) {
                self.print_edit(session, edited)?;
            }
            self.print(session, *id, told)?;
        }
        for edited in edits {
            self.print_edit(session, edited)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// An edit of configuration.
    fn print_edit(&self, session: &Session, edited: &Edited) -> Result<(), Fault> {
        let (term, edit) = (session.term, &edited.edit);
        let known = session.platform.desc.config_numbered(edit.object.concern);
        let text = match known {
            Some(config) => config.object_text(&edit.object),
            None => format!("{:?}", edit.object),
        };
        let value = match (known, &edit.value) {
            (Some(config), Some(value)) if self.decode => (config.to_json)(value)?,
            _ => Json::Null,
        };
        let (at, is_removed) = (
            Timestamp::from_millis(edited.at).to_string(),
            edit.value.is_none(),
        );
        match term.format {
            Format::Json => term.print_json(&json!({
                "config": text,
                "by": edit.by,
                "at": at,
                "removed": is_removed,
                "value": value,
            })),
            Format::Human => {
                let word = if is_removed { "removed" } else { "configured" };
                let word = term.paint(Ink::Note, word);
                let value = if value.is_null() {
                    String::new()
                } else {
                    value.to_string()
                };
                let line = format!("{at}  {word}  {text}  by {}  {value}", edit.by);
                term.print(line.trim_end());
            }
        }
        Ok(())
    }

    fn print(&self, session: &Session, id: PartitionId, told: &Told) -> Result<(), Fault> {
        let (term, desc) = (session.term, session.platform.desc);
        let finished = &told.finished;
        let kind = desc.numbered(finished.kind);
        let name = kind.map_or("a single operation", |txn| txn.name);
        let groups: Vec<String> = finished
            .groups
            .iter()
            .map(|group| desc.row_text(group))
            .collect();
        let result = match (&finished.outcome, kind) {
            (Outcome::Committed(Some(bytes)), Some(txn)) if self.decode => {
                Some((txn.result_to_json)(bytes).map_err(|fault| Fault {
                    class: Class::Corrupt,
                    ..fault
                })?)
            }
            _ => None,
        };
        let (outcome, ink, fault) = match &finished.outcome {
            Outcome::Committed(_) => ("committed", Ink::Good, None),
            Outcome::Refused(fault) => ("refused", Ink::Bad, Some(fault)),
            Outcome::NotTaken(fault) => ("not taken", Ink::Bad, Some(fault)),
            Outcome::Parked(fault) => ("parked", Ink::Note, Some(fault)),
        };
        let decided = Timestamp::from_millis(finished.decided).to_string();
        match term.format {
            Format::Json => term.print_json(&json!({
                "partition": desc.partition_text(id),
                "number": told.number,
                "id": told.txn.to_string(),
                "name": name,
                "decided": decided,
                "instances": groups,
                "outcome": outcome,
                "error": fault.map(fault_json),
                "result": result,
            })),
            Format::Human => {
                let more = match (fault, result) {
                    (Some(fault), _) => fault.to_string(),
                    (None, Some(result)) if result != Json::Null => result.to_string(),
                    (None, _) => String::new(),
                };
                let line = format!(
                    "{decided}  {}  {name}  {}  {}  {more}",
                    term.paint(ink, outcome),
                    groups.join(" "),
                    term.paint(Ink::Faint, &told.txn.to_string()),
                );
                term.print(line.trim_end());
            }
        }
        Ok(())
    }
}
