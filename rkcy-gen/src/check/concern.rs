//! Pass 3, concerns: the key, the fields, and what else may stand in one.

use super::Checker;
use super::attribute::On;
use super::field::WireNames;
use super::naming::Namespace;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{ConcernId, Field, Many, Scalar, ValueType};
use crate::syntax::ast::Ident;
use crate::syntax::concern as ast;
use crate::syntax::operation::Operation;

/// Every concern has these without being asked.
pub(super) const BUILTIN_OPERATIONS: [&str; 4] = ["create", "get", "update", "delete"];

impl Checker {
    pub(super) fn concern(&mut self, declared: &ast::Concern, id: ConcernId) {
        let owner = Owner::Concern(id);
        let mut names = Namespace::default();
        let mut wire = WireNames::default();
        if let Some((_, span)) = &declared.parent {
            self.not_supported(*span, "a concern `in` another");
        }
        self.keys(declared, id, &mut names, &mut wire);
        for member in &declared.members {
            match member {
                ast::Member::Key(_) => {}
                ast::Member::Field(field) => {
                    self.add_member(&mut names, &field.name, "member");
                    match self.field(field, On::ConcernField, &mut wire) {
                        Some(known) => self.schema.concerns[id.index()].fields.push(known),
                        None => self.schema.lose(owner, &field.name.text),
                    }
                }
                ast::Member::Command(operation) => {
                    self.operation_name(&mut names, operation);
                    match self.command(operation, id) {
                        Some(command) => self.schema.concerns[id.index()].commands.push(command),
                        None => self.schema.lose(owner, &operation.name.text),
                    }
                }
                ast::Member::Query(operation) => {
                    self.operation_name(&mut names, operation);
                    match self.query(operation, id) {
                        Some(query) => self.schema.concerns[id.index()].queries.push(query),
                        None => self.schema.lose(owner, &operation.name.text),
                    }
                }
                ast::Member::Narrowing(clause) => {
                    self.not_supported(clause.span, &format!("`{}`", clause.word))
                }
                ast::Member::Unique(clause) => self.not_supported(clause.span, "`unique`"),
                ast::Member::List(clause) => self.not_supported(clause.span, "`list`"),
                ast::Member::Timer(clause) => self.not_supported(clause.span, "timers"),
                ast::Member::Broken(broken) => {
                    for name in &broken.names {
                        self.schema.lose(owner, name);
                    }
                }
            }
        }
        self.undos(declared, id);
        let deprecated = self
            .attributes(&declared.attributes, On::Declaration)
            .deprecated;
        let target = &mut self.schema.concerns[id.index()];
        target.docs.clone_from(&declared.docs);
        target.deprecated = deprecated;
    }

    fn add_member(&mut self, names: &mut Namespace, name: &Ident, what: &str) {
        if let Err(wrong) = names.add(name, what) {
            self.report(wrong);
        }
    }

    fn operation_name(&mut self, names: &mut Namespace, operation: &Operation) {
        let name = &operation.name;
        self.member_naming(name);
        if BUILTIN_OPERATIONS.contains(&name.text.as_str()) {
            self.report(
                Diagnostic::new(Code::BuiltinOperation, name.span, format!("every concern has `{}` already", name.text))
                    .help("choose another name; constraints and handlers say what the built-in ones may do"),
            );
            return;
        }
        self.add_member(names, name, "member");
    }

    /// A concern has one key, at its top.
    fn keys(
        &mut self,
        declared: &ast::Concern,
        id: ConcernId,
        names: &mut Namespace,
        wire: &mut WireNames,
    ) {
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
        let owner = Owner::Concern(id);
        match first.map(|key| (key, key.parts.as_slice())) {
            Some((key, [part])) => {
                self.add_member(names, &part.name, "member");
                let default = part.default.as_ref().map(|literal| literal.span);
                let without_default = crate::syntax::field::Field {
                    default: None,
                    ..part.clone()
                };
                match self.field(&without_default, On::Key, wire) {
                    Some(mut known) => {
                        if known.docs.is_empty() {
                            known.docs.clone_from(&key.docs);
                        }
                        known.immutable = true;
                        self.key_never_changes(&known, default);
                        if !self.is_key_type(&known) {
                            self.schema.lost_keys.insert(id);
                        }
                        self.schema.concerns[id.index()].key = known;
                    }
                    None => {
                        self.schema.lost_keys.insert(id);
                        self.schema.lose(owner, &part.name.text);
                    }
                }
            }
            Some((key, parts)) => {
                self.not_supported(key.span, "a key of several parts");
                self.schema.lost_keys.insert(id);
                for part in parts {
                    self.schema.lose(owner, &part.name.text);
                }
            }
            None => {
                self.schema.lost_keys.insert(id);
                let maybe_broken = declared.members.iter().any(|member| matches!(member, ast::Member::Broken(broken) if broken.names.iter().any(|name| name == "key")));
                if !maybe_broken {
                    let name = &declared.name.text;
                    self.report(
                        Diagnostic::new(
                            Code::MissingKey,
                            declared.name.span,
                            format!("the concern `{name}` has no key"),
                        )
                        .help("begin it with a key: `key id: uuid`"),
                    );
                }
            }
        }
    }

    fn key_never_changes(&mut self, key: &Field, default: Option<crate::syntax::Span>) {
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
        if key.ty.is_list() {
            self.wrong_key_type(key, "a list");
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
                if key
                    .constraints
                    .length
                    .and_then(|length| length.max)
                    .is_none()
                {
                    self.report(
                        Diagnostic::new(
                            Code::UnboundedKey,
                            key.span,
                            format!("the key `{}` can have any length", key.name),
                        )
                        .help("bound it: `@length(1..=64)`"),
                    );
                }
                true
            }
            _ => {
                let shown = format!("`{}`", self.show_type(key.ty));
                self.wrong_key_type(key, &shown);
                false
            }
        }
    }

    fn wrong_key_type(&mut self, key: &Field, what: &str) {
        self.report(
            Diagnostic::new(Code::WrongKeyType, key.span, format!("{what} cannot be a key"))
                .help("a key is a `uuid`, a bounded `string`, an integer, an enum, or `ref` or `id of` a concern"),
        );
    }
}
