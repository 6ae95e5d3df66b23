//! Owns defaults: literals held against the type and the constraints of their field.

use super::Checker;
use super::number::{Misfit, bounds, less, number};
use super::pattern::matches;
use super::schema::Owner;
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Constraints, Literal, Many, Scalar, Type, ValueType};
use crate::syntax::field as ast;

impl Checker {
    pub(super) fn default(
        &mut self,
        literal: &ast::Literal,
        ty: Type,
        constraints: &Constraints,
    ) -> Option<Literal> {
        let value = self.default_of_type(literal, ty)?;
        self.default_is_inside(literal, &value, constraints);
        Some(value)
    }

    fn default_of_type(&mut self, literal: &ast::Literal, ty: Type) -> Option<Literal> {
        use ast::LiteralKind as Kind;
        if ty.many == Many::List {
            return match literal.kind {
                Kind::EmptyList => Some(Literal::EmptyList),
                _ => self.wrong_default(literal, ty, "the default of a list is `[]`"),
            };
        }
        if ty.is_map() {
            let help = "a map that is left out is empty, and no other default can be written";
            return self.wrong_default(literal, ty, help);
        }
        match (ty.value, &literal.kind) {
            (ValueType::Scalar(Scalar::Bool), Kind::Name(name))
                if name == "true" || name == "false" =>
            {
                Some(Literal::Bool(name == "true"))
            }
            (ValueType::Scalar(Scalar::Bool), _) => {
                self.wrong_default(literal, ty, "write `true` or `false`")
            }
            (ValueType::Scalar(Scalar::String), Kind::String(text)) => {
                Some(Literal::String(text.clone()))
            }
            (ValueType::Scalar(Scalar::String), _) => {
                self.wrong_default(literal, ty, "write a string in double quotes")
            }
            (ValueType::Scalar(scalar), Kind::Number(text)) if scalar.is_number() => {
                match number(text, scalar) {
                    Ok(number) => Some(Literal::Number(number)),
                    Err(Misfit::Fraction | Misfit::OutOfRange) => {
                        self.wrong_default(literal, ty, &bounds(scalar))
                    }
                }
            }
            (ValueType::Scalar(scalar), _) if scalar.is_number() => {
                self.wrong_default(literal, ty, "write a number")
            }
            (ValueType::Enum(id), Kind::Name(name)) => {
                let declared = self.schema.enumeration(id);
                if let Some(index) = declared.values.iter().position(|value| value.name == *name) {
                    return Some(Literal::Enum(id, index as u32));
                }
                if self.schema.is_lost(Owner::Enum(id), name) {
                    return None;
                }
                let known: Vec<String> = declared
                    .values
                    .iter()
                    .map(|value| value.name.clone())
                    .collect();
                let message = format!("`{}` has no value `{name}`", declared.name);
                let finding = Diagnostic::new(Code::WrongDefault, literal.span, message)
                    .help(format!("its values are {}", list(&known)));
                self.report(finding.did_you_mean(
                    literal.span,
                    name,
                    known.iter().map(String::as_str),
                ));
                None
            }
            (ValueType::Enum(_), _) => {
                self.wrong_default(literal, ty, "write the name of one of its values")
            }
            _ => self.wrong_default(literal, ty, "no literal is a value of this type"),
        }
    }

    fn wrong_default(&mut self, literal: &ast::Literal, ty: Type, help: &str) -> Option<Literal> {
        let shown = self.show_type(ty);
        self.report(
            Diagnostic::new(
                Code::WrongDefault,
                literal.span,
                format!("this default is not a `{shown}`"),
            )
            .help(help),
        );
        None
    }

    fn default_is_inside(
        &mut self,
        literal: &ast::Literal,
        value: &Literal,
        constraints: &Constraints,
    ) {
        let too_short = |length: usize| {
            constraints
                .length
                .is_some_and(|limit| length < limit.min as usize)
        };
        let too_long = |length: usize| {
            constraints
                .length
                .and_then(|limit| limit.max)
                .is_some_and(|max| length > max as usize)
        };
        let broken = match value {
            Literal::Number(number) => {
                if constraints.min.is_some_and(|min| less(*number, min)) {
                    Some("it is below the smallest value")
                } else if constraints.max.is_some_and(|max| less(max, *number)) {
                    Some("it is above the largest value")
                } else {
                    None
                }
            }
            Literal::String(text) => {
                let length = text.chars().count();
                if too_short(length) {
                    Some("it is too short")
                } else if too_long(length) {
                    Some("it is too long")
                } else if constraints
                    .pattern
                    .as_ref()
                    .is_some_and(|pattern| !matches(pattern, text))
                {
                    Some("it does not match the pattern")
                } else {
                    None
                }
            }
            Literal::EmptyList if too_short(0) => Some("it has no elements"),
            _ => None,
        };
        if let Some(why) = broken {
            self.report(
                Diagnostic::new(
                    Code::DefaultOutside,
                    literal.span,
                    format!("this default breaks the field's own constraint: {why}"),
                )
                .help("change the default or the constraint"),
            );
        }
    }
}

/// Names for people: `a`, `b` and `c`.
pub(super) fn list(names: &[String]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(12)
        .map(|name| format!("`{name}`"))
        .collect();
    match quoted.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
