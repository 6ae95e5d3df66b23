//! Owns checks of values in Rust: one statement for each constraint, and those that every value of a
//! type has to pass because some target could not store it otherwise.

use rkcy_core::decimal;

use super::Cx;
use super::signature::number;
use crate::model::{Constraints, Digits, Field, Length, Many, Number, Scalar, Type, ValueType};

impl Cx<'_> {
    /// Statements that check the value of a field; empty where every value is fine.
    pub(super) fn checks(
        &self,
        field: &Field,
        value: &str,
        pattern: Option<&str>,
        boxed: bool,
    ) -> Vec<String> {
        let path = format!("{:?}", field.json_name());
        self.value_checks(field.ty, &field.constraints, &path, value, pattern, boxed)
    }

    pub(super) fn value_checks(
        &self,
        ty: Type,
        constraints: &Constraints,
        path: &str,
        value: &str,
        pattern: Option<&str>,
        boxed: bool,
    ) -> Vec<String> {
        match ty.many {
            Many::One => {
                let checks = self.one(ty.value, constraints, path, value, false, pattern);
                checks
                    .into_iter()
                    .map(|check| format!("{check}?;"))
                    .collect()
            }
            Many::Optional => {
                let by_value = self.is_copy(ty);
                let checks = self.present(ty.value, constraints, path, !by_value, pattern);
                if checks.is_empty() {
                    return Vec::new();
                }
                let source = match (by_value, boxed) {
                    (true, _) => value.to_owned(),
                    (false, true) => format!("{value}.as_deref()"),
                    (false, false) => format!("&{value}"),
                };
                let body: String = checks.iter().map(|check| format!("{check}?; ")).collect();
                vec![format!("if let Some(value) = {source} {{ {body} }}")]
            }
            Many::List | Many::Map => {
                self.collection_checks(ty, constraints, path, value, &format!("&{value}"))
            }
        }
    }

    /// The same, of a value that a variable refers to.
    pub(super) fn reference_checks(
        &self,
        ty: Type,
        constraints: &Constraints,
        path: &str,
        name: &str,
        pattern: Option<&str>,
    ) -> Vec<String> {
        let is_copy = self.is_copy(ty);
        let value = if is_copy {
            format!("*{name}")
        } else {
            name.to_owned()
        };
        match ty.many {
            Many::One => {
                let checks = self.one(ty.value, constraints, path, &value, !is_copy, pattern);
                checks
                    .into_iter()
                    .map(|check| format!("{check}?;"))
                    .collect()
            }
            Many::Optional => {
                let checks = self.present(ty.value, constraints, path, !is_copy, pattern);
                if checks.is_empty() {
                    return Vec::new();
                }
                let body: String = checks.iter().map(|check| format!("{check}?; ")).collect();
                vec![format!("if let Some(value) = {value} {{ {body} }}")]
            }
            Many::List | Many::Map => self.collection_checks(ty, constraints, path, name, name),
        }
    }

    /// Checks of a list or a map, which is given as a value and as a reference to it.
    pub(super) fn collection_checks(
        &self,
        ty: Type,
        constraints: &Constraints,
        path: &str,
        value: &str,
        reference: &str,
    ) -> Vec<String> {
        let mut checks = Vec::new();
        if let Some(range) = constraints.length.and_then(length_range) {
            checks.push(format!(
                "codegen::constraint::length({path}, {value}.len(), {range})?;"
            ));
        }
        let each = match ty.is_map() {
            true => "entries",
            false => "each",
        };
        if matches!(ty.value, ValueType::Message(_)) {
            checks.push(format!(
                "codegen::constraint::{each}({path}, {reference}, codegen::Value::check)?;"
            ));
        } else {
            let item = if self.is_copy(Type::one(ty.value)) {
                "*value"
            } else {
                "value"
            };
            let by_ref = item == "value";
            let inner = self.one(
                ty.value,
                &Constraints::default(),
                "\"\"",
                item,
                by_ref,
                None,
            );
            match inner.as_slice() {
                [check] => checks.push(format!(
                    "codegen::constraint::{each}({path}, {reference}, |value| {check})?;"
                )),
                // Names are held against what every text is.
                _ if ty.is_map() => checks.push(format!(
                    "codegen::constraint::{each}({path}, {reference}, |_| Ok(()))?;"
                )),
                _ => {}
            }
        }
        checks
    }

    /// Checks of the `value` of a `T?` that is there.
    pub(super) fn present(
        &self,
        ty: ValueType,
        constraints: &Constraints,
        path: &str,
        by_ref: bool,
        pattern: Option<&str>,
    ) -> Vec<String> {
        let mut checks = self.one(ty, constraints, path, "value", by_ref, pattern);
        // In JSON that is how one is written which is absent.
        if ty == ValueType::Scalar(Scalar::Json) {
            checks.push(format!("codegen::constraint::not_null({path}, value)"));
        }
        checks
    }

    /// Checks of one value, each an expression that gives a `Result`.
    pub(super) fn one(
        &self,
        ty: ValueType,
        constraints: &Constraints,
        path: &str,
        value: &str,
        by_ref: bool,
        pattern: Option<&str>,
    ) -> Vec<String> {
        let reference = if by_ref {
            value.to_owned()
        } else {
            format!("&{value}")
        };
        let mut checks = Vec::new();
        match ty {
            ValueType::Scalar(Scalar::String) => {
                let range = constraints
                    .length
                    .and_then(length_range)
                    .unwrap_or_else(|| "..".to_owned());
                checks.push(format!(
                    "codegen::constraint::text({path}, {reference}, {range})"
                ));
                if let Some(pattern) = pattern {
                    checks.push(format!("{pattern}.check({path}, {reference})"));
                }
            }
            ValueType::Scalar(Scalar::Bytes) => {
                if let Some(range) = constraints.length.and_then(length_range) {
                    checks.push(format!(
                        "codegen::constraint::length({path}, {value}.len(), {range})"
                    ));
                }
            }
            ValueType::Scalar(Scalar::Timestamp) => {
                checks.push(format!("codegen::constraint::timestamp({path}, {value})"));
            }
            ValueType::Scalar(scalar) => {
                if scalar.is_float() {
                    checks.push(format!("codegen::constraint::finite({path}, {value})"));
                }
                if let Some(range) = number_range(ty, constraints) {
                    checks.push(format!(
                        "codegen::constraint::number({path}, {value}, {range})"
                    ));
                }
            }
            ValueType::Message(_) => {
                checks.push(format!("codegen::constraint::nested({path}, {reference})"))
            }
            ValueType::Ref(_) if self.is_message(ty) => {
                checks.push(format!(
                    "codegen::constraint::nested({path}, {value}.key())"
                ));
            }
            ValueType::IdOf(_) if self.is_message(ty) => {
                checks.push(format!("codegen::constraint::nested({path}, {reference})"));
            }
            ValueType::Ref(_) | ValueType::ConfigRef(_)
                if self.model.stored_as(ty) == ValueType::Scalar(Scalar::String) =>
            {
                checks.push(format!(
                    "codegen::constraint::text({path}, {value}.key(), ..)"
                ));
            }
            ValueType::IdOf(_) if self.model.stored_as(ty) == ValueType::Scalar(Scalar::String) => {
                checks.push(format!(
                    "codegen::constraint::text({path}, {reference}, ..)"
                ));
            }
            ValueType::Ref(_)
            | ValueType::IdOf(_)
            | ValueType::ConfigRef(_)
            | ValueType::Enum(_)
            | ValueType::Concern(_) => {}
        }
        checks
    }
}

/// A range of lengths in Rust; none where all are taken.
pub(super) fn length_range(length: Length) -> Option<String> {
    match (length.min, length.max) {
        (0, None) => None,
        (0, Some(max)) => Some(format!("..={max}")),
        (min, None) => Some(format!("{min}..")),
        (min, Some(max)) => Some(format!("{min}..={max}")),
    }
}

/// A range of numbers in Rust; none where all of the type are taken.
pub(super) fn number_range(ty: ValueType, constraints: &Constraints) -> Option<String> {
    let (min, max) = limits(ty, constraints);
    let is_float = matches!(ty, ValueType::Scalar(scalar) if scalar.is_float());
    let shown = |value: Number| match (value, ty) {
        (Number::Int(value), _) if is_float => format!("{value}.0"),
        (Number::Decimal(units, scale), ValueType::Scalar(Scalar::Decimal(digits))) => {
            rust_decimal(units, scale, digits)
        }
        (other, _) => number(other),
    };
    match (min.map(shown), max.map(shown)) {
        (None, None) => None,
        (None, Some(max)) => Some(format!("..={max}")),
        (Some(min), None) => Some(format!("{min}..")),
        (Some(min), Some(max)) => Some(format!("{min}..={max}")),
    }
}

/// A constant of `decimal` in Rust: the compiler sees that its type holds it.
pub(super) fn rust_decimal(units: i128, scale: u8, digits: Digits) -> String {
    let text = decimal::show(units, scale);
    format!("const {{ codegen::Decimal::<{digits}>::literal({text:?}) }}")
}

/// The limits of a number, without those that its type has anyway.
pub(super) fn limits(ty: ValueType, constraints: &Constraints) -> (Option<Number>, Option<Number>) {
    let natural = match ty {
        ValueType::Scalar(scalar) => scalar.limits(),
        _ => None,
    };
    let min = constraints
        .min
        .filter(|min| natural.is_none_or(|(low, _)| *min != low));
    let max = constraints
        .max
        .filter(|max| natural.is_none_or(|(_, high)| *max != high));
    (min, max)
}
