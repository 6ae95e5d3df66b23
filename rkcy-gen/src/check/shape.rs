//! Pass 4: what only all declarations together tell.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Field, Many, MessageId, Scalar, ValueType};

impl Checker {
    pub(super) fn shapes(&mut self) {
        self.messages_end();
        self.required_refs_end();
        self.what_may_be_omitted();
        self.stored_names_differ();
    }

    /// No message contains itself through fields that are always there.
    fn messages_end(&mut self) {
        let inside = |field: &Field| match (field.ty.value, field.ty.many) {
            (ValueType::Message(id), Many::One) => Some(id.index()),
            _ => None,
        };
        let messages = self.schema.messages.iter();
        for circle in circles_of(messages.map(|message| message.fields.iter()), inside) {
            let Some((first, field)) = circle.first().copied() else {
                continue;
            };
            let message = &self.schema.messages[first];
            let field = &message.fields[field];
            let names: Vec<&str> = circle
                .iter()
                .map(|(index, _)| self.schema.messages[*index].name.as_str())
                .collect();
            let path = format!("{} → {}", names.join(" → "), message.name);
            let finding = Diagnostic::new(
                Code::RecursiveMessage,
                field.span,
                format!("`{}` contains itself, without end: {path}", message.name),
            )
            .help(format!(
                "let it end somewhere: make `{}` optional with `?`, or a list",
                field.name
            ));
            self.report(finding);
        }
    }

    /// An instance of one of the concerns in a circle could only be created after the others.
    fn required_refs_end(&mut self) {
        let target = |field: &Field| match (field.ty.value, field.ty.many) {
            (ValueType::Ref(id), Many::One) => Some(id.index()),
            _ => None,
        };
        let concerns = self.schema.concerns.iter();
        for circle in circles_of(concerns.map(|concern| concern.all_fields()), target) {
            let Some((first, field)) = circle.first().copied() else {
                continue;
            };
            let concern = &self.schema.concerns[first];
            let Some(field) = concern.all_fields().nth(field) else {
                continue;
            };
            let names: Vec<&str> = circle
                .iter()
                .map(|(index, _)| self.schema.concerns[*index].name.as_str())
                .collect();
            let path = format!("{} → {}", names.join(" → "), concern.name);
            let finding = Diagnostic::new(
                Code::RequiredCircle,
                field.span,
                format!("required references in a circle, so no instance can be the first: {path}"),
            )
            .help("make one of them optional with `?`, or an `id of`");
            self.report(finding);
        }
        self.keys_end();
    }

    /// A key that is made of the key of another, and so on, comes to stored types in the end.
    fn keys_end(&mut self) {
        let target = |key: &Field| match key.ty.value {
            ValueType::Ref(id) | ValueType::IdOf(id) => Some(id.index()),
            _ => None,
        };
        let concerns = self.schema.concerns.iter();
        for circle in circles_of(concerns.map(|concern| concern.keys.iter()), target) {
            let mut through_ids = None;
            for (node, part) in circle {
                let id = ConcernId::new(node);
                self.schema.lost_keys.insert(id);
                let key = &self.schema.concern(id).keys[part];
                if matches!(key.ty.value, ValueType::IdOf(_)) {
                    through_ids = through_ids.or(Some(key.span));
                }
            }
            // A circle of required references alone has been reported.
            if let Some(span) = through_ids {
                self.report(
                    Diagnostic::new(Code::RequiredCircle, span, "this key is made of itself").help(
                        "a key comes to a `uuid`, a `string`, an integer or an enum in the end",
                    ),
                );
            }
        }
    }

    /// What `create` and records may leave out.
    fn what_may_be_omitted(&mut self) {
        // From inner messages to outer ones; a circle of messages is an error already.
        // Sweeps go both ways, so that chains in either order are done at once.
        let mut changed = true;
        let mut order: Vec<usize> = (0..self.schema.messages.len()).collect();
        while changed {
            changed = false;
            order.reverse();
            for &index in &order {
                let message = &self.schema.messages[index];
                let omissible = message.fields.iter().all(|field| self.may_omit(field))
                    && self.nothing_is_lost(MessageId::new(index));
                if omissible && !message.omissible {
                    self.schema.messages[index].omissible = true;
                    changed = true;
                }
            }
        }
        for index in 0..self.schema.messages.len() {
            for at in 0..self.schema.messages[index].fields.len() {
                let omissible = self.may_omit(&self.schema.messages[index].fields[at]);
                self.schema.messages[index].fields[at].omissible = omissible;
            }
        }
        for index in 0..self.schema.events.len() {
            for at in 0..self.schema.events[index].fields.len() {
                let omissible = self.may_omit(&self.schema.events[index].fields[at]);
                self.schema.events[index].fields[at].omissible = omissible;
            }
        }
        for index in 0..self.schema.concerns.len() {
            for at in 0..self.schema.concerns[index].fields.len() {
                let omissible = self.may_omit(&self.schema.concerns[index].fields[at]);
                self.schema.concerns[index].fields[at].omissible = omissible;
            }
            // Two uuids that are derived from one step would be the same.
            let is_uuid = |key: &Field| key.ty.value == ValueType::Scalar(Scalar::Uuid);
            let keys = &mut self.schema.concerns[index].keys;
            let alone = keys.iter().filter(|key| is_uuid(key)).count() == 1;
            for key in keys {
                key.omissible = alone && is_uuid(key);
            }
        }
    }

    fn nothing_is_lost(&self, id: MessageId) -> bool {
        let owner = super::schema::Owner::Message(id);
        !self
            .schema
            .lost_members
            .iter()
            .any(|(lost, _)| *lost == owner)
    }

    fn may_omit(&self, field: &Field) -> bool {
        if field.default.is_some() || field.auto.is_some() {
            return true;
        }
        match (field.ty.many, field.ty.value) {
            (Many::Optional, _) => true,
            (Many::List | Many::Map, _) => field
                .constraints
                .length
                .is_none_or(|length| length.min == 0),
            (Many::One, ValueType::Scalar(Scalar::Bool | Scalar::Duration)) => true,
            (Many::One, ValueType::Scalar(scalar)) => {
                scalar.is_number() && field.constraints.take_zero(scalar)
            }
            (Many::One, ValueType::Message(id)) => self.schema.message(id).omissible,
            (Many::One, _) => false,
        }
    }
}

/// The circles in which declarations stand by their fields: `target` is the place of the declaration that a
/// field leads to. In the form of [`circles`], with the place of the field taken from each.
fn circles_of<'f, Fields: Iterator<Item = &'f Field>>(
    declared: impl Iterator<Item = Fields>,
    target: impl Fn(&Field) -> Option<usize>,
) -> Vec<Vec<(usize, usize)>> {
    let edges = declared.map(|fields| {
        let places = fields.enumerate();
        let leads = places.filter_map(|(at, field)| Some((at, target(field)?)));
        leads.collect()
    });
    circles(&edges.collect::<Vec<_>>())
}

/// The circles of a graph, each once, as nodes with the number of the edge taken from each. Every
/// node is in at most one of them: one report for each knot is enough.
fn circles(edges: &[Vec<(usize, usize)>]) -> Vec<Vec<(usize, usize)>> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        New,
        Open,
        Done,
    }
    let mut states = vec![State::New; edges.len()];
    let mut found: Vec<Vec<(usize, usize)>> = Vec::new();
    for start in 0..edges.len() {
        if states[start] != State::New {
            continue;
        }
        // A walk with a stack of its own: a chain of messages may be as long as it likes.
        let mut path: Vec<(usize, usize)> = vec![(start, 0)];
        states[start] = State::Open;
        while let Some((node, next)) = path.last().copied() {
            let Some((_, target)) = edges[node].get(next).copied() else {
                states[node] = State::Done;
                path.pop();
                continue;
            };
            if let Some(last) = path.last_mut() {
                last.1 += 1;
            }
            match states[target] {
                State::New => {
                    states[target] = State::Open;
                    path.push((target, 0));
                }
                State::Open => {
                    let from = path
                        .iter()
                        .position(|(node, _)| *node == target)
                        .unwrap_or(0);
                    let circle: Vec<(usize, usize)> = path[from..]
                        .iter()
                        .map(|(node, taken)| (*node, edges[*node][*taken - 1].0))
                        .collect();
                    let known = found
                        .iter()
                        .flatten()
                        .any(|(node, _)| circle.iter().any(|(other, _)| node == other));
                    if !known {
                        found.push(circle);
                    }
                }
                State::Done => {}
            }
        }
    }
    found
}
