//! Owns how statements and expressions are shown to people: as the schema writes them.

use super::Model;
use super::expr::{CompareOp, Expr, ExprKind, Path, Root};
use super::field::Field;
use super::outline::show_literal;
use super::transaction::{
    Argument, Emit, For, Head, If, LocalKind, Require, Statement, Step, StepKind, Target,
    Transaction,
};

/// The text of a transaction's parts.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    model: &'a Model,
    transaction: &'a Transaction,
}

impl<'a> Text<'a> {
    /// The text of the parts of a transaction of the model.
    pub fn new(model: &'a Model, transaction: &'a Transaction) -> Self {
        Self { model, transaction }
    }

    /// A statement, without what stands in its braces.
    pub fn statement(&self, statement: &Statement) -> String {
        match statement {
            Statement::Step(id) => {
                let step = self.transaction.step(*id);
                bound(step.binding.as_deref(), self.step(step))
            }
            Statement::Call(id) => {
                let local = self.transaction.local(*id);
                let call = local.call().map_or(String::new(), |call| self.expr(call));
                bound(local.name.as_deref(), call)
            }
            Statement::Require(require) => self.require(require),
            Statement::Emit(emit) => self.emit(emit),
            Statement::If(branch) => self.branch(branch),
            Statement::For(turns) => self.turns(turns),
        }
    }

    /// `require COND else refusal`
    pub fn require(&self, require: &Require) -> String {
        let refusals = self.transaction.refusals.named();
        let refusal = refusals.get(require.refusal.index());
        let refusal = refusal.map_or("", |refusal| refusal.name.as_str());
        format!("require {} else {refusal}", self.expr(&require.condition))
    }

    /// `emit X { … }`
    pub fn emit(&self, emit: &Emit) -> String {
        let event = self.model.event(emit.event);
        let entries = self.entries(event.fields.iter().zip(&emit.fields));
        format!("emit {} {}", event.name, record(entries))
    }

    /// `if COND`
    pub fn branch(&self, branch: &If) -> String {
        let asked = match &branch.head {
            Head::Condition(condition) => self.expr(condition),
            Head::Present(id, optional) => {
                format!("let {} = {}", self.local(*id), self.expr(optional))
            }
        };
        let name = branch.result.map(|id| self.transaction.local(id));
        let name = name.and_then(|local| local.name.as_deref());
        bound(name, format!("if {asked}"))
    }

    /// `for element in list`
    pub fn turns(&self, turns: &For) -> String {
        let name = turns.result.map(|id| self.transaction.local(id));
        let name = name.and_then(|local| local.name.as_deref());
        let (element, list) = (self.local(turns.element), self.expr(&turns.list));
        bound(name, format!("for {element} in {list}"))
    }

    /// A step, without the name of its result.
    pub fn step(&self, step: &Step) -> String {
        match (&step.kind, &step.target) {
            (StepKind::Effect(id, argument), _) => {
                let name = &self.model.effect(*id).name;
                format!("{name}({})", self.argument(argument))
            }
            (kind, Some(target)) => self.on_instance(kind, target),
            (_, None) => String::new(),
        }
    }

    fn on_instance(&self, kind: &StepKind, target: &Target) -> String {
        let concern = self.model.concern(target.concern);
        let instance = format!("{}[{}]", concern.name, self.key(&target.key));
        let operation =
            |name: &str, argument| format!("{instance}.{name}({})", self.argument(argument));
        match kind {
            StepKind::Create(values) | StepKind::Ensure(values) => {
                self.instance(kind.word(), target, values)
            }
            StepKind::Get | StepKind::Find | StepKind::Delete => {
                format!("{} {instance}", kind.word())
            }
            StepKind::GetBy(unique, values) | StepKind::FindBy(unique, values) => {
                let word = kind.word();
                let fields = concern.unique_fields(&concern.uniques[*unique]);
                let pairs = fields.into_iter().zip(values);
                let pairs =
                    pairs.map(|(field, value)| format!("{}: {}", field.name, self.expr(value)));
                let pairs: Vec<String> = pairs.collect();
                format!("{word} {}[{}]", concern.name, pairs.join(", "))
            }
            StepKind::Update(values) => {
                let given = concern.fields.iter().zip(values);
                let given =
                    given.filter_map(|(field, value)| Some(self.entry(field, value.as_ref()?)));
                format!("update {instance} {}", record(given.collect()))
            }
            StepKind::Command(id, argument) => operation(&concern.command(*id).name, argument),
            StepKind::Query(id, argument) => operation(&concern.query(*id).name, argument),
            StepKind::Committed => format!("read {instance} as it is committed"),
            // It is on no instance.
            StepKind::Effect(..) => String::new(),
        }
    }

    fn instance(&self, word: &str, target: &Target, values: &[Expr]) -> String {
        let concern = self.model.concern(target.concern);
        let keys = concern.keys.iter().zip(target.key_parts());
        let pairs = keys.chain(concern.fields.iter().zip(values));
        let entries = self.entries(pairs);
        format!("{word} {} {}", concern.name, record(entries))
    }

    /// The entries of a record, without what is left out.
    fn entries<'e>(&self, pairs: impl Iterator<Item = (&'e Field, &'e Expr)>) -> Vec<String> {
        let is_given =
            |value: &Expr| !value.is_derived() && !matches!(value.kind, ExprKind::Default);
        let given = pairs.filter(|(_, value)| is_given(value));
        given
            .map(|(field, value)| self.entry(field, value))
            .collect()
    }

    fn entry(&self, field: &Field, value: &Expr) -> String {
        let value = self.expr(value);
        if value == field.name {
            value
        } else {
            format!("{}: {value}", field.name)
        }
    }

    fn argument(&self, argument: &Argument) -> String {
        match argument {
            Argument::Empty => String::new(),
            Argument::Message(expr) => self.expr(expr),
            Argument::Fields(list) => self.list(list),
        }
    }

    fn list(&self, list: &[Expr]) -> String {
        let items: Vec<String> = list.iter().map(|expr| self.expr(expr)).collect();
        items.join(", ")
    }

    /// A key as it stands between `[` and `]`: its parts, where it has several.
    pub fn key(&self, key: &Expr) -> String {
        match &key.kind {
            ExprKind::Key(_, parts) => self.list(parts),
            _ => self.expr(key),
        }
    }

    /// An expression.
    pub fn expr(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Literal(literal) => show_literal(self.model, literal),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Record(id, values) => {
                let message = self.model.message(*id);
                let entries = self.entries(message.fields.iter().zip(values));
                format!("{} {}", message.name, record(entries))
            }
            ExprKind::Key(id, _) => {
                format!("id of {}[{}]", self.model.concern(*id).name, self.key(expr))
            }
            ExprKind::List(values) => format!("[{}]", self.list(values)),
            ExprKind::Committed(id, key) => {
                format!("{}[{}]", self.model.concern(*id).name, self.key(key))
            }
            ExprKind::Call(id, arguments) => {
                let name = &self.model.function(*id).name;
                format!("{name}({})", self.list(arguments))
            }
            ExprKind::Default => "default".to_owned(),
            ExprKind::Absent => "absent".to_owned(),
            ExprKind::DerivedUuid(step) => format!("uuid({})", step.index()),
            ExprKind::AutoUuid(step, field) => format!("uuid({}, {field})", step.index()),
            ExprKind::Not(inner) => format!("!{}", self.expr(inner)),
            ExprKind::Compare(op, left, right) => {
                format!("{} {} {}", self.expr(left), symbol(*op), self.expr(right))
            }
            ExprKind::IsPresent(inner) => format!("{} is present", self.expr(inner)),
            ExprKind::IsAbsent(inner) => format!("{} is absent", self.expr(inner)),
        }
    }

    fn path(&self, path: &Path) -> String {
        let mut text = match path.root {
            Root::Param(id) => self.transaction.param(id).name.clone(),
            Root::Step(id) => {
                let step = self.transaction.step(id);
                match (&step.kind, &step.target, &step.binding) {
                    (StepKind::Committed, Some(target), _) => {
                        let concern = self.model.concern(target.concern);
                        format!("{}[{}]", concern.name, self.expr(&target.key))
                    }
                    (_, _, Some(name)) => name.clone(),
                    (_, _, None) => self.step(step),
                }
            }
            Root::Local(id) => self.local(id),
            Root::Now => "now".to_owned(),
            Root::Caller => "caller".to_owned(),
        };
        for field in &path.fields {
            text.push('.');
            text.push_str(&self.model.field(*field).name);
        }
        text
    }

    fn local(&self, id: super::LocalId) -> String {
        let local = self.transaction.local(id);
        match (&local.name, &local.kind) {
            (Some(name), _) => name.clone(),
            (None, LocalKind::Call(call)) => self.expr(call),
            (None, LocalKind::Turns) => "for …".to_owned(),
            (None, _) => "if …".to_owned(),
        }
    }
}

fn bound(name: Option<&str>, value: String) -> String {
    match name {
        Some(name) => format!("let {name} = {value}"),
        None => value,
    }
}

fn record(entries: Vec<String>) -> String {
    if entries.is_empty() {
        "{}".to_owned()
    } else {
        format!("{{ {} }}", entries.join(", "))
    }
}

/// A comparison as schemas and Rust write it.
pub(crate) fn symbol(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "==",
        CompareOp::Ne => "!=",
        CompareOp::Lt => "<",
        CompareOp::Le => "<=",
        CompareOp::Gt => ">",
        CompareOp::Ge => ">=",
    }
}
