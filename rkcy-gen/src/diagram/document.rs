//! Owns what the diagram reads of the stable documents, `show model` and `show plan`, each as JSON: what
//! stands here is all that it knows of a schema.

use serde::Deserialize;

/// The model, as far as it is drawn.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) platform: Platform,
    pub(super) enums: Vec<Enum>,
    pub(super) messages: Vec<Message>,
    pub(super) events: Vec<Message>,
    pub(super) concerns: Vec<Concern>,
    pub(super) effects: Vec<Named>,
    pub(super) transactions: Vec<Named>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Platform {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Enum {
    pub(super) name: String,
    pub(super) values: Vec<Named>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Concern {
    pub(super) name: String,
    /// Index of the concern that it is in.
    pub(super) parent: Option<usize>,
    pub(super) keys: Vec<Field>,
    pub(super) fields: Vec<Field>,
    pub(super) commands: Vec<Named>,
    pub(super) queries: Vec<Named>,
    pub(super) lists: Vec<List>,
    pub(super) timers: Vec<Timer>,
}

#[derive(Debug, Deserialize)]
pub(super) struct List {
    pub(super) name: String,
    pub(super) by: Vec<ListPart>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListPart {
    /// The parts of the key come first, then the other fields.
    pub(super) field: usize,
    pub(super) descending: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Timer {
    pub(super) field: usize,
    pub(super) action: TimerAction,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimerAction {
    Delete,
    Command(usize),
    Transaction(usize),
}

#[derive(Debug, Deserialize)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) ty: Type,
}

#[derive(Debug, Deserialize)]
pub(super) struct Type {
    pub(super) value: Value,
    pub(super) many: Many,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Value {
    Scalar(String),
    Enum(usize),
    Message(usize),
    Ref(usize),
    IdOf(usize),
    ConfigRef(usize),
    Concern(usize),
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Many {
    One,
    Optional,
    List,
    Map,
}

impl Model {
    /// A type, as the schema writes it.
    fn type_text(&self, ty: &Type) -> String {
        let concern = |at: usize| self.concerns.get(at).map_or("?", |found| &found.name);
        let message = |at: usize| self.messages.get(at).map_or("?", |found| &found.name);
        let value = match &ty.value {
            Value::Scalar(name) => name.clone(),
            Value::Enum(at) => self
                .enums
                .get(*at)
                .map_or("?", |found| &found.name)
                .to_owned(),
            Value::Message(at) => message(*at).to_owned(),
            Value::ConfigRef(at) => format!("ref {}", message(*at)),
            Value::Ref(at) => format!("ref {}", concern(*at)),
            Value::IdOf(at) => format!("id of {}", concern(*at)),
            Value::Concern(at) => concern(*at).to_owned(),
        };
        match ty.many {
            Many::One => value,
            Many::Optional => format!("{value}?"),
            Many::List => format!("[{value}]"),
            Many::Map => format!("map<string, {value}>"),
        }
    }

    /// A field, as the schema writes it, without what it may hold.
    pub(super) fn field_text(&self, field: &Field) -> String {
        format!("{}: {}", field.name, self.type_text(&field.ty))
    }

    /// A timer, as the schema writes it.
    pub(super) fn timer_text(&self, concern: &Concern, timer: &Timer) -> String {
        let field = concern.fields.get(timer.field);
        let field = field.map_or("?", |field| &field.name);
        let named = |all: &[Named], at: usize| {
            let name = all.get(at).map_or("?", |found| &found.name);
            format!("at {field} run {name}(self)")
        };
        match timer.action {
            TimerAction::Delete => format!("at {field} delete"),
            TimerAction::Command(at) => named(&concern.commands, at),
            TimerAction::Transaction(at) => named(&self.transactions, at),
        }
    }

    /// The root of the group that a concern is in.
    pub(super) fn root(&self, mut concern: usize) -> usize {
        while let Some(parent) = self.concerns.get(concern).and_then(|found| found.parent) {
            concern = parent;
        }
        concern
    }
}

impl Concern {
    /// A list, as the schema writes it.
    pub(super) fn list_text(&self, list: &List) -> String {
        let mut parts = Vec::new();
        for part in &list.by {
            let field = self.keys.iter().chain(&self.fields).nth(part.field);
            let name = field.map_or("?", |field| &field.name);
            let desc = if part.descending { " desc" } else { "" };
            parts.push(format!("{name}{desc}"));
        }
        format!("list {} by {}", list.name, parts.join(", "))
    }
}

/// The plan, as far as it is drawn.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub(super) transactions: Vec<Transaction>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Transaction {
    pub(super) mode: String,
    pub(super) name: String,
    /// The figures are the most that it can come to.
    pub(super) at_most: bool,
    pub(super) visits: Vec<Visit>,
    pub(super) count: u64,
    pub(super) records: u64,
    pub(super) legs: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Visit {
    pub(super) instance: String,
    pub(super) access: String,
    pub(super) times: u64,
    pub(super) steps: Vec<Step>,
    pub(super) locked_hops: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Step {
    pub(super) text: String,
    pub(super) undo: Option<String>,
}
