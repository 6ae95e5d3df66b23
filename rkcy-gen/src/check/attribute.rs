//! Owns attributes: which exist, where each may stand, and which arguments it has.

use super::Checker;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Auto, FormerName};
use crate::syntax::Span;
use crate::syntax::field::{Argument, Attribute, Literal, LiteralKind};

/// What attributes stand on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    ConcernField,
    Key,
    MessageField,
    Parameter,
    /// A parameter of a function: what it is given has been checked where it comes from.
    FunctionParameter,
    Result,
    EnumValue,
    Concern,
    /// A command or a query.
    Operation,
    /// A message, enum or transaction.
    Declaration,
}

/// The attributes of one element, read but not yet held against its type.
#[derive(Default)]
pub(super) struct Attributes<'a> {
    pub(super) min: Option<&'a Literal>,
    pub(super) max: Option<&'a Literal>,
    pub(super) length: Option<(Option<&'a Literal>, Option<&'a Literal>)>,
    pub(super) pattern: Option<(String, Span)>,
    pub(super) tag: Option<u32>,
    pub(super) tag_span: Option<Span>,
    pub(super) immutable: bool,
    pub(super) index: Option<Span>,
    pub(super) unique: Option<Span>,
    pub(super) auto: Option<(Auto, Span)>,
    pub(super) table: Option<Span>,
    pub(super) hot: bool,
    pub(super) related: Option<Span>,
    pub(super) json: Option<String>,
    pub(super) deprecated: Option<String>,
    /// What it was called before.
    pub(super) was: Vec<FormerName>,
    /// The attributes that limit values, for messages about them.
    pub(super) number_span: Option<Span>,
    pub(super) length_span: Option<Span>,
}

/// All that there are.
const KNOWN: [&str; 17] = [
    "min",
    "max",
    "range",
    "length",
    "pattern",
    "tag",
    "immutable",
    "deprecated",
    "json",
    "index",
    "hot",
    "unique",
    "related",
    "was",
    "allow",
    "auto",
    "table",
];

impl Checker {
    /// Reads the attributes of an element, which is all of the span.
    pub(super) fn attributes<'a>(
        &mut self,
        list: &'a [Attribute],
        on: On,
        element: Span,
    ) -> Attributes<'a> {
        let mut read = Attributes::default();
        let mut seen: Vec<&Attribute> = Vec::new();
        for attribute in list {
            let name = attribute.name.text.as_str();
            if !KNOWN.contains(&name) {
                let finding = Diagnostic::new(
                    Code::UnknownAttribute,
                    attribute.name.span,
                    format!("there is no attribute `@{name}`"),
                )
                .help("the attributes are listed by `rkcy-gen explain RKCY0028`");
                self.report(finding.did_you_mean(attribute.name.span, name, KNOWN));
                continue;
            }
            let earlier = seen.iter().find(|earlier| earlier.name.text == name);
            if let Some(first) = earlier.filter(|_| name != "allow") {
                self.report(
                    Diagnostic::new(
                        Code::AttributeTwice,
                        attribute.span,
                        format!("`@{name}` stands here twice"),
                    )
                    .label(first.span, "first here")
                    .help("remove one of them"),
                );
                continue;
            }
            seen.push(attribute);
            if !may_stand(name, on) {
                self.report(
                    Diagnostic::new(
                        Code::MisplacedAttribute,
                        attribute.span,
                        format!("`@{name}` cannot stand on {}", describe(on)),
                    )
                    .help(format!("it stands on {}", places(name)))
                    .edit(attribute.span, ""),
                );
                continue;
            }
            match name {
                "allow" => self.allow(attribute, element),
                _ => self.read_attribute(attribute, &mut read),
            }
        }
        self.one_limit_each(&seen);
        read
    }

    fn read_attribute<'a>(&mut self, attribute: &'a Attribute, read: &mut Attributes<'a>) {
        let arguments = attribute.arguments.as_deref().unwrap_or_default();
        let name = attribute.name.text.as_str();
        match (name, arguments) {
            ("min", [Argument::Literal(limit)]) if is_number(limit) => {
                read.min = Some(limit);
                read.number_span = Some(attribute.span);
            }
            ("max", [Argument::Literal(limit)]) if is_number(limit) => {
                read.max = Some(limit);
                read.number_span = Some(attribute.span);
            }
            ("range", [Argument::Range { from, to, .. }]) => {
                read.min = from.as_ref().or(read.min);
                read.max = to.as_ref().or(read.max);
                read.number_span = Some(attribute.span);
            }
            ("length", [Argument::Range { from, to, .. }]) => {
                read.length = Some((from.as_ref(), to.as_ref()));
                read.length_span = Some(attribute.span);
            }
            (
                "pattern",
                [
                    Argument::Literal(Literal {
                        kind: LiteralKind::String(text),
                        span,
                    }),
                ],
            ) => {
                read.pattern = Some((text.clone(), *span));
            }
            (
                "tag",
                [
                    Argument::Literal(Literal {
                        kind: LiteralKind::Number(text),
                        span,
                    }),
                ],
            ) => {
                read.tag = self.tag_is_allowed(text, *span);
                read.tag_span = Some(*span);
            }
            ("immutable", []) if attribute.arguments.is_none() => read.immutable = true,
            ("index", []) if attribute.arguments.is_none() => read.index = Some(attribute.span),
            ("table", []) if attribute.arguments.is_none() => read.table = Some(attribute.span),
            ("unique", []) if attribute.arguments.is_none() => read.unique = Some(attribute.span),
            (
                "auto",
                [
                    Argument::Literal(Literal {
                        kind: LiteralKind::Name(word),
                        ..
                    }),
                ],
            ) if let Some(auto) = Auto::from_word(word) => {
                read.auto = Some((auto, attribute.span));
            }
            ("hot", []) if attribute.arguments.is_none() => read.hot = true,
            ("related", []) if attribute.arguments.is_none() => {
                read.related = Some(attribute.span);
            }
            ("was", [_, ..]) if names(arguments).count() == arguments.len() => {
                read.was = names(arguments).collect();
            }
            (
                "json",
                [
                    Argument::Literal(Literal {
                        kind: LiteralKind::String(text),
                        ..
                    }),
                ],
            ) if !text.is_empty() => {
                read.json = Some(text.clone());
            }
            ("deprecated", []) if attribute.arguments.is_none() => {
                read.deprecated = Some(String::new())
            }
            (
                "deprecated",
                [
                    Argument::Literal(Literal {
                        kind: LiteralKind::String(text),
                        ..
                    }),
                ],
            ) => {
                read.deprecated = Some(text.clone());
            }
            _ => self.wrong_arguments(attribute),
        }
    }

    pub(super) fn wrong_arguments(&mut self, attribute: &Attribute) {
        let name = attribute.name.text.as_str();
        self.report(
            Diagnostic::new(
                Code::AttributeArguments,
                attribute.span,
                format!("`@{name}` does not take these arguments"),
            )
            .help(format!("write {}", usage(name))),
        );
    }

    /// `@min` beside a range with a lower end, and the like.
    fn one_limit_each(&mut self, seen: &[&Attribute]) {
        let find = |name: &str| seen.iter().find(|attribute| attribute.name.text == name);
        let Some(range) = find("range") else { return };
        let Some([Argument::Range { from, to, .. }]) = range.arguments.as_deref() else {
            return;
        };
        for (name, end) in [("min", from), ("max", to)] {
            if let (Some(other), Some(_)) = (find(name), end) {
                self.report(
                    Diagnostic::new(
                        Code::AttributeTwice,
                        other.span,
                        format!("`@{name}` and `@range` give the same limit twice"),
                    )
                    .label(range.span, "and here")
                    .help("remove one of them"),
                );
            }
        }
    }

    fn tag_is_allowed(&mut self, text: &str, span: Span) -> Option<u32> {
        let tag: Option<u32> = text
            .parse()
            .ok()
            .filter(|tag| matches!(tag, 1..=18_999 | 20_000..=536_870_911));
        if tag.is_none() {
            self.report(
                Diagnostic::new(
                    Code::WrongTag,
                    span,
                    format!("{text} is not a number for a field or value"),
                )
                .help("protobuf allows 1 to 536870911, but not 19000 to 19999"),
            );
        }
        tag
    }
}

/// The names among arguments.
fn names(arguments: &[Argument]) -> impl Iterator<Item = FormerName> + '_ {
    arguments.iter().filter_map(|argument| match argument {
        Argument::Literal(Literal {
            kind: LiteralKind::Name(text),
            span,
        }) => Some(FormerName {
            text: text.clone(),
            span: *span,
        }),
        _ => None,
    })
}

fn is_number(literal: &Literal) -> bool {
    matches!(literal.kind, LiteralKind::Number(_))
}

fn may_stand(name: &str, on: On) -> bool {
    match name {
        _ if on == On::FunctionParameter => false,
        "related" => on == On::Operation,
        _ if on == On::Operation => false,
        "min" | "max" | "range" | "length" | "pattern" => {
            !matches!(on, On::EnumValue | On::Declaration | On::Concern)
        }
        "tag" | "json" => !matches!(on, On::Result | On::Declaration | On::Concern),
        "immutable" | "index" | "unique" | "auto" | "table" => on == On::ConcernField,
        "hot" => on == On::Concern,
        _ => on != On::Result,
    }
}

fn places(name: &str) -> &'static str {
    match name {
        "min" | "max" | "range" | "length" | "pattern" => "fields, keys, parameters and results",
        "tag" | "json" => "fields, keys, parameters and values of enums",
        "immutable" | "index" | "unique" | "table" => "fields of concerns",
        "auto" => "fields of concerns; a `uuid` key that is left out is made anyway",
        "hot" => "concerns",
        "related" => "commands and queries",
        "was" => "fields, keys, parameters, values of enums, and declarations",
        _ => "declarations, fields, parameters and values of enums",
    }
}

fn describe(on: On) -> &'static str {
    match on {
        On::ConcernField => "a field of a concern",
        On::Key => "a key",
        On::MessageField => "a field of a message",
        On::Parameter => "a parameter",
        On::FunctionParameter => "a parameter of a function",
        On::Result => "a result",
        On::EnumValue => "a value of an enum",
        On::Concern => "a concern",
        On::Operation => "a command or a query",
        On::Declaration => "a declaration",
    }
}

fn usage(name: &str) -> &'static str {
    match name {
        "min" => "`@min(0)`",
        "max" => "`@max(100)`",
        "range" => "`@range(1..=100)`; both ends are included, one may be left out",
        "length" => "`@length(2..=64)`; both ends are included, one may be left out",
        "pattern" => "`@pattern(\"[a-z]+\")`",
        "tag" => "`@tag(7)`",
        "immutable" => "`@immutable`, without arguments",
        "index" => "`@index`, without arguments",
        "unique" => {
            "`@unique`, without arguments; over several fields, `unique (a, b)` in the concern"
        }
        "auto" => "`@auto(uuid)` or `@auto(now)`",
        "table" => "`@table`, without arguments",
        "hot" => "`@hot`, without arguments",
        "related" => "`@related`, without arguments",
        "json" => "`@json(\"name\")`",
        "was" => "`@was(old_name)`, or all that it was called before: `@was(older, oldest)`",
        "allow" => "`@allow(RKCY0077, \"why\")`",
        _ => "`@deprecated(\"what to use instead\")`",
    }
}
