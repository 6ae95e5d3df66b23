//! Pass 4, columns: what several names become one for in a database.

use std::collections::HashMap;

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Concern, Field, Many, ValueType};
use crate::naming;
use crate::syntax::Span;

/// A key of keys of keys is no deeper; one without end has been reported.
const DEEPEST: usize = 16;

/// What already has a name.
type Taken = HashMap<String, (String, Span)>;

impl Checker {
    /// Columns of one table, and tables, have names of their own.
    pub(super) fn stored_names_differ(&mut self) {
        let mut found = Vec::new();
        let mut tables = Taken::new();
        for concern in &self.schema.concerns {
            let what = format!("`{}`", concern.name);
            let name = naming::sql(&concern.name);
            // Two concerns with one name have been reported.
            tables.entry(name).or_insert((what, concern.span));
        }
        for concern in &self.schema.concerns {
            let mut columns = Taken::new();
            let own = concern.keys.iter().chain(&concern.fields);
            for field in own.filter(|field| !field.table) {
                for (name, what) in self.columns_of(field) {
                    take(&mut columns, "column", name, (what, field.span), &mut found);
                }
            }
            for list in concern.fields.iter().filter(|field| field.table) {
                let name = naming::sql_path(&concern.name, &list.name);
                let what = format!("`{}` of `{}`", list.name, concern.name);
                take(&mut tables, "table", name, (what, list.span), &mut found);
                self.list_columns_differ(concern, list, &mut found);
            }
        }
        for finding in found {
            self.report(finding);
        }
    }

    /// The table of a list has columns for the key of the instance as well.
    fn list_columns_differ(&self, concern: &Concern, list: &Field, found: &mut Vec<Diagnostic>) {
        let ValueType::Message(id) = list.ty.value else {
            return;
        };
        let mut columns = Taken::new();
        for key in &concern.keys {
            for (name, what) in self.columns_of(key) {
                let name = naming::sql_path(&concern.name, &name);
                let what = format!("{what} of `{}`", concern.name);
                take(&mut columns, "column", name, (what, key.span), found);
            }
        }
        for field in &self.schema.message(id).fields {
            for (name, what) in self.columns_of(field) {
                take(&mut columns, "column", name, (what, field.span), found);
            }
        }
    }

    /// The columns of a field, each with what stands in it.
    fn columns_of(&self, field: &Field) -> Vec<(String, String)> {
        let own = format!("`{}`", field.name);
        let name = naming::sql(&field.name);
        if let (ValueType::Message(id), Many::One | Many::Optional) =
            (field.ty.value, field.ty.many)
            && self.schema.message(id).is_flat()
        {
            let presence = naming::sql_path(&field.name, "present");
            let presence = (presence, format!("whether {own} is there"));
            let inner = self.schema.message(id).fields.iter().flat_map(|inner| {
                let what = format!("`{}.{}`", field.name, inner.name);
                let name = naming::sql_path(&field.name, &inner.name);
                let names = self.key_columns(name, inner.ty.value, 0);
                names.into_iter().map(move |name| (name, what.clone()))
            });
            let presence = Some(presence).filter(|_| field.ty.is_optional());
            return presence.into_iter().chain(inner).collect();
        }
        if field.ty.is_collection() || matches!(field.ty.value, ValueType::Message(_)) {
            return vec![(name, own)];
        }
        let names = self.key_columns(name, field.ty.value, 0).into_iter();
        names.map(|name| (name, own.clone())).collect()
    }

    /// The columns of a single value: several, where it is a key of several parts.
    fn key_columns(&self, name: String, value: ValueType, depth: usize) -> Vec<String> {
        let (ValueType::Ref(id) | ValueType::IdOf(id)) = value else {
            return vec![name];
        };
        if depth > DEEPEST {
            return Vec::new();
        }
        match self.schema.concern(id).keys.as_slice() {
            [only] => self.key_columns(name, only.ty.value, depth + 1),
            parts => {
                let parts = parts.iter().flat_map(|part| {
                    let name = naming::sql_path(&name, &part.name);
                    self.key_columns(name, part.ty.value, depth + 1)
                });
                parts.collect()
            }
        }
    }
}

/// Takes a name, or reports who has it.
fn take(
    taken: &mut Taken,
    kind: &str,
    name: String,
    (what, span): (String, Span),
    found: &mut Vec<Diagnostic>,
) {
    match taken.get(&name) {
        None => {
            taken.insert(name, (what, span));
        }
        // One that is declared twice has been reported.
        Some((other, _)) if *other == what => {}
        Some((other, first)) => {
            let message = format!("{what} and {other} both have the {kind} `{name}`");
            let finding = Diagnostic::new(Code::Collision, span, message);
            found.push(
                finding
                    .label(*first, "the other one")
                    .help("rename one of them"),
            );
        }
    }
}
