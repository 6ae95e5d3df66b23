//! Owns constraints: attributes that limit values, held against the type that they limit.

use super::Checker;
use super::attribute::Attributes;
use super::number::{Misfit, bounds, less, number};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Constraints, Length, Number, Scalar, Type, ValueType};
use crate::syntax::Span;
use crate::syntax::field::{Literal, LiteralKind};

impl Checker {
    pub(super) fn constraints(&mut self, attributes: &Attributes<'_>, ty: Type) -> Constraints {
        let mut constraints = Constraints::default();
        let scalar = match ty.value {
            ValueType::Scalar(scalar) if !ty.is_collection() => Some(scalar),
            _ => None,
        };
        if let Some(span) = attributes.number_span {
            match scalar.filter(|scalar| scalar.is_number()) {
                Some(scalar) => {
                    constraints.min = attributes.min.and_then(|limit| self.limit(limit, scalar));
                    constraints.max = attributes.max.and_then(|limit| self.limit(limit, scalar));
                    if let (Some(min), Some(max)) = (constraints.min, constraints.max)
                        && less(max, min)
                    {
                        self.empty_range(span);
                    }
                }
                None => self.wrong_constraint(
                    span,
                    ty,
                    "only numbers have a smallest and a largest value",
                ),
            }
        }
        if let (Some((from, to)), Some(span)) = (attributes.length, attributes.length_span) {
            if ty.is_collection() || matches!(scalar, Some(Scalar::String | Scalar::Bytes)) {
                constraints.length = self.length(from, to, span);
            } else {
                self.wrong_constraint(
                    span,
                    ty,
                    "only lists, maps, `string` and `bytes` have a length",
                );
            }
        }
        if let Some((pattern, span)) = &attributes.pattern {
            if scalar == Some(Scalar::String) {
                if self.pattern_is_shared(pattern, *span) {
                    constraints.pattern = Some(pattern.clone());
                }
            } else {
                self.wrong_constraint(*span, ty, "only a `string` has a pattern");
            }
        }
        constraints
    }

    fn limit(&mut self, literal: &Literal, scalar: Scalar) -> Option<Number> {
        let LiteralKind::Number(text) = &literal.kind else {
            return None;
        };
        match number(text, scalar) {
            Ok(number) => Some(number),
            Err(misfit) => {
                let message = match misfit {
                    Misfit::Fraction => format!("`{scalar}` has no fractions"),
                    Misfit::OutOfRange => format!("{text} does not fit `{scalar}`"),
                };
                self.report(
                    Diagnostic::new(Code::LimitOutsideType, literal.span, message)
                        .help(bounds(scalar)),
                );
                None
            }
        }
    }

    fn length(
        &mut self,
        from: Option<&Literal>,
        to: Option<&Literal>,
        span: Span,
    ) -> Option<Length> {
        let mut end = |literal: Option<&Literal>| -> Result<Option<u32>, ()> {
            let Some(literal) = literal else {
                return Ok(None);
            };
            let LiteralKind::Number(text) = &literal.kind else {
                return Err(());
            };
            match text.parse() {
                Ok(length) => Ok(Some(length)),
                Err(_) => {
                    self.report(
                        Diagnostic::new(
                            Code::LimitOutsideType,
                            literal.span,
                            format!("{text} is not a length"),
                        )
                        .help(format!("a length is a whole number from 0 to {}", u32::MAX)),
                    );
                    Err(())
                }
            }
        };
        let (from, to) = (end(from), end(to));
        let (min, max) = (from.ok()?.unwrap_or(0), to.ok()?);
        if max.is_some_and(|max| max < min) {
            self.empty_range(span);
            return None;
        }
        Some(Length { min, max })
    }

    fn empty_range(&mut self, span: Span) {
        self.report(
            Diagnostic::new(Code::EmptyRange, span, "nothing lies in this range")
                .help("the lower limit comes first"),
        );
    }

    fn wrong_constraint(&mut self, span: Span, ty: Type, why: &str) {
        let shown = self.show_type(ty);
        self.report(
            Diagnostic::new(
                Code::WrongConstraint,
                span,
                format!("this says nothing about a `{shown}`: {why}"),
            )
            .help("remove it")
            .edit(span, ""),
        );
    }
}
