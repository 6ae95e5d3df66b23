//! Pass 3, concerns: the key, the fields, and what else may stand in one.

use heck::ToSnakeCase;

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::Owner;
use super::types::collection;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{
    Builtin, Builtins, ConcernId, Constraints, Field, Many, Scalar, Type, ValueType,
};
use crate::syntax::Span;
use crate::syntax::ast::Ident;
use crate::syntax::concern as ast;

impl Checker {
    pub(super) fn concern(&mut self, declared: &ast::Concern, id: ConcernId) {
        let owner = Owner::Concern(id);
        let mut names = Namespace::default();
        let mut wire = WireNames::default();
        let mut narrowed = None;
        let mut uniques = Vec::new();
        let mut lists = Vec::new();
        self.keys(declared, id, &mut names, &mut wire);
        for member in &declared.members {
            match member {
                ast::Member::Key(_) => {}
                ast::Member::Field(field) if field.by.is_some() => {
                    self.add_member(&mut names, &field.name, "member");
                    self.member_naming(&field.name);
                    self.schema.written_sides.push((id, field.clone()));
                }
                ast::Member::Field(field) => {
                    self.add_member(&mut names, &field.name, "member");
                    match self.field(field, On::ConcernField, &mut wire) {
                        Some(known) => self.schema.concerns[id.index()].fields.push(known),
                        None => self.schema.lose(owner, &field.name.text),
                    }
                }
                ast::Member::Command(operation) => {
                    self.operation_name(&mut names, &operation.name);
                    match self.command(operation, id) {
                        Some(command) => self.schema.concerns[id.index()].commands.push(command),
                        None => self.schema.lose(owner, &operation.name.text),
                    }
                }
                ast::Member::Query(operation) => {
                    self.operation_name(&mut names, &operation.name);
                    match self.query(operation, id) {
                        Some(query) => self.schema.concerns[id.index()].queries.push(query),
                        None => self.schema.lose(owner, &operation.name.text),
                    }
                }
                ast::Member::Narrowing(clause) => {
                    self.narrowing(clause, &mut narrowed, id);
                }
                ast::Member::Unique(clause) => uniques.push(clause),
                ast::Member::List(list) => {
                    self.operation_name(&mut names, &list.name);
                    lists.push(list);
                }
                ast::Member::Timer(timer) => {
                    self.schema.written_timers.push((id, timer.clone()));
                }
                ast::Member::Broken(broken) => {
                    for name in &broken.names {
                        self.schema.lose(owner, name);
                    }
                }
            }
        }
        self.uniques(id, &uniques);
        self.lists(id, &lists);
        self.undos(declared, id);
        let attributes = self.attributes(&declared.attributes, On::Concern, declared.span);
        let (deprecated, hot, was) = (attributes.deprecated, attributes.hot, attributes.was);
        let target = &mut self.schema.concerns[id.index()];
        target.docs.clone_from(&declared.docs);
        target.deprecated = deprecated;
        target.hot = hot;
        target.was = was;
    }

    fn add_member(&mut self, names: &mut Namespace, name: &Ident, what: &str) {
        if let Err(wrong) = names.add(name, what) {
            self.report(wrong);
        }
    }

    /// `only create, get` or `without delete`: once, and about operations that every concern has.
    fn narrowing(&mut self, clause: &ast::Clause, narrowed: &mut Option<Span>, id: ConcernId) {
        if let Some(first) = narrowed.replace(clause.span) {
            self.report(
                Diagnostic::new(
                    Code::WrongNarrowing,
                    clause.span,
                    "what a concern can do is narrowed once",
                )
                .label(first, "here")
                .help("say all of it with one `only` or one `without`"),
            );
            return;
        }
        let mut named: Vec<Builtin> = Vec::new();
        for name in &clause.names {
            match Builtin::from_word(&name.text) {
                Some(builtin) if named.contains(&builtin) => self.report(
                    Diagnostic::new(
                        Code::WrongNarrowing,
                        name.span,
                        format!("`{}` stands here twice", name.text),
                    )
                    .help("remove one of them"),
                ),
                Some(builtin) => named.push(builtin),
                None => {
                    // One that stands here already cannot be meant.
                    let words = Builtin::ALL.into_iter().filter(|it| !named.contains(it));
                    let words: Vec<&str> = words.map(Builtin::word).collect();
                    let finding = Diagnostic::new(
                        Code::WrongNarrowing,
                        name.span,
                        format!("no concern has `{}` without being asked", name.text),
                    )
                    .help("`create`, `get`, `update` and `delete` can be left out; a command is left out by not declaring it");
                    self.report(finding.did_you_mean(name.span, &name.text, words));
                }
            }
        }
        let only = clause.word == "only";
        let left = Builtin::ALL
            .into_iter()
            .filter(|builtin| named.contains(builtin) == only);
        self.schema.concerns[id.index()].builtins = Builtins(left.collect());
    }

    /// What a concern does without is not used. Whether it is there.
    pub(super) fn is_there(&mut self, concern: ConcernId, builtin: Builtin, span: Span) -> bool {
        let declared = self.schema.concern(concern);
        if declared.builtins.has(builtin) {
            return true;
        }
        let (name, word) = (declared.name.clone(), builtin.word());
        self.report(
            Diagnostic::new(
                Code::RemovedOperation,
                span,
                format!("`{name}` does without `{word}`"),
            )
            .label(declared.span, "its `only` or `without` says so")
            .help(format!(
                "let it have `{word}`, or do this by a command of it"
            )),
        );
        false
    }

    /// The name of a command, a query or a list.
    fn operation_name(&mut self, names: &mut Namespace, name: &Ident) {
        self.member_naming(name);
        if Builtin::from_word(&name.text).is_some() {
            self.report(
                Diagnostic::new(Code::BuiltinOperation, name.span, format!("every concern has `{}` already", name.text))
                    .help("choose another name; constraints and handlers say what the built-in ones may do"),
            );
            return;
        }
        self.add_member(names, name, "member");
    }

    /// A concern has one key, at its top.
    fn the_one_key<'a>(&mut self, declared: &'a ast::Concern) -> Option<&'a ast::Key> {
        let mut first: Option<&ast::Key> = None;
        for (index, member) in declared.members.iter().enumerate() {
            let ast::Member::Key(key) = member else {
                continue;
            };
            match first {
                Some(first) => self.report(
                    Diagnostic::new(Code::SecondKey, key.span, "a concern has one key")
                        .label(first.span, "it has this one")
                        .help("a key of several parts is written `key (a: T, b: U)`"),
                ),
                None => {
                    first = Some(key);
                    let before_it = declared.members[..index]
                        .iter()
                        .any(|member| !matches!(member, ast::Member::Broken(_)));
                    if before_it {
                        self.report(
                            Diagnostic::new(
                                Code::SecondKey,
                                key.span,
                                "the key stands before all other members",
                            )
                            .help("move it to the top of the concern"),
                        );
                    }
                }
            }
        }
        first
    }

    /// The parts of the key; the first is the concern that this one is in.
    fn keys(
        &mut self,
        declared: &ast::Concern,
        id: ConcernId,
        names: &mut Namespace,
        wire: &mut WireNames,
    ) {
        let mut keys = Vec::new();
        if let Some((parent, span)) = &declared.parent {
            match self.parent(parent, *span, names, wire) {
                Some((parent, field)) => {
                    self.schema.concerns[id.index()].parent = Some(parent);
                    keys.push(field);
                }
                None => {
                    self.schema.lost_keys.insert(id);
                    let field = parent.text.to_snake_case();
                    self.schema.lose(Owner::Concern(id), &field);
                }
            }
        }
        let Some(key) = self.the_one_key(declared) else {
            self.key_is_missing(declared, id);
            return;
        };
        for part in &key.parts {
            match self.key_part(key, part, id, names, wire) {
                Some(part) => keys.push(part),
                None => {
                    self.schema.lost_keys.insert(id);
                    self.schema.lose(Owner::Concern(id), &part.name.text);
                }
            }
        }
        if !keys.is_empty() {
            self.schema.concerns[id.index()].keys = keys;
        }
    }

    /// `in PARENT`: the concern, and the field that refers to it.
    fn parent(
        &mut self,
        parent: &Ident,
        span: Span,
        names: &mut Namespace,
        wire: &mut WireNames,
    ) -> Option<(ConcernId, Field)> {
        let id = self.referred_concern(parent, "in")?;
        let name = Ident {
            text: parent.text.to_snake_case(),
            span,
        };
        self.add_member(names, &name, "member");
        self.wire_names(&name.text, span, None, None, wire);
        let field = Field {
            docs: format!("The `{}` that it is in.", parent.text),
            name: name.text,
            ty: Type::one(ValueType::Ref(id)),
            constraints: Constraints::default(),
            default: None,
            auto: None,
            omissible: false,
            tag: None,
            immutable: true,
            unique: false,
            index: false,
            table: false,
            json: None,
            deprecated: None,
            was: Vec::new(),
            span,
        };
        Some((id, field))
    }

    fn key_part(
        &mut self,
        key: &ast::Key,
        part: &crate::syntax::field::Field,
        id: ConcernId,
        names: &mut Namespace,
        wire: &mut WireNames,
    ) -> Option<Field> {
        self.add_member(names, &part.name, "member");
        let default = part.default.as_ref().map(|literal| literal.span);
        let without_default = crate::syntax::field::Field {
            default: None,
            ..part.clone()
        };
        let mut known = self.field(&without_default, On::Key, wire)?;
        if known.docs.is_empty() && key.parts.len() == 1 {
            known.docs.clone_from(&key.docs);
        }
        known.immutable = true;
        self.key_never_changes(&known, default);
        if !self.is_key_type(&known) {
            self.schema.lost_keys.insert(id);
        }
        Some(known)
    }

    fn key_is_missing(&mut self, declared: &ast::Concern, id: ConcernId) {
        self.schema.lost_keys.insert(id);
        let maybe_broken = declared.members.iter().any(|member| matches!(member, ast::Member::Broken(broken) if broken.names.iter().any(|name| name == "key")));
        if maybe_broken {
            return;
        }
        let name = &declared.name.text;
        let finding = Diagnostic::new(
            Code::MissingKey,
            declared.name.span,
            format!("the concern `{name}` has no key"),
        );
        let finding = match &declared.parent {
            Some((parent, _)) => finding.help(format!(
                "the `{}` that it is in is the first part; say what tells two of them apart there: `key number: u32`",
                parent.text
            )),
            None => finding.help("begin it with a key: `key id: uuid`"),
        };
        self.report(finding);
    }

    fn key_never_changes(&mut self, key: &Field, default: Option<Span>) {
        let what = match (default, key.ty.many) {
            (Some(_), _) => "a key has no default",
            (None, Many::Optional) => "a key is never absent",
            _ => return,
        };
        let span = default.unwrap_or(key.span);
        self.report(
            Diagnostic::new(Code::KeyNeverChanges, span, what)
                .help("a key is given once, by `create`, and never changes"),
        );
    }

    /// Whether the type can be a key; else says why not.
    fn is_key_type(&mut self, key: &Field) -> bool {
        if key.ty.is_collection() {
            self.wrong_key_type(key, collection(key.ty));
            return false;
        }
        match key.ty.value {
            ValueType::Scalar(
                Scalar::Uuid | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64,
            )
            | ValueType::Enum(_)
            | ValueType::Ref(_)
            | ValueType::IdOf(_) => true,
            ValueType::Scalar(Scalar::String) => {
                self.text_has_a_bound(
                    &key.constraints,
                    key.span,
                    &format!("the key `{}`", key.name),
                );
                true
            }
            _ => {
                let shown = format!("`{}`", self.show_type(key.ty));
                self.wrong_key_type(key, &shown);
                false
            }
        }
    }

    /// What is in a key or an index is no longer than is said.
    pub(super) fn text_has_a_bound(&mut self, constraints: &Constraints, span: Span, what: &str) {
        let bounded = constraints
            .length
            .is_some_and(|length| length.max.is_some());
        if !bounded {
            self.report(
                Diagnostic::new(
                    Code::UnboundedKey,
                    span,
                    format!("{what} can have any length"),
                )
                .help("bound it: `@length(1..=64)`"),
            );
        }
    }

    /// `@index` stands on one column of limited length. Whether it stands there.
    pub(super) fn can_be_indexed(
        &mut self,
        index: Option<Span>,
        ty: Type,
        constraints: &Constraints,
    ) -> bool {
        let Some(span) = index else { return false };
        match (ty.many, ty.value) {
            (Many::List | Many::Map, _)
            | (
                _,
                ValueType::Message(_) | ValueType::Concern(_) | ValueType::Scalar(Scalar::Json),
            ) => {
                let shown = self.show_type(ty);
                self.report(
                    Diagnostic::new(
                        Code::MisplacedAttribute,
                        span,
                        format!("`@index` cannot stand on a `{shown}`"),
                    )
                    .help("an index is over single values: numbers, text, times, enums, references")
                    .edit(span, ""),
                );
            }
            (_, ValueType::Scalar(Scalar::String | Scalar::Bytes)) => {
                self.text_has_a_bound(constraints, span, "what is in an index");
            }
            _ => {}
        }
        true
    }

    fn wrong_key_type(&mut self, key: &Field, what: &str) {
        self.report(
            Diagnostic::new(Code::WrongKeyType, key.span, format!("{what} cannot be a key"))
                .help("a key is a `uuid`, a bounded `string`, an integer, an enum, or `ref` or `id of` a concern"),
        );
    }
}
