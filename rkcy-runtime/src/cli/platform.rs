//! `platform`: the topics of a platform on a log that several processes share, and its drain, on any log.

use super::drain::Drain;
use super::session::Session;
use super::term::{Format, Ink};
use crate::driver;
use clap::Subcommand;
use rkcy_core::fault::{Class, Fault};
use serde_json::json;
use std::process::ExitCode;

/// Make the topics of this platform on a Kafka cluster, say what is there, or drain it for another build
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  {bin} platform create --log kafka:localhost:9092 --partitions 8
  {bin} platform show --log kafka:localhost:9092
  {bin} platform drain
  {bin} platform drain --resume")]
pub(crate) struct Platform {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make what is missing; doing it again changes nothing
    Create,
    /// List the partitions, with what is kept of their streams
    Show,
    /// Let nothing new begin, and wait until nothing is in flight: then any build may start on what is there
    Drain(Drain),
    /// Change the number of partitions of a concern; not supported yet
    Resize {
        /// Name of the concern
        concern: String,
        /// Partitions it is to have
        partitions: u16,
    },
}

impl Platform {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let options = session.settings.options();
        match &self.action {
            Action::Create => {
                let made = driver::create(&session.platform, &options)?;
                created(session, &made);
            }
            Action::Show => {
                let (made, extents) = driver::show(&session.platform, &options)?;
                shown(session, &made, &extents);
            }
            Action::Drain(drain) => return drain.run(session),
            Action::Resize { concern, .. } => {
                session.concern(concern)?;
                let message = "changing the number of partitions is not supported yet";
                return Err(Fault::new(Class::Invalid, "not_supported", message));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn created(session: &Session, made: &driver::Made) {
    let term = session.term;
    match term.format {
        Format::Json => term.print_json(&json!({
            "made": made.topics,
            "partitions": made.partitions,
            "answers": made.answers,
            "log": made.log_id,
        })),
        Format::Human => {
            for topic in &made.topics {
                term.print(&format!("{} {topic}", term.paint(Ink::Good, "made")));
            }
            if made.topics.is_empty() {
                term.print("everything is there already");
            }
        }
    }
}

fn shown(session: &Session, made: &driver::Made, extents: &[driver::Extent]) {
    let (term, desc) = (session.term, session.platform.desc);
    let range = |range: &std::ops::Range<u64>| format!("{}..{}", range.start, range.end);
    match term.format {
        Format::Json => {
            let partitions = extents.iter().map(|extent| {
                json!({
                    "partition": desc.partition_text(extent.partition),
                    "commands": [extent.commands.start, extent.commands.end],
                    "changes": [extent.changes.start, extent.changes.end],
                })
            });
            term.print_json(&json!({
                "platform": desc.name,
                "env": session.settings.env,
                "log": made.log_id,
                "partitions": partitions.collect::<Vec<_>>(),
                "answers": made.answers,
            }));
        }
        Format::Human => {
            term.print(&format!(
                "{} in {}: {} partitions a concern, {} for answers",
                term.paint(Ink::Strong, desc.name),
                session.settings.env,
                made.partitions,
                made.answers
            ));
            let rows: Vec<Vec<String>> = (extents.iter())
                .map(|extent| {
                    vec![
                        desc.partition_text(extent.partition),
                        range(&extent.commands),
                        range(&extent.changes),
                    ]
                })
                .collect();
            term.print(&term.table(&["partition", "commands", "changes"], &rows, &[]));
        }
    }
}
