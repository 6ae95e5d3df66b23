//! Owns the body of a transaction in Rust: one function that reads like the schema. What is known at
//! submission is plain Rust; what comes out of results is a `Later`.

use std::collections::{BTreeSet, HashMap};

use super::Cx;
use super::expr::{Elements, Scope, atoms};
use super::types::Imports;
use crate::model::{
    Argument, Block, Concern, Constraints, Expr, ExprKind, For, Head, If, LocalId, Mode, Payload,
    Require, Root, Statement, Step, StepId, StepKind, Target, Text, Transaction, Type, ValueType,
};
use crate::naming::{self, Claims};

/// What is being written.
pub(super) struct Body<'a> {
    cx: &'a Cx<'a>,
    transaction: &'a Transaction,
    text: Text<'a>,
    imports: &'a mut Imports,
    /// The enum of the transaction's own refusals.
    refusal: Option<&'a str>,
    /// The steps whose results are used.
    kept: BTreeSet<StepId>,
    variables: Variables,
    /// What is used, in Rust too.
    used: BTreeSet<Root>,
    /// Whether what is written is run before it is known that it is to be.
    guarded: bool,
    /// How many blocks are around what is written.
    depth: usize,
}

/// The variables that stand for what is bound.
#[derive(Debug, Default, Clone)]
pub(super) struct Variables {
    /// Results, all of them `Later`.
    pub(super) results: HashMap<StepId, String>,
    /// Keys that are derived.
    pub(super) keys: HashMap<StepId, String>,
    /// `@auto(uuid)` fields that are left out.
    pub(super) autos: HashMap<(StepId, u32), String>,
    pub(super) locals: HashMap<LocalId, Variable>,
    names: Claims,
}

/// The variable of a local.
#[derive(Debug, Clone, Default)]
pub(super) struct Variable {
    pub(super) name: String,
    /// Whether it is a reference to the value.
    pub(super) is_reference: bool,
}

/// What becomes of the value of a block.
#[derive(Clone, Copy)]
enum Value {
    /// There is none.
    None,
    /// It is the value of a Rust block, of this type.
    Plain(Type),
    /// The same, as a `Later`.
    Later(Type),
    /// The same, in a closure that may fail.
    Closure(Type),
    /// A closure without a value: `Ok(())`, or with the empty value of a `Later`.
    Done { later: bool },
}

impl<'a> Body<'a> {
    pub(super) fn new(
        cx: &'a Cx<'a>,
        transaction: &'a Transaction,
        imports: &'a mut Imports,
        refusal: Option<&'a str>,
    ) -> Self {
        let mut kept = BTreeSet::new();
        transaction.each_expr(&mut |expr| kept.extend(transaction.needs(expr)));
        let mut variables = Variables::default();
        for taken in ["t", "now", "caller", "list"] {
            variables.names.claim(taken.to_owned());
        }
        Self {
            cx,
            transaction,
            text: Text::new(cx.model, transaction),
            imports,
            refusal,
            kept,
            variables,
            used: roots(transaction),
            guarded: false,
            depth: 0,
        }
    }

    /// The statements of the function.
    pub(super) fn write(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.used.contains(&Root::Now) {
            lines.push("let now = t.now();".to_owned());
        }
        if let Some(caller) = self.cx.model.platform().caller
            && self.used.contains(&Root::Caller)
        {
            let ty = self.cx.value_type(ValueType::Message(caller), self.imports);
            lines.push(format!("let caller: {ty} = t.caller()?;"));
        }
        let body = &self.transaction.body;
        lines.extend(self.statements(body));
        let (Some(result), Some(value)) = (&self.transaction.result, &body.value) else {
            lines.push("Ok(codegen::Later::known(()))".to_owned());
            return lines;
        };
        let is_shown = |value: &Expr| match &value.kind {
            ExprKind::Path(path) => match path.root {
                Root::Local(id) => self.transaction.local(id).name.is_some(),
                _ => true,
            },
            _ => true,
        };
        if is_shown(value) {
            lines.push(format!("// return {}", one_line(&self.text.expr(value))));
        }
        if result.constraints.is_empty() {
            lines.extend(self.tail(body, Value::Closure(result.ty)));
        } else {
            let ty = self.cx.rust_type(result.ty, self.imports);
            let given = self.tail(body, Value::Later(result.ty)).join("\n");
            lines.push(format!("let result: codegen::Later<{ty}> = {given};"));
            lines.extend(self.check(result.ty, &result.constraints, "result", "result", true));
            lines.push("Ok(result)".to_owned());
        }
        lines
    }

    fn scope(&mut self) -> Scope<'_> {
        Scope {
            cx: self.cx,
            transaction: self.transaction,
            imports: self.imports,
            variables: &self.variables,
        }
    }

    fn known(&self, expr: &Expr) -> bool {
        self.transaction.known_at_submission(expr)
    }

    /// The statements of a block, without one at its end that is its value.
    fn statements(&mut self, block: &Block) -> Vec<String> {
        let mut lines = Vec::new();
        let count = block.statements.len() - usize::from(tail_of(block).is_some());
        for statement in block.statements.iter().take(count) {
            lines.push(format!("// {}", one_line(&self.text.statement(statement))));
            match statement {
                Statement::Step(id) => self.step(self.transaction.step(*id), &mut lines),
                Statement::Call(id) => self.call(*id, &mut lines),
                Statement::Require(require) => self.require(require, &mut lines),
                // See `unbuilt`.
                Statement::Emit(_) => {}
                Statement::If(branch) => {
                    let text = self.branch(branch, self.branch_value(branch));
                    lines.push(self.bound(branch.result, text));
                }
                Statement::For(turns) => self.turns(turns, &mut lines),
            }
        }
        lines
    }

    /// A block in braces, with a scope of its own for names.
    fn block(&mut self, block: &Block, value: Value) -> String {
        let outer = self.variables.clone();
        self.depth += 1;
        let mut lines = self.statements(block);
        lines.extend(self.tail(block, value));
        self.depth -= 1;
        self.variables = outer;
        lines.join("\n")
    }

    /// The value of a block.
    fn tail(&mut self, block: &Block, value: Value) -> Vec<String> {
        if let Some((statement, branch)) = tail_of(block) {
            let comment = format!("// {}", one_line(&self.text.statement(statement)));
            return vec![comment, self.branch(branch, value)];
        }
        let text = match (value, &block.value) {
            (Value::None, _) => return Vec::new(),
            (Value::Done { later: false }, _) => "Ok(())".to_owned(),
            (Value::Done { later: true }, _) => "Ok(codegen::Later::known(()))".to_owned(),
            (Value::Plain(ty), Some(value)) => self.scope().owned(value, ty),
            (Value::Plain(_), None) => "None".to_owned(),
            (Value::Later(ty), _) => self.later_value(block, ty),
            (Value::Closure(ty), _) => format!("Ok({})", self.later_value(block, ty)),
        };
        vec![text]
    }

    /// The value of a block as a `Later` of its own; that of an `if` without `else` may be missing.
    fn later_value(&mut self, block: &Block, ty: Type) -> String {
        let is_last = self.depth == 0;
        match &block.value {
            Some(value) => self.scope().later(value, ty).owned(is_last),
            None => "codegen::Later::known(None)".to_owned(),
        }
    }

    /// `let x = …;`, or the statement alone.
    fn bound(&mut self, result: Option<LocalId>, text: String) -> String {
        match result {
            Some(id) => {
                let ty = self.type_of(id);
                let name = self.local(id, false);
                format!("let {name}: {ty} = {text};")
            }
            None if text.ends_with('}') => text,
            None => format!("{text};"),
        }
    }

    /// The type of a local's variable.
    fn type_of(&mut self, id: LocalId) -> String {
        let local = self.transaction.local(id);
        let ty = self.cx.rust_type(local.ty, self.imports);
        if local.needs.is_empty() {
            ty
        } else {
            format!("codegen::Later<{ty}>")
        }
    }

    /// A variable for a local.
    fn local(&mut self, id: LocalId, is_reference: bool) -> String {
        let local = self.transaction.local(id);
        let wanted = local.name.as_deref().unwrap_or("value");
        let name = if self.used.contains(&Root::Local(id)) {
            naming::snake(wanted)
        } else {
            format!("_{}", naming::plain_snake(wanted))
        };
        let name = self.variables.names.claim(name);
        let variable = Variable {
            name: name.clone(),
            is_reference,
        };
        self.variables.locals.insert(id, variable);
        name
    }

    // --- steps

    fn step(&mut self, step: &Step, lines: &mut Vec<String>) {
        // See `unbuilt`.
        let Some(target) = &step.target else {
            return;
        };
        let base = step.binding.clone();
        if derives_key(step, target) {
            let wanted = base
                .as_ref()
                .map_or("key".to_owned(), |it| format!("{it}_key"));
            let name = self.variables.names.claim(naming::snake(&wanted));
            lines.push(format!("let {name} = t.derived_uuid();"));
            self.variables.keys.insert(step.id, name);
        }
        for part in step.payload() {
            let ExprKind::AutoUuid(of, index) = part.kind else {
                continue;
            };
            let field = &self.cx.model.concern(target.concern).fields[index as usize];
            let name = self.variables.names.claim(naming::snake(&field.name));
            lines.push(format!("let {name} = t.auto_uuid({:?});", field.name));
            self.variables.autos.insert((of, index), name);
        }
        let concern = naming::camel(&self.cx.model.concern(target.concern).name);
        self.imports.insert(concern.clone());
        if let StepKind::GetBy(unique, values) | StepKind::FindBy(unique, values) = &step.kind {
            let call = self.by_unique(&step.kind, target, *unique, values);
            return self.kept(step, &call, base.as_deref(), lines);
        }
        let mut spec = self.operation(&step.kind, target, &concern);
        if self.known(&target.key) {
            let key = self.scope().key(&target.key, target.concern);
            spec.push_str(&format!(".on({key})"));
        } else {
            let ty = Type::one(ValueType::IdOf(target.concern));
            let key = self.scope().later(&target.key, ty).borrowed();
            spec.push_str(&format!(".on_later({key})"));
            spec.push_str(&self.within(target));
        }
        if let Some(payload) = self.payload(step, target) {
            spec.push_str(&payload);
        }
        spec.push_str(&self.undo(&step.kind, target));
        let is_used = step.gives.is_some() && self.kept.contains(&step.id);
        let call = match is_used {
            true => format!("t.kept({spec})?"),
            false => format!("t.step({spec})?"),
        };
        self.kept(step, &call, base.as_deref(), lines);
    }

    /// A call that makes a step, and the variable of its result, where that is used.
    fn kept(&mut self, step: &Step, call: &str, base: Option<&str>, lines: &mut Vec<String>) {
        let Some(gives) = step.gives.filter(|_| self.kept.contains(&step.id)) else {
            return lines.push(format!("{call};"));
        };
        let ty = self.cx.rust_type(gives, self.imports);
        let wanted = base.unwrap_or(match step.kind {
            StepKind::Committed => "committed",
            _ => "result",
        });
        let name = self.variables.names.claim(naming::snake(wanted));
        lines.push(format!("let {name}: codegen::Later<{ty}> = {call};"));
        self.variables.results.insert(step.id, name);
    }

    /// `get` or `find` by a unique value.
    fn by_unique(
        &mut self,
        kind: &StepKind,
        target: &Target,
        unique: usize,
        values: &[Expr],
    ) -> String {
        let concern = self.cx.model.concern(target.concern);
        let unique = &concern.uniques[unique];
        let fields = concern.unique_fields(unique);
        let parts = fields.iter().zip(values);
        let parts: Vec<String> = parts
            .map(|(field, value)| self.scope().borrowed(value, field.ty.present()))
            .collect();
        let root = match (unique.within, values.first()) {
            (true, Some(first)) => {
                let first = self.scope().owned(first, fields[0].ty);
                let root = self.cx.unique_root(concern, &first, self.imports);
                format!("Some({root})")
            }
            _ => "None".to_owned(),
        };
        let (word, name) = (kind.word(), naming::camel(&concern.name));
        let (index, value) = (
            self.cx.lock.index(concern, unique),
            super::claim::unique_value(&parts),
        );
        format!("t.{word}_by::<{name}>(codegen::ConcernId({index}), {root}, {value})?")
    }

    /// The group of a step whose key is not known, where the group is.
    fn within(&mut self, target: &Target) -> String {
        let (nearest, key) = self.transaction.group(self.cx.model.concerns(), target);
        if nearest == target.concern || !self.known(key) {
            return String::new();
        }
        let key = self.scope().key(key, nearest);
        if self.cx.model.concern(nearest).parent.is_none() {
            return format!(".within({key})");
        }
        let concern = naming::camel(&self.cx.model.concern(nearest).name);
        self.imports.insert(concern.clone());
        format!(".within(&<{concern} as codegen::Concern>::root_key({key}))")
    }

    fn operation(&mut self, kind: &StepKind, target: &Target, concern: &str) -> String {
        let declared = self.cx.model.concern(target.concern);
        let (word, op) = match kind {
            StepKind::Command(id, _) => ("command", &declared.command(*id).name),
            StepKind::Query(id, _) => ("query", &declared.query(*id).name),
            other => return format!("codegen::Spec::<{concern}>::{}()", other.word()),
        };
        let op = self.op(&declared.name, op);
        format!("codegen::Spec::<{concern}>::{word}({op})")
    }

    /// The number of an operation.
    fn op(&mut self, concern: &str, operation: &str) -> String {
        let module = naming::module(concern);
        self.imports.insert(module.clone());
        format!("{module}::op::{}", naming::shouty(operation))
    }

    /// What undoes the step, in a saga.
    fn undo(&mut self, kind: &StepKind, target: &Target) -> String {
        let declared = self.cx.model.concern(target.concern);
        let op = match (kind, self.transaction.mode) {
            (_, Mode::Transaction) => None,
            (StepKind::Create(_), Mode::Saga) => Some("codegen::op::DELETE".to_owned()),
            (StepKind::Command(id, _), Mode::Saga) => declared
                .command(*id)
                .undo
                .map(|undo| self.op(&declared.name, &declared.command(undo).name)),
            (_, Mode::Saga) => None,
        };
        op.map_or_else(String::new, |op| format!(".undo({op})"))
    }

    /// `.with(…)` or `.with_later(…)`.
    fn payload(&mut self, step: &Step, target: &Target) -> Option<String> {
        let mut parts: Vec<&Expr> = step.payload().collect();
        if matches!(step.kind, StepKind::Create(_) | StepKind::Ensure(_)) {
            parts.push(&target.key);
        }
        let is_known = parts.iter().all(|part| self.known(part));
        let transaction = self.transaction;
        if let StepKind::Command(_, Argument::Message(expr))
        | StepKind::Query(_, Argument::Message(expr)) = &step.kind
        {
            return Some(if is_known {
                format!(".with({})", self.scope().borrowed(expr, expr.ty))
            } else {
                let later = self.scope().later(expr, expr.ty);
                format!(".with_later({})", later.borrowed())
            });
        }
        let value = self.record(&step.kind, target)?;
        if !is_known {
            let names = atoms(transaction, &parts, &self.variables).join(", ");
            let claims = self.late_claims(&step.kind, target);
            return Some(format!(
                ".with_later(&codegen::later!(|{names}| {value})){claims}"
            ));
        }
        let has_claims = self.cx.model.concern(target.concern).claims() > 0;
        Some(match &step.kind {
            StepKind::Create(_) | StepKind::Ensure(_) if has_claims => {
                format!(".creating(&{value})")
            }
            // What is unique is not changed where the key is known too late.
            StepKind::Update(_) if has_claims && self.known(&target.key) => {
                let key = self.scope().key(&target.key, target.concern);
                format!(".changing({key}, &{value})")
            }
            _ => {
                let claims = self.late_claims(&step.kind, target);
                format!(".with(&{value}){claims}")
            }
        })
    }

    /// What a step claims whose payload or key comes out of results: each value as it is known.
    fn late_claims(&mut self, kind: &StepKind, target: &Target) -> String {
        let concern = self.cx.model.concern(target.concern);
        let keys = concern.keys.len();
        let given: Vec<Option<&Expr>> = match kind {
            StepKind::Create(values) | StepKind::Ensure(values) => {
                values.iter().map(Some).collect()
            }
            StepKind::Update(values) => values.iter().map(Option::as_ref).collect(),
            _ => return String::new(),
        };
        let mut claims = String::new();
        for unique in &concern.uniques {
            let fields = concern.unique_fields(unique);
            let parts = unique
                .fields
                .iter()
                .map(|index| match index.checked_sub(keys) {
                    Some(index) => given[index],
                    None => target.key_parts().get(*index),
                });
            let Some(parts) = parts.collect::<Option<Vec<&Expr>>>() else {
                continue;
            };
            let places = fields.iter().zip(parts);
            let places: Vec<String> = places
                .map(|(field, part)| self.scope().borrowed(part, field.ty))
                .collect();
            let owner = self.scope().key(&target.key, target.concern);
            let claim = self.cx.unique_claim(concern, unique, &places, &owner);
            claims.push_str(&format!(".reserving(|claims| {{ {claim} }})"));
        }
        for (index, field, referred) in concern.references() {
            let Some(value) = given[index] else { continue };
            let ty = naming::camel(&self.cx.model.concern(referred).name);
            self.imports.insert(ty.clone());
            let later = self.scope().later(value, field.ty).borrowed();
            let call = self.cx.reference_call(concern, index, field, referred);
            claims.push_str(&format!(".referring::<{ty}>({call}, {later})"));
        }
        claims
    }

    /// The payload of a step that is made of fields.
    fn record(&mut self, kind: &StepKind, target: &Target) -> Option<String> {
        let declared = self.cx.model.concern(target.concern);
        let (name, fields, values) = match kind {
            StepKind::Create(values) | StepKind::Ensure(values) => {
                return Some(self.instance(target, values));
            }
            StepKind::Update(values) => return Some(self.patch(declared, values)),
            StepKind::Command(id, Argument::Fields(values)) => {
                let command = declared.command(*id);
                (&command.name, &command.payload, values)
            }
            StepKind::Query(id, Argument::Fields(values)) => {
                let query = declared.query(*id);
                (&query.name, &query.payload, values)
            }
            _ => return None,
        };
        let Payload::Fields(fields) = fields else {
            return None;
        };
        let name = self.cx.names.payload(&declared.name, name).to_owned();
        self.imports.insert(name.clone());
        let mut scope = self.scope();
        let entries = fields.iter().zip(values).map(|(field, value)| {
            let value = scope.for_field(value, field);
            entry(&naming::snake(&field.name), value)
        });
        Some(literal(&name, entries.collect()))
    }

    /// A new instance.
    fn instance(&mut self, target: &Target, values: &[Expr]) -> String {
        let concern = self.cx.model.concern(target.concern);
        let mut scope = self.scope();
        let mut entries = Vec::new();
        for (field, part) in concern.keys.iter().zip(target.key_parts()) {
            let part = scope.owned(part, field.ty);
            entries.push(entry(&naming::snake(&field.name), part));
        }
        for (field, value) in concern.fields.iter().zip(values) {
            let value = scope.for_field(value, field);
            entries.push(entry(&naming::snake(&field.name), value));
        }
        literal(&naming::camel(&concern.name), entries)
    }

    /// What an `update` changes.
    fn patch(&mut self, concern: &Concern, values: &[Option<Expr>]) -> String {
        let name = self.cx.names.patch(&concern.name).to_owned();
        self.imports.insert(name.clone());
        let default = self.cx.names.std.default;
        let mut scope = self.scope();
        let mut entries = Vec::new();
        for (field, value) in concern.fields.iter().zip(values) {
            if let Some(value) = value {
                let value = scope.for_field(value, field);
                entries.push(format!("{}: Some({value})", naming::snake(&field.name)));
            }
        }
        if entries.len() < concern.changeable().count() {
            entries.push(format!("..{default}::default()"));
        }
        literal(&name, entries)
    }

    // --- values and refusals

    fn call(&mut self, id: LocalId, lines: &mut Vec<String>) {
        let local = self.transaction.local(id);
        let Some(ExprKind::Call(function, arguments)) = local.call().map(|call| &call.kind) else {
            return;
        };
        let function = self.cx.model.function(*function);
        let ty = self.type_of(id);
        let mut scope = self.scope();
        let values = arguments.iter().zip(&function.params);
        let values: Vec<String> = values
            .map(|(value, param)| scope.argument(value, param.ty))
            .collect();
        self.imports.insert("functions".to_owned());
        let name = naming::method(&function.name);
        let call = format!("functions::{name}({})", values.join(", "));
        let is_late = !local.needs.is_empty();
        let call = if is_late {
            let parts: Vec<&Expr> = arguments.iter().collect();
            let names = atoms(self.transaction, &parts, &self.variables).join(", ");
            format!("codegen::later!(|{names}| {call})")
        } else {
            call
        };
        let name = self.local(id, false);
        lines.push(format!("let {name}: {ty} = {call};"));
        let (ty, constraints) = (function.result.ty, &function.result.constraints);
        lines.extend(self.check(ty, constraints, &function.name, &name, is_late));
    }

    /// Checks of a value in a variable, as they are refused.
    fn check(
        &mut self,
        ty: Type,
        constraints: &Constraints,
        path: &str,
        name: &str,
        is_late: bool,
    ) -> Vec<String> {
        let (first, constant) = match &constraints.pattern {
            Some(source) => (
                vec![format!(
                    "static PATTERN: codegen::Pattern = codegen::Pattern::new({source:?});"
                )],
                Some("PATTERN"),
            ),
            None => (Vec::new(), None),
        };
        let path = format!("{path:?}");
        if !is_late && !self.guarded {
            let checks = self
                .cx
                .value_checks(ty, constraints, &path, name, constant, false);
            return first.into_iter().chain(checks).collect();
        }
        // In the closure the variable is a reference.
        let checks = self
            .cx
            .reference_checks(ty, constraints, &path, name, constant);
        if checks.is_empty() {
            return Vec::new();
        }
        let value = match (is_late, self.cx.is_copy(ty)) {
            (true, _) => format!("&{name}"),
            (false, true) => format!("&codegen::Later::known({name})"),
            (false, false) => format!("&codegen::Later::known({name}.clone())"),
        };
        let (first, checks) = (first.join(" "), checks.join(" "));
        vec![format!(
            "t.check({value}, |{name}| {{ {first} {checks} Ok(()) }})?;"
        )]
    }

    fn require(&mut self, require: &Require, lines: &mut Vec<String>) {
        let named = self.transaction.refusals.named();
        let Some(named) = named.get(require.refusal.index()) else {
            return;
        };
        let refusal = format!(
            "{}::{}",
            self.refusal.unwrap_or_default(),
            naming::camel(&named.name)
        );
        let condition = &require.condition;
        if self.known(condition) && !self.guarded {
            let failed = self.scope().condition(condition, true);
            lines.push(format!("if {failed} {{ return Err({refusal}.into()); }}"));
        } else {
            let condition = self.scope().later(condition, condition.ty).borrowed();
            lines.push(format!("t.require({condition}, {refusal})?;"));
        }
    }

    // --- conditions and loops

    /// What becomes of the value of an `if` that is bound to a variable.
    fn branch_value(&self, branch: &If) -> Value {
        let Some(id) = branch.result else {
            return Value::None;
        };
        let local = self.transaction.local(id);
        if local.needs.is_empty() {
            Value::Plain(local.ty)
        } else {
            Value::Later(local.ty)
        }
    }

    /// An `if` as a statement or an expression.
    fn branch(&mut self, branch: &If, value: Value) -> String {
        if self.known(branch.head.expr()) {
            self.plain_branch(branch, value)
        } else {
            self.later_branch(branch, value)
        }
    }

    /// An `if` whose head is known at submission.
    fn plain_branch(&mut self, branch: &If, value: Value) -> String {
        let outer = self.variables.clone();
        let (head, then) = match &branch.head {
            Head::Condition(condition) => {
                let head = self.scope().condition(condition, false);
                (head, self.block(&branch.then, value))
            }
            Head::Present(id, optional) => {
                let opened = self.scope().opened(optional);
                let name = self.local(*id, opened.is_reference);
                if let (Value::Plain(ty), [], None, Some(given)) = (
                    value,
                    branch.then.statements.as_slice(),
                    &branch.otherwise,
                    branch
                        .then
                        .value
                        .as_ref()
                        .filter(|value| !value.ty.is_optional()),
                ) {
                    let is_whole = matches!(&given.kind, ExprKind::Path(path) if path.root == Root::Local(*id) && path.fields.is_empty());
                    let text = if is_whole {
                        self.scope().owned(optional, ty)
                    } else {
                        let given = self.scope().owned(given, ty.present());
                        format!("{}.map(|{name}| {given})", opened.option)
                    };
                    self.variables = outer;
                    return text;
                }
                (
                    format!("let Some({name}) = {}", opened.matched),
                    self.block(&branch.then, value),
                )
            }
        };
        self.variables = outer;
        let then = format!("if {head} {{\n{then}\n}}");
        let absent = match (&branch.otherwise, value) {
            (Some(otherwise), _) => {
                // `else if`.
                let is_tail = tail_of(otherwise).is_some() || matches!(value, Value::None);
                return match otherwise.statements.as_slice() {
                    [Statement::If(inner)] if is_tail && self.known(inner.head.expr()) => {
                        format!("{then} else {}", self.plain_branch(inner, value))
                    }
                    _ => format!("{then} else {{\n{}\n}}", self.block(otherwise, value)),
                };
            }
            (None, Value::None) => return then,
            (None, value) => self.tail(&Block::default(), value).join("\n"),
        };
        format!("{then} else {{\n{absent}\n}}")
    }

    /// An `if` whose head comes out of results.
    fn later_branch(&mut self, branch: &If, value: Value) -> String {
        let outer = self.variables.clone();
        let asked = branch.head.expr();
        let head = self.scope().later(asked, asked.ty).borrowed();
        let was_guarded = std::mem::replace(&mut self.guarded, true);
        let has_else = branch.otherwise.is_some() || !matches!(value, Value::None);
        let inner = match value {
            Value::None => Value::Done { later: has_else },
            Value::Plain(ty) | Value::Later(ty) | Value::Closure(ty) => Value::Closure(ty),
            done @ Value::Done { .. } => done,
        };
        let (form, element) = match &branch.head {
            Head::Condition(_) => ("", String::new()),
            Head::Present(id, _) => ("_some", format!(", {}", self.local(*id, false))),
        };
        let closure = |body: &mut Self, block: &Block, element: &str| {
            let t = body.draft_in(block);
            let text = body.block(block, inner);
            format!("|{t}{element}| {{\n{text}\n}}")
        };
        let then = closure(self, &branch.then, &element);
        self.variables = outer;
        let call = if has_else {
            let nothing = Block::default();
            let otherwise = branch.otherwise.as_ref().unwrap_or(&nothing);
            let otherwise = closure(self, otherwise, "");
            format!("t.branch{form}({head}, {then}, {otherwise})")
        } else {
            format!("t.when{form}({head}, {then})")
        };
        self.guarded = was_guarded;
        match value {
            // It gives what the closure gives.
            Value::Closure(_) | Value::Done { .. } => call,
            _ => format!("{call}?"),
        }
    }

    /// The name of the draft in a closure around a block.
    fn draft_in(&self, block: &Block) -> &'static str {
        if self.uses_draft(block) { "t" } else { "_" }
    }

    /// Whether a block, run in a closure, says something to the draft.
    fn uses_draft(&self, block: &Block) -> bool {
        block.statements.iter().any(|statement| match statement {
            Statement::Step(_) | Statement::Require(_) | Statement::Emit(_) => true,
            Statement::Call(id) => match self.transaction.local(*id).call().map(|it| &it.kind) {
                Some(ExprKind::Call(function, _)) => {
                    let result = &self.cx.model.function(*function).result;
                    let (ty, limits) = (result.ty, &result.constraints);
                    !self
                        .cx
                        .reference_checks(ty, limits, "", "", None)
                        .is_empty()
                }
                _ => false,
            },
            Statement::If(branch) => {
                let mut blocks = std::iter::once(&branch.then).chain(&branch.otherwise);
                !self.known(branch.head.expr()) || blocks.any(|block| self.uses_draft(block))
            }
            Statement::For(turns) => !self.known(&turns.list) || self.uses_draft(&turns.body),
        })
    }

    fn turns(&mut self, turns: &For, lines: &mut Vec<String>) {
        if self.known(&turns.list) {
            self.plain_turns(turns, lines);
        } else {
            self.later_turns(turns, lines);
        }
    }

    /// A `for` over a list that is known at submission.
    fn plain_turns(&mut self, turns: &For, lines: &mut Vec<String>) {
        let outer = self.variables.clone();
        let Elements {
            source,
            pattern,
            is_reference,
        } = self.scope().elements(&turns.list, lines);
        let result = turns.result.map(|id| self.transaction.local(id));
        let values = result.map(|local| {
            let wanted = local.name.as_deref().unwrap_or("values");
            self.variables.names.claim(naming::snake(wanted))
        });
        let name = self.local(turns.element, is_reference);
        let is_late = turns
            .body
            .value
            .as_ref()
            .is_some_and(|value| !self.known(value));
        let value = match &turns.body.value {
            Some(value) if result.is_some() => {
                let ty = Type::one(result.map_or(value.ty.value, |local| local.ty.value));
                if is_late {
                    Value::Later(ty)
                } else {
                    Value::Plain(ty)
                }
            }
            _ => Value::None,
        };
        let body = self.turn(&turns.body, value, values.as_deref());
        let body = format!("for {pattern}{name} in {source} {{\n{body}\n}}");
        self.variables = outer;
        let (Some(id), Some(values)) = (turns.result, values) else {
            lines.push(body);
            return;
        };
        let ty = self.type_of(id);
        let name = self.local(id, false);
        let std = &self.cx.names.std;
        lines.push(format!("let mut {values} = {}::new();", std.vec));
        lines.push(body);
        lines.push(
            match (is_late, self.transaction.local(id).needs.is_empty()) {
                (true, _) => format!("let {name}: {ty} = codegen::Later::all({values});"),
                (false, true) => format!("let {name}: {ty} = {values};"),
                (false, false) => format!("let {name}: {ty} = codegen::Later::known({values});"),
            },
        );
    }

    /// One turn; its value is pushed onto a list.
    fn turn(&mut self, block: &Block, value: Value, values: Option<&str>) -> String {
        let outer = self.variables.clone();
        self.depth += 1;
        let mut lines = self.statements(block);
        if let Some(values) = values {
            let value = self.tail(block, value).join("\n");
            lines.push(format!("{values}.push({value});"));
        }
        self.depth -= 1;
        self.variables = outer;
        lines.join("\n")
    }

    /// A `for` over a list that comes out of results.
    fn later_turns(&mut self, turns: &For, lines: &mut Vec<String>) {
        let outer = self.variables.clone();
        let list = self.scope().later(&turns.list, turns.list.ty).borrowed();
        let was_guarded = std::mem::replace(&mut self.guarded, true);
        let name = self.local(turns.element, false);
        let value = match turns.result {
            Some(id) => Value::Closure(Type::one(self.transaction.local(id).ty.value)),
            None => Value::Done { later: true },
        };
        let body = self.block(&turns.body, value);
        self.guarded = was_guarded;
        self.variables = outer;
        let t = self.draft_in(&turns.body);
        let (bound, width) = (
            turns.bound,
            self.transaction
                .width(&turns.body, self.cx.model.concerns()),
        );
        let text = format!(
            "t.each({list}, codegen::Turns {{ bound: {bound}, width: {width} }}, |{t}, {name}| {{\n{body}\n}})?"
        );
        lines.push(self.bound(turns.result, text));
    }
}

/// The `if` that ends a block and is its value.
fn tail_of(block: &Block) -> Option<(&Statement, &If)> {
    let statement = block.statements.last()?;
    match (statement, &block.value.as_ref()?.kind) {
        (Statement::If(branch), ExprKind::Path(path))
            if branch.result.map(Root::Local) == Some(path.root) && path.fields.is_empty() =>
        {
            Some((statement, branch))
        }
        _ => None,
    }
}

/// What the expressions of a transaction begin with, once keys are resolved.
fn roots(transaction: &Transaction) -> BTreeSet<Root> {
    fn add(transaction: &Transaction, expr: &Expr, found: &mut BTreeSet<Root>) {
        expr.walk(&mut |part| {
            let resolved = transaction.resolve_key(part);
            match &resolved.kind {
                ExprKind::Path(path) => {
                    found.insert(path.root);
                }
                _ if !std::ptr::eq(resolved, part) => add(transaction, resolved, found),
                _ => {}
            }
        });
    }
    let mut found = BTreeSet::new();
    transaction.each_expr(&mut |expr| add(transaction, expr, &mut found));
    found
}

/// Whether the key of a new instance is derived.
fn derives_key(step: &Step, target: &Target) -> bool {
    let mut derives = false;
    target.key.walk(&mut |part| {
        derives |= matches!(part.kind, ExprKind::DerivedUuid(of) if of == step.id);
    });
    derives
}

/// A field of a literal, in its short form where that can be.
pub(super) fn entry(name: &str, value: String) -> String {
    if name == value {
        value
    } else {
        format!("{name}: {value}")
    }
}

fn literal(name: &str, entries: Vec<String>) -> String {
    format!("{name} {{ {} }}", entries.join(", "))
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
