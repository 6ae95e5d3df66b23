//! Owns `@was`: who was called how, as far as one schema tells. Whether there was such a name is known to
//! the lock.

use std::collections::HashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Field, FormerName, Payload};
use crate::syntax::Span;

/// Something with a name, and what it was called before.
struct Named<'a> {
    name: &'a str,
    span: Span,
    was: &'a [FormerName],
}

impl Checker {
    /// Former names are held against those that are there now, scope by scope.
    pub(super) fn former_names(&mut self) {
        let schema = &self.schema;
        let mut found = Vec::new();
        macro_rules! named {
            ($all:expr) => {
                $all.map(|it| Named {
                    name: &it.name,
                    span: it.span,
                    was: &it.was,
                })
            };
        }
        let types = named!(schema.concerns.iter())
            .chain(named!(schema.messages.iter()))
            .chain(named!(schema.events.iter()))
            .chain(named!(schema.enums.iter()));
        scope(types.collect(), &mut found);
        scope(named!(schema.transactions.iter()).collect(), &mut found);
        let mut fields = |all: &mut dyn Iterator<Item = &Field>| {
            scope(named!(all).collect(), &mut found);
        };
        for concern in &schema.concerns {
            fields(&mut concern.all_fields());
            let commands = concern.commands.iter().map(|it| &it.payload);
            let queries = concern.queries.iter().map(|it| &it.payload);
            for payload in commands.chain(queries) {
                if let Payload::Fields(params) = payload {
                    fields(&mut params.iter());
                }
            }
        }
        for message in &schema.messages {
            fields(&mut message.fields.iter());
        }
        for event in &schema.events {
            fields(&mut event.fields.iter());
        }
        for effect in &schema.effects {
            if let Payload::Fields(params) = &effect.payload {
                fields(&mut params.iter());
            }
        }
        for transaction in &schema.transactions {
            fields(&mut transaction.params.iter());
        }
        for declared in &schema.enums {
            scope(named!(declared.values.iter()).collect(), &mut found);
        }
        self.diagnostics.extend(found);
    }
}

/// What is wrong with the former names of one scope.
fn scope(all: Vec<Named<'_>>, found: &mut Vec<Diagnostic>) {
    let now: HashMap<&str, &Named<'_>> = all.iter().map(|it| (it.name, it)).collect();
    let mut claimed: HashMap<&str, Span> = HashMap::new();
    for Named { name, was, .. } in &all {
        for former in *was {
            let old = former.text.as_str();
            let finding = |message: String| Diagnostic::new(Code::WrongWas, former.span, message);
            if old == *name {
                let finding = finding(format!("`{name}` has this name now"));
                found.push(finding.help("write the name that it had before"));
            } else if let Some(first) = claimed.insert(old, former.span) {
                let finding = finding(format!("only one of two was called `{old}`"));
                let finding = finding.label(first, "this one says it too");
                found.push(finding.help("remove one `@was`; the other is new"));
            } else if let Some(there) = now.get(old).filter(|there| there.was.is_empty()) {
                let message = format!("`{old}` is still there, so `{name}` was not called so");
                let finding = finding(message).label(there.span, "here");
                found.push(finding.help(format!(
                    "remove this `@was`, or say with another one what `{old}` was before"
                )));
            }
        }
    }
}
