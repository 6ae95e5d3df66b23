//! Owns what a change of a schema breaks: for rows, for records in flight, for clients. Two models with their
//! locks go in, findings by code come out.
//!
//! ```text
//! old Model + Lock ─┐                    ┌─ field      on the wire, in JSON, in rows
//!                   ├─ what is the same ─┤
//! new Model + Lock ─┘   (by number)      └─ operation  commands, queries, transactions, concerns
//! ```

mod field;
mod operation;

use crate::diagnostic::{Code, Diagnostic};
use crate::lock::{Kind, Lock};
use crate::model::{Concern, Enum, FormerName, Message, Model};
use crate::syntax::Span;

/// A schema at one time.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// What it says.
    pub model: &'a Model,
    /// The numbers of all of it.
    pub lock: &'a Lock,
}

/// Everything that the change from the old schema to the new one breaks.
pub fn breaking(old: Version<'_>, new: Version<'_>) -> Vec<Diagnostic> {
    let mut comparison = Comparison {
        old,
        new,
        found: Vec::new(),
    };
    comparison.enums();
    comparison.messages();
    comparison.concerns();
    comparison.transactions();
    comparison.reserved();
    comparison.found
}

/// Two versions, and what was found so far.
struct Comparison<'a> {
    old: Version<'a>,
    new: Version<'a>,
    found: Vec<Diagnostic>,
}

/// Whose fields they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// A concern: they stand in rows, and in changelogs.
    Concern,
    /// A message: they may stand anywhere.
    Message,
    /// The parameters of an operation or a transaction: they stand in requests, and in command logs.
    Params,
}

impl<'a> Comparison<'a> {
    fn report(&mut self, code: Code, span: Span, message: String, help: &str) {
        self.found
            .push(Diagnostic::new(code, span, message).help(help));
    }

    /// Where something is reported that is gone with all around it.
    fn nowhere(&self) -> Span {
        self.new.model.platform().span
    }

    /// The concern with the rank of an old one.
    fn new_concern(&self, old: &Concern) -> Option<&'a Concern> {
        let rank = self.old.lock.rank(&old.name);
        let mut concerns = self.new.model.concerns().iter();
        concerns.find(|it| self.new.lock.rank(&it.name) == rank)
    }

    fn new_message(&self, old: &Message) -> Option<&'a Message> {
        let all = self.new.model.messages();
        successor(all, &old.name, |it| &it.name, |it| &it.was)
    }

    fn new_enum(&self, old: &Enum) -> Option<&'a Enum> {
        let all = self.new.model.enums();
        successor(all, &old.name, |it| &it.name, |it| &it.was)
    }

    fn enums(&mut self) {
        for old in self.old.model.enums() {
            let Some(new) = self.new_enum(old) else {
                continue;
            };
            for value in &old.values {
                let number = self.old.lock.value(&old.name, &value.name);
                let lock = self.new.lock;
                let is_it = |name: &str| lock.value(&new.name, name) == number;
                let Some(now) = new.values.iter().find(|it| is_it(&it.name)) else {
                    self.report(
                        Code::ValueGone,
                        new.span,
                        format!("the value `{}` of `{}` is gone, and records may hold it", value.name, old.name),
                        "keep it, and mark it `@deprecated`; where it was renamed, say so with `@was`",
                    );
                    continue;
                };
                let (before, after) = (value.json_name(), now.json_name());
                if before != after {
                    self.report(
                        Code::ValueNameInJson,
                        now.span,
                        format!("`{before}` is called `{after}` in JSON now"),
                        &format!("keep its name there: `@json(\"{before}\")`"),
                    );
                }
            }
        }
    }

    fn messages(&mut self) {
        for old in self.old.model.messages() {
            let Some(new) = self.new_message(old) else {
                continue;
            };
            self.fields(
                (Kind::Field, &old.name, &mut old.fields.iter()),
                (&new.name, &mut new.fields.iter(), new.span),
                Owner::Message,
            );
        }
    }

    /// A number that was retired stays so.
    fn reserved(&mut self) {
        let old = self.old.model;
        let mut owners: Vec<(Kind, &str, String, Span)> = Vec::new();
        for it in old.messages() {
            let new = self.new_message(it).map(|it| (it.name.clone(), it.span));
            owners.extend(new.map(|(new, span)| (Kind::Field, it.name.as_str(), new, span)));
        }
        for it in old.concerns() {
            let new = self.new_concern(it).map(|it| (it.name.clone(), it.span));
            owners.extend(new.map(|(new, span)| (Kind::Field, it.name.as_str(), new, span)));
        }
        for it in old.enums() {
            let new = self.new_enum(it).map(|it| (it.name.clone(), it.span));
            owners.extend(new.map(|(new, span)| (Kind::Value, it.name.as_str(), new, span)));
        }
        for (kind, owner, new, span) in owners {
            for (number, name) in self.old.lock.retired(kind, owner) {
                if !self.new.lock.retired(kind, &new).any(|it| it.0 == number) {
                    self.report(
                        Code::ReservedGone,
                        span,
                        format!("the number {number} of `{new}` was that of `{name}`, and is reserved no more"),
                        "restore its line `retired …` in the lock",
                    );
                }
            }
        }
    }
}

/// What something of an old name is now.
fn successor<'a, T>(
    all: &'a [T],
    old: &str,
    name: impl Fn(&T) -> &String,
    was: impl Fn(&T) -> &Vec<FormerName>,
) -> Option<&'a T> {
    let renamed = all
        .iter()
        .find(|it| was(it).iter().any(|it| it.text == old));
    renamed.or_else(|| all.iter().find(|it| name(it) == old))
}
