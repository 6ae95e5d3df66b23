//! `watch`: the finished transactions, as the audit of each partition tells of them, and as they come.

use super::remote::Remote;
use super::session::{Session, runtime};
use super::term::{Format, Ink};
use crate::codegen::{ConcernDesc, Timestamp};
use crate::driver::tail::{From, Heard};
use crate::driver::{Edited, Told};
use crate::facts;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::PartitionId;
use rkcy_core::txn::Outcome;
use serde_json::{Value as Json, json};
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Print the finished and failed transactions that the audit has kept, by the time they were decided, and those that come
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} watch -d
  {bin} watch --follow --errors --format json
Of transactions, only what runs with --audit all or --audit refused is told of. Where a platform runs, it tells of the last 8192; where
none does, of all that is kept, and of every edit of configuration.")]
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
    /// Go on with those that come, until Ctrl-C
    #[arg(short, long)]
    follow: bool,
}

impl Watch {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let concern = self
            .concern
            .as_deref()
            .map(|name| session.concern(name))
            .transpose()?;
        if let Some(remote) = session.remote()? {
            return self.listen_to(session, &remote);
        }
        if self.follow && session.settings.is_shared() {
            return self.listen(session, concern);
        }
        if self.follow {
            let message = "nothing runs here that could be followed: `run` it first";
            return Err(Fault::new(Class::Unavailable, "no_edge", message));
        }
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
        all.retain(|(_, told)| self.wants(told));
        all.sort_by_key(|(id, told)| (told.finished.decided, *id, told.number));
        let mut edits = edits.iter().peekable();
        for (id, told) in &all {
            while let Some(edited) = edits.next_if(|it| it.at <= told.finished.decided) {
                self.print_edit(session, edited)?;
            }
            self.print_told(session, *id, told);
        }
        for edited in edits {
            self.print_edit(session, edited)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What a platform in another process tells.
    fn listen_to(&self, session: &Session, remote: &Remote) -> Result<ExitCode, Fault> {
        let concern = self.concern.as_ref().map(|name| format!("&concern={name}"));
        let errors = if self.errors { "&errors=true" } else { "" };
        let path = format!(
            "/v1/events?from=start{}{errors}",
            concern.unwrap_or_default()
        );
        let caught_up = remote.events(&path, |kind, data| match kind {
            "finished" => {
                self.print(session, data);
                ControlFlow::Continue(())
            }
            "caught_up" if !self.follow => ControlFlow::Break(()),
            "missed" => {
                session
                    .term
                    .warn("some that came in between are not kept any more");
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        })?;
        match caught_up {
            ControlFlow::Break(()) => Ok(ExitCode::SUCCESS),
            ControlFlow::Continue(()) => {
                let message = "the platform has stopped";
                Err(Fault::new(Class::Unavailable, "closed", message))
            }
        }
    }

    /// What comes on a log that several processes share.
    fn listen(&self, session: &Session, concern: Option<&ConcernDesc>) -> Result<ExitCode, Fault> {
        let running = session.start()?;
        let mut listener = running.tail().listen(From::Start);
        let runtime = runtime()?;
        loop {
            match runtime.block_on(listener.next())? {
                Heard::Events(events) => {
                    for event in events {
                        let is_there = |it: &ConcernDesc| it.group == event.partition.concern;
                        if concern.is_none_or(is_there) && self.wants(&event.told) {
                            self.print_told(session, event.partition, &event.told);
                        }
                    }
                }
                Heard::Missed => {
                    (session.term).warn("some that came in between are not kept any more");
                }
                Heard::Caught => {}
            }
        }
    }

    fn wants(&self, told: &Told) -> bool {
        !self.errors || !matches!(told.finished.outcome, Outcome::Committed(_))
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

    fn print_told(&self, session: &Session, id: PartitionId, told: &Told) {
        let desc = session.platform.desc;
        self.print(session, facts::finished(desc, id, told, self.decode));
    }

    /// A transaction, as [`facts::finished`] tells it.
    fn print(&self, session: &Session, mut told: Json) {
        let term = session.term;
        if !self.decode {
            told["result"] = Json::Null;
        }
        if matches!(term.format, Format::Json) {
            return term.print_json(&told);
        }
        let text = |pointer: &str| told.pointer(pointer).and_then(Json::as_str);
        let word = |pointer: &str| text(pointer).unwrap_or_default();
        let ink = match word("/outcome") {
            "committed" => Ink::Good,
            "parked" => Ink::Note,
            _ => Ink::Bad,
        };
        let fault = ["/error", "/unreadable"].into_iter().find_map(|of| {
            let of = |what: &str| text(&format!("{of}/{what}"));
            let fault = Fault {
                class: Class::named(of("class")?)?,
                code: of("code")?.to_owned().into(),
                path: of("path")?.to_owned().into(),
                message: of("message")?.to_owned().into(),
            };
            Some(fault.to_string())
        });
        let result = Some(&told["result"]).filter(|result| !result.is_null());
        let more = fault.or(result.map(Json::to_string)).unwrap_or_default();
        let instances = told["instances"].as_array().into_iter().flatten();
        let instances: Vec<&str> = instances.filter_map(Json::as_str).collect();
        let line = format!(
            "{}  {}  {}  {}  {}  {more}",
            word("/decided"),
            term.paint(ink, word("/outcome")),
            word("/name"),
            instances.join(" "),
            term.paint(Ink::Faint, word("/id")),
        );
        term.print(line.trim_end());
    }
}
