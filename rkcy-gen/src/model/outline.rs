//! Owns the model for people: one line for each thing, as near to the schema as resolved names
//! allow. For programs there is the JSON.

use rkcy_core::decimal;

use super::concern::{Answer, Builtin, Builtins, Concern, Payload};
use super::field::{Constraints, Field, Literal, Number};
use super::list::List;
use super::text::Text;
use super::timer::{Timer, TimerAction};
use super::transaction::{Block, Statement};
use super::types::{Many, Type, ValueType};
use super::{ConcernId, Model};

/// The model as text.
pub fn outline(model: &Model) -> String {
    let mut out = format!("platform {}\n", model.platform().name);
    let mut line = |indent: usize, text: String| {
        out.push_str(&"    ".repeat(indent));
        out.push_str(&text);
        out.push('\n');
    };
    for declared in model.enums() {
        let values: Vec<&str> = declared
            .values
            .iter()
            .map(|value| value.name.as_str())
            .collect();
        line(0, format!("enum {}: {}", declared.name, values.join(" ")));
    }
    for message in model.messages() {
        let word = if message.config { "config" } else { "message" };
        line(0, format!("{word} {}", message.name));
        message
            .fields
            .iter()
            .for_each(|field| line(1, show_field(model, field)));
    }
    for event in model.events() {
        line(0, format!("event {}", event.name));
        event
            .fields
            .iter()
            .for_each(|field| line(1, show_field(model, field)));
    }
    for concern in model.concerns() {
        let parent = match concern.parent {
            Some(parent) => format!(" in {}", model.concern(parent).name),
            None => String::new(),
        };
        line(
            0,
            format!(
                "concern {}{parent} (rank {})",
                concern.name,
                concern.id.index()
            ),
        );
        let parts: Vec<String> = concern
            .keys
            .iter()
            .map(|part| show_field(model, part))
            .collect();
        match parts.as_slice() {
            [key] => line(1, format!("key {key}")),
            parts => line(1, format!("key ({})", parts.join(", "))),
        }
        if concern.builtins != Builtins::default() {
            let words: Vec<&str> = Builtin::ALL
                .into_iter()
                .filter(|builtin| concern.builtins.has(*builtin))
                .map(Builtin::word)
                .collect();
            line(1, format!("only {}", words.join(", ")));
        }
        concern
            .fields
            .iter()
            .for_each(|field| line(1, show_field(model, field)));
        for command in &concern.commands {
            let result = command
                .result
                .as_ref()
                .map_or(String::new(), |answer| show_answer(model, answer));
            let undo = command.undo.map_or(String::new(), |id| {
                format!(" undo {}", concern.command(id).name)
            });
            let (refusals, related) = (&command.refusals, reads_related(command.related));
            line(
                1,
                format!(
                    "command {}({}){result}{undo}{refusals}{related}",
                    command.name,
                    show_payload(model, &command.payload)
                ),
            );
        }
        for query in &concern.queries {
            let (payload, result) = (
                show_payload(model, &query.payload),
                show_answer(model, &query.result),
            );
            line(
                1,
                format!(
                    "query {}({payload}){result}{}{}",
                    query.name,
                    query.refusals,
                    reads_related(query.related)
                ),
            );
        }
        for list in &concern.lists {
            line(1, show_list(concern, list));
        }
        for timer in &concern.timers {
            line(1, show_timer(model, concern, timer));
        }
    }
    for function in model.functions() {
        let params: Vec<String> = function
            .params
            .iter()
            .map(|param| show_field(model, param))
            .collect();
        let result = show_answer(model, &function.result);
        line(
            0,
            format!("function {}({}){result}", function.name, params.join(", ")),
        );
    }
    for effect in model.effects() {
        let payload = show_payload(model, &effect.payload);
        let result = effect.result.as_ref();
        let result = result.map_or(String::new(), |answer| show_answer(model, answer));
        let undo = effect.undo.map_or(String::new(), |id| {
            format!(" undo {}", model.effect(id).name)
        });
        let (name, refusals) = (&effect.name, &effect.refusals);
        line(
            0,
            format!("effect {name}({payload}){result}{undo}{refusals}"),
        );
    }
    for transaction in model.transactions() {
        let params: Vec<String> = transaction
            .params
            .iter()
            .map(|param| show_field(model, param))
            .collect();
        let result = transaction
            .result
            .as_ref()
            .map_or(String::new(), |answer| show_answer(model, answer));
        let refusals = &transaction.refusals;
        line(
            0,
            format!(
                "{} {}({}){result}{refusals}",
                transaction.mode.word(),
                transaction.name,
                params.join(", ")
            ),
        );
        let text = Text::new(model, transaction);
        block(&text, &transaction.body, 1, "return", &mut line);
    }
    out
}

/// `list recent by customer, placed desc, id`: with the parts of the key that it ends in.
fn show_list(concern: &Concern, list: &List) -> String {
    let fields: Vec<&Field> = concern.all_fields().collect();
    let parts = list.by.iter().chain(&list.then).map(|part| {
        let desc = if part.descending { " desc" } else { "" };
        format!("{}{desc}", fields[part.field].name)
    });
    let parts: Vec<String> = parts.collect();
    format!("list {} by {}", list.name, parts.join(", "))
}

fn show_timer(model: &Model, concern: &Concern, timer: &Timer) -> String {
    let field = &concern.fields[timer.field].name;
    match timer.action {
        TimerAction::Delete => format!("at {field} delete"),
        TimerAction::Command(id) => format!("at {field} run {}(self)", concern.command(id).name),
        TimerAction::Transaction(id) => {
            let transaction = model.transaction(id);
            format!(
                "at {field} run {} {}(self)",
                transaction.mode.word(),
                transaction.name
            )
        }
    }
}

fn reads_related(related: bool) -> &'static str {
    if related { " @related" } else { "" }
}

/// The statements of a block, and what it gives behind the word for that.
fn block(
    text: &Text<'_>,
    block: &Block,
    indent: usize,
    word: &str,
    line: &mut dyn FnMut(usize, String),
) {
    for statement in &block.statements {
        line(indent, text.statement(statement));
        match statement {
            Statement::Step(_)
            | Statement::Call(_)
            | Statement::Require(_)
            | Statement::Emit(_) => {}
            Statement::If(branch) => {
                self::block(text, &branch.then, indent + 1, "yield", line);
                if let Some(otherwise) = &branch.otherwise {
                    line(indent, "else".to_owned());
                    self::block(text, otherwise, indent + 1, "yield", line);
                }
            }
            Statement::For(turns) => self::block(text, &turns.body, indent + 1, "yield", line),
        }
    }
    if let Some(value) = &block.value {
        line(indent, format!("{word} {}", text.expr(value)));
    }
}

fn concern(model: &Model, id: ConcernId) -> &str {
    &model.concern(id).name
}

fn show_type(model: &Model, ty: Type) -> String {
    let value = match ty.value {
        ValueType::Scalar(scalar) => scalar.to_string(),
        ValueType::Enum(id) => model.enumeration(id).name.clone(),
        ValueType::Message(id) => model.message(id).name.clone(),
        ValueType::Ref(id) => format!("ref {}", concern(model, id)),
        ValueType::IdOf(id) => format!("id of {}", concern(model, id)),
        ValueType::ConfigRef(id) => format!("ref {}", model.message(id).name),
        ValueType::Concern(id) => concern(model, id).to_owned(),
    };
    match ty.many {
        Many::One => value,
        Many::Optional => format!("{value}?"),
        Many::List => format!("[{value}]"),
        Many::Map => format!("map<string, {value}>"),
    }
}

fn show_field(model: &Model, field: &Field) -> String {
    let mut text = format!(
        "{}: {}{}",
        field.name,
        show_type(model, field.ty),
        show_constraints(&field.constraints)
    );
    if let Some(default) = &field.default {
        text.push_str(&format!(" = {}", show_literal(model, default)));
    } else if let Some(auto) = field.auto {
        text.push_str(&format!(" @auto({})", auto.word()));
    } else if field.omissible {
        text.push_str(" (may be left out)");
    }
    text
}

fn show_constraints(constraints: &Constraints) -> String {
    let mut text = String::new();
    if let Some(min) = constraints.min {
        text.push_str(&format!(" @min({})", show_number(min)));
    }
    if let Some(max) = constraints.max {
        text.push_str(&format!(" @max({})", show_number(max)));
    }
    if let Some(length) = constraints.length {
        let max = length.max.map_or(String::new(), |max| format!("={max}"));
        text.push_str(&format!(" @length({}..{max})", length.min));
    }
    if let Some(pattern) = &constraints.pattern {
        text.push_str(&format!(" @pattern({pattern:?})"));
    }
    text
}

fn show_number(number: Number) -> String {
    match number {
        Number::Int(value) => value.to_string(),
        Number::Float(value) => value.to_string(),
        Number::Decimal(units, scale) => decimal::show(units, scale),
    }
}

pub(super) fn show_literal(model: &Model, literal: &Literal) -> String {
    match literal {
        Literal::Bool(value) => value.to_string(),
        Literal::Number(number) => show_number(*number),
        Literal::String(text) => format!("{text:?}"),
        Literal::Enum(id, index) => model
            .enumeration(*id)
            .values
            .get(*index as usize)
            .map_or(String::new(), |value| value.name.clone()),
        Literal::EmptyList => "[]".to_owned(),
    }
}

fn show_payload(model: &Model, payload: &Payload) -> String {
    match payload {
        Payload::Empty => String::new(),
        Payload::Message(id) => model.message(*id).name.clone(),
        Payload::Fields(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| show_field(model, field))
                .collect();
            fields.join(", ")
        }
    }
}

fn show_answer(model: &Model, answer: &Answer) -> String {
    format!(
        " -> {}{}",
        show_type(model, answer.ty),
        show_constraints(&answer.constraints)
    )
}
