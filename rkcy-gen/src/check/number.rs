//! Owns numbers as written, made into those of a type.

use crate::model::{Number, Scalar};

/// Why a number is none of the type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A fraction where whole numbers are wanted.
    Fraction,
    /// Below the smallest or above the largest.
    OutOfRange,
}

/// The number of a type that was written.
pub(super) fn number(text: &str, scalar: Scalar) -> Result<Number, Misfit> {
    if let Some((least, most)) = scalar.integer_bounds() {
        if text.contains('.') {
            return Err(Misfit::Fraction);
        }
        let value: i128 = text.parse().map_err(|_| Misfit::OutOfRange)?;
        return if (least..=most).contains(&value) {
            Ok(Number::Int(value))
        } else {
            Err(Misfit::OutOfRange)
        };
    }
    let value: f64 = text.parse().map_err(|_| Misfit::OutOfRange)?;
    let fits = value.is_finite() && (scalar != Scalar::F32 || value.abs() <= f64::from(f32::MAX));
    if fits {
        Ok(Number::Float(value))
    } else {
        Err(Misfit::OutOfRange)
    }
}

/// Whether one is less than the other; both are of one type.
pub(super) fn less(left: Number, right: Number) -> bool {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => left < right,
        (Number::Float(left), Number::Float(right)) => left < right,
        _ => false,
    }
}

/// Zero of a type.
pub(super) fn zero(scalar: Scalar) -> Number {
    if scalar.is_float() {
        Number::Float(0.0)
    } else {
        Number::Int(0)
    }
}

/// What values a type has, for people.
pub(super) fn bounds(scalar: Scalar) -> String {
    match scalar.integer_bounds() {
        Some((least, most)) => format!(
            "`{}` holds whole numbers from {least} to {most}",
            scalar.word()
        ),
        None => format!("`{}` holds finite numbers of that size", scalar.word()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_keep_to_their_bounds() {
        assert_eq!(
            number("2147483647", Scalar::I32),
            Ok(Number::Int(2_147_483_647))
        );
        assert_eq!(number("2147483648", Scalar::I32), Err(Misfit::OutOfRange));
        assert_eq!(number("-1", Scalar::U64), Err(Misfit::OutOfRange));
        assert_eq!(
            number("18446744073709551615", Scalar::U64),
            Ok(Number::Int(u64::MAX.into()))
        );
        assert_eq!(
            number(&"9".repeat(80), Scalar::I64),
            Err(Misfit::OutOfRange)
        );
        assert_eq!(number("1.5", Scalar::I64), Err(Misfit::Fraction));
    }

    #[test]
    fn floats_are_finite() {
        assert_eq!(number("1.5", Scalar::F64), Ok(Number::Float(1.5)));
        assert_eq!(
            number(&"9".repeat(400), Scalar::F64),
            Err(Misfit::OutOfRange)
        );
        assert_eq!(
            number(&"9".repeat(60), Scalar::F32),
            Err(Misfit::OutOfRange)
        );
    }
}
