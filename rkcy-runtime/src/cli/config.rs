//! `config`: objects that operators change while the platform runs.
//!
//! Owns how an object is named, shown and edited on the command line. When an edit counts is core's.

use super::args;
use super::session::Session;
use super::term::{Format, Ink};
use crate::codegen::{ConfigDesc, Key, Timestamp};
use clap::Subcommand;
use rkcy_core::config::Kept;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::key::RowKey;
use serde_json::{Map, Value as Json, json};
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Show and change the configuration: what operators set while the platform runs
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  {bin} config list\n  {bin} config set Limits <KEY> most=7\n  \
    {bin} config replace Limits <KEY> --json @limits.json\n  {bin} config set Limits <KEY> --remove\n\
    Handlers see an edit within moments, each partition for itself. Every edit stands in the audit: see `watch`."
)]
pub(crate) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Get(Get),
    Set(Set),
    Replace(Replace),
    List(List),
}

/// Print an object
#[derive(Debug, clap::Args)]
struct Get {
    #[command(flatten)]
    object: Object,
}

/// Change fields of an object, or make it: what is not given stays as it is, or is what the schema says
#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    object: Object,
    /// Fields: a value is JSON if that fits, else text; `a.b=1` is a field within one
    #[arg(value_name = "FIELD=VALUE", required_unless_present = "remove")]
    fields: Vec<String>,
    /// Remove the object
    #[arg(long, conflicts_with = "fields")]
    remove: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// Put a whole document in the place of an object; fields that it leaves out are what the schema says
#[derive(Debug, clap::Args)]
struct Replace {
    #[command(flatten)]
    object: Object,
    /// The document, a JSON object; @FILE reads it from a file, - from stdin
    #[arg(long, value_name = "J|@FILE|-")]
    json: String,
    #[command(flatten)]
    edit: EditArgs,
}

/// Print all objects, or those of one config
#[derive(Debug, clap::Args)]
struct List {
    /// Name of the config
    config: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Object {
    /// Name of the config
    config: String,
    /// Key of the object
    key: String,
}

#[derive(Debug, clap::Args)]
struct EditArgs {
    /// Who edits, for the audit [default: the user of the operating system]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Only where the object has this version, which `get` and `list` print; 0 is: where there is none
    #[arg(long, value_name = "N")]
    version: Option<u64>,
}

impl Config {
    pub(crate) fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        match &self.what {
            What::Get(get) => get.run(session),
            What::Set(set) => set.run(session),
            What::Replace(replace) => replace.run(session),
            What::List(list) => list.run(session),
        }
    }
}

fn config(session: &Session, name: &str) -> Result<&'static ConfigDesc, Fault> {
    let desc = session.platform.desc;
    desc.config(name).ok_or_else(|| {
        let known: Vec<&str> = desc.configs.iter().map(|config| config.name).collect();
        args::unknown("config", name, &known)
    })
}

impl Object {
    fn find(&self, session: &Session) -> Result<(&'static ConfigDesc, Key), Fault> {
        let config = config(session, &self.config)?;
        let key = (config.key_from_text)(&self.key).map_err(|fault| fault.at("key"))?;
        Ok((config, key))
    }
}

impl Get {
    fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (config, key) = self.object.find(session)?;
        let running = session.start()?;
        let topic = running.configs();
        running.stop()?;
        let (topic, object) = (topic?, config.object(key));
        let kept = topic.get(&object).filter(|kept| kept.entry.value.is_some());
        let kept = kept.ok_or_else(|| {
            let message = format!("there is no {}", config.object_text(&object));
            Fault::refusal("not_found", message)
        })?;
        print(session, config, &object, kept)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl List {
    fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let only = self.config.as_deref();
        let only = only.map(|name| config(session, name)).transpose()?;
        let running = session.start()?;
        let topic = running.configs();
        running.stop()?;
        let topic = topic?;
        if topic.unreadable() > 0 {
            session.term.warn(&format!(
                "{} edits cannot be read, and count for nothing",
                topic.unreadable()
            ));
        }
        for (object, kept) in topic.objects() {
            // One that the schema does not have any more is nobody's.
            let known = session.platform.desc.config_numbered(object.concern);
            let wanted = |config: &&ConfigDesc| only.is_none_or(|only| only.id == config.id);
            if let Some(config) = known.filter(wanted)
                && kept.entry.value.is_some()
            {
                print(session, config, object, kept)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn print(
    session: &Session,
    config: &ConfigDesc,
    object: &RowKey,
    kept: &Kept,
) -> Result<(), Fault> {
    let term = session.term;
    let value = kept.entry.value.as_ref();
    let value = value.map_or(Ok(Json::Null), |value| (config.to_json)(value))?;
    let (version, at) = (kept.entry.version, Timestamp::from_millis(kept.at));
    if let Some(Err(fault)) = kept.entry.value.as_ref().map(|value| (config.check)(value)) {
        let text = config.object_text(object);
        term.warn(&format!(
            "{text} is not as the schema wants it now: {fault}"
        ));
    }
    match term.format {
        Format::Json => term.print_json(&json!({
            "config": config.name,
            "key": (config.key_to_json)(&object.key)?,
            "version": version,
            "by": kept.by,
            "at": at.to_string(),
            "value": value,
        })),
        Format::Human => {
            let said = format!("version {version}, by {}, {at}", kept.by);
            let text = term.paint(Ink::Strong, &config.object_text(object));
            term.print(&format!("{text}  {}", term.paint(Ink::Faint, &said)));
            term.print_json(&value);
        }
    }
    Ok(())
}

impl Set {
    fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (config, key) = self.object.find(session)?;
        let id = (config.key_to_json)(&key)?;
        if self.remove {
            return self.edit.run(session, config, key, |_| Ok(None));
        }
        self.edit.run(session, config, key, |before| {
            let whole = match before {
                Some(Json::Object(before)) => before,
                _ => Map::from_iter([(key_name(config).to_owned(), id.clone())]),
            };
            let take = |given: Json| {
                let mut whole = Json::Object(whole.clone());
                merge(&mut whole, given);
                check_key(config, &whole, &id)?;
                (config.from_json)(whole)
            };
            let (_, value) = args::read(&Map::new(), &self.fields, config.fields, take)?;
            Ok(Some(value))
        })
    }
}

impl Replace {
    fn run(&self, session: &Session) -> Result<ExitCode, Fault> {
        let (config, key) = self.object.find(session)?;
        let mut document = args::object(Some(&self.json))?;
        let id = (config.key_to_json)(&key)?;
        document
            .entry(key_name(config))
            .or_insert_with(|| id.clone());
        let document = Json::Object(document);
        check_key(config, &document, &id)?;
        let (_, value) = (config.from_json)(document)?;
        self.edit
            .run(session, config, key, |_| Ok(Some(value.clone())))
    }
}

fn key_name(config: &ConfigDesc) -> &'static str {
    config.fields.first().map_or("", |key| key.name)
}

/// A document may name its key as well, if it is the one on the command line.
fn check_key(config: &ConfigDesc, document: &Json, id: &Json) -> Result<(), Fault> {
    let name = key_name(config);
    match document.get(name) {
        Some(other) if other != id => {
            let message = format!("{other} is another key than {id}: an object keeps its key");
            Err(Fault::new(Class::Invalid, "wrong_key", message).at(name))
        }
        _ => Ok(()),
    }
}

/// Puts what is given over what was there, field by field.
fn merge(into: &mut Json, given: Json) {
    match (into, given) {
        (Json::Object(into), Json::Object(given)) => {
            for (name, value) in given {
                merge(into.entry(name).or_insert(Json::Null), value);
            }
        }
        (into, given) => *into = given,
    }
}

impl EditArgs {
    /// Edits the object: `value` tells what it becomes by what it is, none where it is removed.
    fn run(
        &self,
        session: &Session,
        config: &ConfigDesc,
        key: Key,
        value: impl Fn(Option<Json>) -> Result<Option<crate::codegen::Bytes>, Fault>,
    ) -> Result<ExitCode, Fault> {
        let by = match &self.by {
            Some(by) => by.clone(),
            None => user(),
        };
        let object = config.object(key.clone());
        let text = config.object_text(&object);
        let running = session.start()?;
        let edited = running.edit_config(config, key, &by, |kept| {
            self.is_expected(kept, &text)?;
            let known = kept.and_then(|kept| kept.entry.value.as_ref());
            let known_json = known.map(|value| (config.to_json)(value)).transpose()?;
            let value = value(known_json)?;
            Ok(match value.as_ref() == known {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(value),
            })
        });
        let topic = edited.and_then(|edited| Ok((edited, running.configs()?)));
        running.stop()?;
        let (edited, topic) = topic?;
        let kept = topic.get(&object);
        match (edited, kept.filter(|kept| kept.entry.value.is_some())) {
            (None, None) => {
                let message = format!("there is no {text}");
                return Err(Fault::refusal("not_found", message));
            }
            (None, Some(_)) => session.term.say(&format!("{text} is so already")),
            (Some(version), None) => session
                .term
                .say(&format!("{text} is removed, version {version}")),
            (Some(version), Some(_)) => session.term.say(&format!("{text} has version {version}")),
        }
        if let Some(kept) = kept {
            print(session, config, &object, kept)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn is_expected(&self, kept: Option<&Kept>, text: &str) -> Result<(), Fault> {
        let found = kept.map_or(0, |kept| kept.entry.version);
        match self.version {
            Some(wanted) if wanted != found => {
                let who = kept.map_or(String::new(), |kept| format!(", by {}", kept.by));
                let message = format!(
                    "{text} has version {found}{who}, not {wanted}: look at it, and edit it again if that is still wanted"
                );
                Err(Fault::refusal("changed_meanwhile", message))
            }
            _ => Ok(()),
        }
    }
}

/// The user of the operating system, as the shell names it.
fn user() -> String {
    let named = ["USER", "LOGNAME"].map(|name| std::env::var(name).ok());
    let named = named.into_iter().flatten().find(|name| !name.is_empty());
    // A service may run without either.
    named.unwrap_or_else(|| "unknown".to_owned())
}
