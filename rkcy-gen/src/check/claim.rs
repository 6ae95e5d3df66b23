//! Owns what instances claim: unique values, the other sides of references, and when a transaction knows them.

use super::Checker;
use super::attribute::On;
use super::body::Body;
use super::schema::Owner;
use super::types::Place;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    ConcernId, Expr, Field, Many, Scalar, Side, Step, StepId, StepKind, Transaction, Unique,
    ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::concern::Clause;
use crate::syntax::expr::Target;
use crate::syntax::field as ast;

impl Checker {
    /// The unique values of a concern: those of one field by `@unique`, those of several by `unique (…)`.
    pub(super) fn uniques(&mut self, id: ConcernId, clauses: &[&Clause]) {
        let concern = self.schema.concern(id);
        let keys = concern.keys.len();
        let marked = concern.fields.iter().enumerate();
        let marked = marked.filter(|(_, field)| field.unique);
        let marked = marked.map(|(index, field)| (vec![keys + index], field.span));
        let mut found: Vec<(Vec<usize>, Span)> = marked.collect();
        for clause in clauses {
            found.extend(self.unique_clause(id, clause).map(|it| (it, clause.span)));
        }
        for (fields, span) in found {
            if self.can_be_unique(id, &fields, span) {
                let concern = &mut self.schema.concerns[id.index()];
                let within = concern.parent.is_some() && fields.first() == Some(&0);
                concern.uniques.push(Unique {
                    fields,
                    within,
                    span,
                });
            }
        }
    }

    /// The positions of the fields that a clause names.
    fn unique_clause(&mut self, id: ConcernId, clause: &Clause) -> Option<Vec<usize>> {
        let mut fields = Vec::new();
        for name in &clause.names {
            let mut all = self.schema.concern(id).all_fields();
            let found = all.position(|field| field.name == name.text);
            drop(all);
            match found {
                Some(index) if fields.contains(&index) => {
                    self.report(
                        Diagnostic::new(
                            Code::WrongUnique,
                            name.span,
                            format!("`{}` stands here twice", name.text),
                        )
                        .help("remove one of them"),
                    );
                    return None;
                }
                Some(index) => fields.push(index),
                None => {
                    self.unknown_field(Owner::Concern(id), name);
                    return None;
                }
            }
        }
        Some(fields)
    }

    fn can_be_unique(&mut self, id: ConcernId, fields: &[usize], span: Span) -> bool {
        let concern = self.schema.concern(id);
        let keys = concern.keys.len();
        let all: Vec<Field> = concern.all_fields().cloned().collect();
        let whole_key =
            !self.schema.lost_keys.contains(&id) && (0..keys).all(|it| fields.contains(&it));
        let twice = concern.uniques.iter().any(|other| {
            let mut known = other.fields.clone();
            let mut these = fields.to_vec();
            known.sort_unstable();
            these.sort_unstable();
            known == these
        });
        let wrong = match (whole_key, twice) {
            (true, _) => Some("the key is among them, so they are unique anyway"),
            (_, true) => Some("this is said twice"),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let finding = Diagnostic::new(Code::WrongUnique, span, wrong);
            self.report(finding.help("leave it out"));
            return false;
        }
        let mut all_fit = true;
        for field in fields.iter().map(|index| &all[*index]) {
            all_fit &= self.can_be_in_unique(field);
        }
        all_fit
    }

    fn can_be_in_unique(&mut self, field: &Field) -> bool {
        let is_single = !field.ty.is_collection();
        match field.ty.value {
            ValueType::Scalar(
                Scalar::Uuid | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64,
            )
            | ValueType::Enum(_)
            | ValueType::Ref(_)
            | ValueType::IdOf(_)
                if is_single =>
            {
                true
            }
            ValueType::Scalar(Scalar::String) if is_single => {
                let what = format!("the unique `{}`", field.name);
                self.text_has_a_bound(&field.constraints, field.span, &what);
                true
            }
            _ => {
                let shown = self.show_type(field.ty);
                self.report(
                    Diagnostic::new(
                        Code::WrongUnique,
                        field.span,
                        format!("a `{shown}` cannot be unique"),
                    )
                    .help("what is unique is a `uuid`, a bounded `string`, an integer, an enum, or `ref` or `id of` a concern"),
                );
                false
            }
        }
    }

    /// `X[a: e, b: f]`: the concern, which of its unique values, and what each field of it is to be.
    pub(super) fn unique_target<'a>(
        &mut self,
        target: &'a Target,
        body: &mut Body<'a>,
    ) -> Option<(ConcernId, usize, Vec<Expr>)> {
        let id = self.concern_named(&target.concern)?;
        let concern = self.schema.concern(id).clone();
        let mut wanted: Vec<&str> = Vec::new();
        for key in &target.keys {
            wanted.push(key.name.as_ref().map_or("", |name| name.text.as_str()));
        }
        let is_it = |unique: &Unique| {
            let fields = concern.unique_fields(unique);
            fields.len() == wanted.len()
                && fields
                    .iter()
                    .all(|field| wanted.contains(&field.name.as_str()))
        };
        let Some(found) = concern.uniques.iter().position(is_it) else {
            for key in &target.keys {
                self.expr(&key.value, None, body);
            }
            let known = concern.uniques.iter().map(|unique| {
                let names = concern.unique_fields(unique);
                let names: Vec<String> = names.iter().map(|it| format!("{}: …", it.name)).collect();
                format!("`{}[{}]`", concern.name, names.join(", "))
            });
            let known: Vec<String> = known.collect();
            let message = format!(
                "these fields of `{}` are not `unique` together",
                concern.name
            );
            let finding = Diagnostic::new(Code::UnknownUnique, target.span, message);
            self.report(match known.as_slice() {
                [] => finding.help(format!("declare it in `{}`: `unique (…)`", concern.name)),
                known => finding.help(format!("what it can be read by: {}", known.join(", "))),
            });
            return None;
        };
        let mut values = Vec::new();
        for field in concern.unique_fields(&concern.uniques[found]) {
            let key = target.keys.iter().find(|key| {
                key.name
                    .as_ref()
                    .is_some_and(|name| name.text == field.name)
            })?;
            let expr = self.expr(&key.value, Some(field.ty.present()), body)?;
            values.push(expr);
        }
        Some((id, found, values))
    }

    /// The other sides of references, when all concerns are known.
    pub(super) fn sides(&mut self) {
        for (id, written) in std::mem::take(&mut self.schema.written_sides) {
            match self.side(id, &written) {
                Some(side) => self.schema.concerns[id.index()].sides.push(side),
                None => self.schema.lost_sides.push(id),
            }
        }
    }

    fn side(&mut self, id: ConcernId, written: &ast::Field) -> Option<Side> {
        let by = written.by.as_ref()?;
        let ty = self.resolve_type(&written.ty, Place::Side)?;
        let attributes = self.attributes(&written.attributes, On::ConcernField, written.span);
        let limits_value = attributes.immutable
            || attributes.index.is_some()
            || attributes.unique.is_some()
            || attributes.auto.is_some()
            || attributes.table.is_some();
        let constraints = self.constraints(&attributes, ty);
        let span = written.name.span;
        let wrong = |message: String| Diagnostic::new(Code::WrongSide, by.span, message);
        let (ValueType::Concern(concern), Many::List) = (ty.value, ty.many) else {
            let shown = self.show_type(ty);
            let finding = wrong(format!(
                "the other side of a reference is a list, not a `{shown}`"
            ));
            self.report(
                finding
                    .help("write it as a list of the concern that refers: `[Character] by player`"),
            );
            return None;
        };
        let (own, other) = (
            self.schema.concern(id).name.clone(),
            self.schema.concern(concern).name.clone(),
        );
        let found = self.schema.concern(concern).references();
        let found: Vec<(usize, String, ConcernId)> = found
            .map(|(index, field, target)| (index, field.name.clone(), target))
            .collect();
        let field = found
            .iter()
            .find(|(_, name, target)| *name == by.text && *target == id);
        let Some((field, ..)) = field else {
            let names = (found.iter().filter(|(.., target)| *target == id))
                .map(|(_, name, _)| name.as_str());
            let names: Vec<&str> = names.collect();
            let finding = wrong(format!(
                "`{other}` has no field `{}` that refers to `{own}`",
                by.text
            ))
            .help(format!("declare it in `{other}`: `{}: ref {own}`", by.text));
            self.report(finding.did_you_mean(by.span, &by.text, names));
            return None;
        };
        let field = *field;
        if written.default.is_some() || limits_value {
            let finding = wrong(
                "a side is derived: it has no default and no other attribute than `@length`"
                    .to_owned(),
            );
            self.report(finding.help("leave it out"));
            return None;
        }
        if constraints.length.is_some_and(|length| length.min > 0) {
            let finding =
                wrong("a side has no smallest length: nobody refers to a new instance".to_owned());
            self.report(finding.help("give the largest length only: `@length(..=100)`"));
            return None;
        }
        let sides = &self.schema.concern(id).sides;
        if let Some(first) = sides
            .iter()
            .find(|side| side.concern == concern && side.field == field)
        {
            let finding = wrong(format!(
                "`{}` is the other side of `{other}.{}` already",
                first.name, by.text
            ))
            .label(first.span, "here");
            self.report(finding.help("remove one of them"));
            return None;
        }
        Some(Side {
            name: written.name.text.clone(),
            docs: written.docs.clone(),
            concern,
            field,
            most: constraints.length.and_then(|length| length.max),
            span,
        })
    }

    /// Whether a name is that of a side, which is neither set nor read in a transaction; says so.
    pub(super) fn is_side(&mut self, owner: Owner, name: &Ident) -> bool {
        let Owner::Concern(id) = owner else {
            return false;
        };
        let concern = self.schema.concern(id);
        let Some(side) = concern.sides.iter().find(|side| side.name == name.text) else {
            return false;
        };
        let referrer = self.schema.concern(side.concern);
        let (other, field) = (&referrer.name, &referrer.fields[side.field].name);
        let finding = Diagnostic::new(
            Code::DerivedSide,
            name.span,
            format!("`{}` is derived from `{other}.{field}`", name.text),
        )
        .label(side.span, "declared here")
        .help(format!(
            "it changes when a `{other}` is created, changed or deleted"
        ));
        self.report(finding);
        true
    }

    /// What a transaction claims is asked for in the order of locks: unique values first of all, so they are
    /// known at submission; references where the rank of their target is.
    pub(super) fn claims_come_in_order(
        &mut self,
        transaction: &Transaction,
        last_behind: &[StepId],
    ) {
        for step in &transaction.steps {
            let Some(target) = &step.target else {
                continue;
            };
            let concern = self.schema.concern(target.concern).clone();
            let keys = concern.keys.len();
            let given: Vec<Option<&Expr>> = match &step.kind {
                StepKind::Create(values) | StepKind::Ensure(values) => {
                    values.iter().map(Some).collect()
                }
                StepKind::Update(values) => values.iter().map(Option::as_ref).collect(),
                StepKind::GetBy(unique, values) | StepKind::FindBy(unique, values) => {
                    let late = values
                        .iter()
                        .find(|part| !transaction.known_at_submission(part));
                    if let Some(span) = late.map(|part| part.span) {
                        let name = concern.unique_name(&concern.uniques[*unique]);
                        self.unique_from_result(&name, span);
                    }
                    continue;
                }
                _ => continue,
            };
            let value = |index: usize| index.checked_sub(keys).and_then(|index| given[index]);
            for unique in &concern.uniques {
                let own = unique.fields.iter().filter(|index| **index >= keys);
                let (set, left): (Vec<usize>, Vec<usize>) =
                    own.partition(|index| value(**index).is_some());
                if set.is_empty() {
                    continue;
                }
                if !left.is_empty() {
                    self.half_of_unique(&concern.unique_names(unique), step.span);
                    continue;
                }
                let parts = set
                    .iter()
                    .filter_map(|index| value(*index))
                    .chain([&target.key]);
                let late = parts
                    .into_iter()
                    .find(|part| !transaction.known_at_submission(part));
                if let Some(late) = late {
                    let span = late.span;
                    self.unique_from_result(&concern.unique_name(unique), span);
                }
            }
            for (index, field, target) in concern.references() {
                if let Some(expr) = given[index] {
                    self.reference_comes_in_order(transaction, last_behind, expr, field, target);
                }
            }
        }
    }

    fn half_of_unique(&mut self, names: &str, span: Span) {
        self.report(
            Diagnostic::new(
                Code::HalfOfUnique,
                span,
                format!("`unique ({names})` is changed as a whole"),
            )
            .help(
                "give all of these fields: the others are not known where the update is submitted",
            ),
        );
    }

    fn unique_from_result(&mut self, name: &str, span: Span) {
        self.report(
            Diagnostic::new(
                Code::UniqueFromResult,
                span,
                format!("`{name}` is unique, and this is known too late to look at its index"),
            )
            .help("unique values are reserved before all else: give this as a parameter, or as a function of parameters"),
        );
    }

    fn reference_comes_in_order(
        &mut self,
        transaction: &Transaction,
        last_behind: &[StepId],
        expr: &Expr,
        field: &Field,
        target: ConcernId,
    ) {
        if transaction.mode == crate::model::Mode::Saga {
            return;
        }
        let behind = transaction.needs(expr).into_iter();
        let behind = behind.map(|id| transaction.step(last_behind[id.index()]));
        let late: Option<&Step> = behind.max_by_key(|step| self.lateness(step));
        let Some((late, behind)) = late.and_then(|it| Some((it, it.target.as_ref()?))) else {
            return;
        };
        if self.schema.rank(behind.concern) < self.schema.rank(target) {
            return;
        }
        let wanted = self.schema.concern(self.schema.root(target)).name.clone();
        let other = self
            .schema
            .concern(self.schema.root(behind.concern))
            .name
            .clone();
        let finding = Diagnostic::new(
            Code::KeyFromResult,
            expr.span,
            format!(
                "`{}` is known too late to hold `{wanted}` in order",
                field.name
            ),
        )
        .label(late.span, "it depends on this step");
        let finding = match wanted == other {
            true => finding.help(format!("several `{wanted}`s are locked in the order of their keys, so all keys must be known before; give this one as a parameter")),
            false => finding.help(format!("locks are taken in the order of declaration: declare `{other}` before `{wanted}` (before the first release), or give the reference as a parameter")),
        };
        self.report(finding);
    }
}
