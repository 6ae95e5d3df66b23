//! Owns concerns, what may be done to them, and transactions: what is gone, what asks for more, and what
//! transactions in flight do not find again.

use super::{Comparison, Owner};
use crate::diagnostic::Code;
use crate::lock::{Kind, Lock};
use crate::model::{
    Answer, Builtin, Concern, Field, Model, Payload, StepKind, Transaction, ValueType,
};
use crate::plan::{Operation, operations};
use crate::syntax::Span;

impl<'a> Comparison<'a> {
    pub(super) fn concerns(&mut self) {
        for old in self.old.model.concerns() {
            let Some(new) = self.new_concern(old) else {
                let message = format!("the concern `{}` is gone", old.name);
                let help =
                    "keep it, and mark it `@deprecated`; where it was renamed, say so with `@was`";
                self.report(Code::ConcernGone, self.nowhere(), message, help);
                continue;
            };
            let is_same = self.group(old, new);
            // What is wrong with the parts of another key has been said.
            let keys = |concern: &Concern| if is_same { 0 } else { concern.keys.len() };
            self.fields(
                (
                    Kind::Field,
                    &old.name,
                    &mut old.all_fields().skip(keys(old)),
                ),
                (&new.name, &mut new.all_fields().skip(keys(new)), new.span),
                Owner::Concern,
            );
            self.claims(old, new);
            self.operations(old, new);
        }
    }

    /// The key, and the group that instances are in. Whether they are the same.
    fn group(&mut self, old: &Concern, new: &Concern) -> bool {
        let name = &new.name;
        let parent = |concern: &Concern, model: &'a Model, lock: &Lock| {
            concern.parent.map(|it| lock.rank(&model.concern(it).name))
        };
        let before = parent(old, self.old.model, self.old.lock);
        if before != parent(new, self.new.model, self.new.lock) {
            self.report(
                Code::GroupChanged,
                new.span,
                format!("instances of `{name}` are in another group: they have other keys, partitions and locks"),
                "declare a concern beside this one, and let a transaction create its instances out of those",
            );
            return false;
        }
        let key = |concern: &Concern, lock: &Lock, is_old: bool| -> Vec<(u32, String)> {
            let keys = concern.keys.iter();
            let part = |field: &Field| {
                let number = lock.field(&concern.name, &field.name);
                (number, self.type_name(field.ty, is_old))
            };
            keys.map(part).collect()
        };
        let is_same = key(old, self.old.lock, true) == key(new, self.new.lock, false);
        if !is_same {
            self.report(
                Code::KeyChanged,
                new.span,
                format!("instances of `{name}` have another key"),
                "declare a concern beside this one, and let a transaction create its instances out of those",
            );
        }
        is_same
    }

    /// What instances claim.
    fn claims(&mut self, old: &Concern, new: &Concern) {
        let numbers = |concern: &Concern, lock: &Lock| -> Vec<(u32, Span)> {
            let uniques = concern.uniques.iter();
            uniques
                .map(|it| (lock.index(concern, it), it.span))
                .collect()
        };
        let known = numbers(old, self.old.lock);
        for (number, span) in numbers(new, self.new.lock) {
            if !known.iter().any(|it| it.0 == number) {
                self.report(
                    Code::ClaimsChanged,
                    span,
                    format!("instances of `{}` that are there have not claimed this value", new.name),
                    "let what is under way end, and apply the migration before the new build starts: it claims \
                     them",
                );
            }
        }
        for side in &new.sides {
            let field = |model: &'a Model, lock: &Lock, side: &crate::model::Side| {
                let concern = model.concern(side.concern);
                (
                    lock.rank(&concern.name),
                    lock.field(&concern.name, &concern.fields[side.field].name),
                )
            };
            let this = field(self.new.model, self.new.lock, side);
            let mut before = old.sides.iter();
            let before = before.find(|it| field(self.old.model, self.old.lock, it) == this);
            let most = before.and_then(|it| it.most);
            let is_less = side
                .most
                .is_some_and(|now| most.is_none_or(|before| now < before));
            if is_less && before.is_some() {
                self.report(
                    Code::RequestOutside,
                    side.span,
                    format!(
                        "fewer may refer by `{}` than before: who has more can get no other",
                        side.name
                    ),
                    "leave the bound as it was",
                );
            }
        }
    }

    fn operations(&mut self, old: &'a Concern, new: &'a Concern) {
        for builtin in Builtin::ALL {
            if old.builtins.has(builtin) && !new.builtins.has(builtin) {
                self.report(
                    Code::OperationGone,
                    new.span,
                    format!("`{}` does without `{}` now", new.name, builtin.word()),
                    "let it have that operation, and refuse by a handler or an edge",
                );
            }
        }
        for before in operations(old) {
            let number = self.old.lock.op(&old.name, before.name);
            let lock = self.new.lock;
            let all = operations(new);
            let now = all
                .iter()
                .find(|it| lock.op(&new.name, it.name) == number && it.is_query == before.is_query);
            let Some(now) = now else {
                self.report(
                    Code::OperationGone,
                    new.span,
                    format!("`{}.{}` is gone", new.name, before.name),
                    "keep it; a client that calls it, and a record that holds such a step, find nothing",
                );
                continue;
            };
            self.operation(old, &before, new, now);
        }
    }

    fn operation(
        &mut self,
        old: &'a Concern,
        before: &Operation<'a>,
        new: &'a Concern,
        now: &Operation<'a>,
    ) {
        let name = format!("{}.{}", new.name, now.name);
        let is_same = match (before.payload, now.payload) {
            (Payload::Empty, Payload::Empty) => true,
            // Nothing was given, and nothing has to be.
            (Payload::Empty, Payload::Fields(fields)) => fields
                .iter()
                .all(|it| it.omissible || it.default.is_some() || it.ty.is_optional()),
            (Payload::Message(one), Payload::Message(other)) => {
                let one = self.type_name(crate::model::Type::one(ValueType::Message(*one)), true);
                one == self.type_name(crate::model::Type::one(ValueType::Message(*other)), false)
            }
            (Payload::Fields(one), Payload::Fields(other)) => {
                let old_owner = format!("{}.{}", old.name, before.name);
                self.params((&old_owner, one), (&name, other), new.span);
                true
            }
            _ => false,
        };
        if !is_same {
            self.report(
                Code::WireType,
                new.span,
                format!("`{name}` is given something else than before"),
                "declare another command beside it",
            );
        }
        self.result(&name, before.result, now.result, new.span);
        if before.undo != now.undo {
            self.report(
                Code::UndoChanged,
                new.span,
                format!("`{name}` is undone by another command: sagas under way would be undone by it too"),
                "let sagas under way end before the new build starts",
            );
        }
    }

    fn params(&mut self, old: (&str, &'a [Field]), new: (&str, &'a [Field]), span: Span) {
        self.fields(
            (Kind::Param, old.0, &mut old.1.iter()),
            (new.0, &mut new.1.iter(), span),
            Owner::Params,
        );
    }

    fn result(&mut self, name: &str, old: Option<&Answer>, new: Option<&Answer>, span: Span) {
        let shown =
            |answer: Option<&Answer>, is_old: bool| answer.map(|it| self.type_name(it.ty, is_old));
        if shown(old, true) != shown(new, false) && old.is_some() {
            self.report(
                Code::ResultChanged,
                span,
                format!("`{name}` gives something else than before"),
                "declare another one beside it",
            );
        }
    }

    pub(super) fn transactions(&mut self) {
        for old in self.old.model.transactions() {
            let number = self.old.lock.transaction(&old.name);
            let lock = self.new.lock;
            let mut all = self.new.model.transactions().iter();
            let Some(new) = all.find(|it| lock.transaction(&it.name) == number) else {
                self.report(
                    Code::TransactionGone,
                    self.nowhere(),
                    format!("the {} `{}` is gone", old.mode.word(), old.name),
                    "keep it, and mark it `@deprecated`; where it was renamed, say so with `@was`",
                );
                continue;
            };
            if old.name != new.name {
                self.report(
                    Code::TransactionGone,
                    new.span,
                    format!("`{}` is called `{}` now: who calls it by the old name finds nothing", old.name, new.name),
                    "keep the old name; or declare the new one beside it, and remove the old one later",
                );
            }
            self.params((&old.name, &old.params), (&new.name, &new.params), new.span);
            self.result(
                &new.name,
                old.result.as_ref(),
                new.result.as_ref(),
                new.span,
            );
            self.steps(old, new);
        }
    }

    /// A transaction under way is a list of steps by number, and its body is run again with each result.
    fn steps(&mut self, old: &Transaction, new: &Transaction) {
        let steps = |transaction: &Transaction,
                     model: &Model,
                     lock: &Lock|
         -> Vec<(u32, u32, String)> {
            let steps = transaction.steps.iter().filter_map(|step| {
                let concern = model.concern(step.target.as_ref()?.concern);
                let op = match &step.kind {
                    StepKind::Command(id, _) => lock.op(&concern.name, &concern.command(*id).name),
                    StepKind::Query(id, _) => lock.op(&concern.name, &concern.query(*id).name),
                    _ => 0,
                };
                Some((lock.rank(&concern.name), op, step.kind.word().to_owned()))
            });
            steps.collect()
        };
        let before = steps(old, self.old.model, self.old.lock);
        let after = steps(new, self.new.model, self.new.lock);
        if old.mode != new.mode || before != after {
            self.report(
                Code::StepsChanged,
                new.span,
                format!("`{}` has other steps: one that is under way would be taken for another", new.name),
                "let what is under way end before the new build starts; or declare another transaction beside it",
            );
        }
    }
}
