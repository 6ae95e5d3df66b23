//! Owns numbers as written, made into those of a type.

use std::cmp::Ordering;

use rkcy_core::decimal;

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
    if let Some(digits) = scalar.digits() {
        return Number::decimal(text, digits).ok_or(Misfit::OutOfRange);
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
    left.compare(right) == Some(Ordering::Less)
}

/// What values a type has, for people.
pub(super) fn bounds(scalar: Scalar) -> String {
    match (scalar.integer_bounds(), scalar.digits()) {
        (Some((least, most)), _) => {
            format!("`{scalar}` holds whole numbers from {least} to {most}")
        }
        (None, Some(digits)) => format!(
            "`{scalar}` holds numbers up to {}, with up to {} digits behind the point",
            decimal::show(digits.most(), digits.scale),
            digits.scale
        ),
        (None, None) => format!("`{scalar}` holds finite numbers of that size"),
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
    fn decimals_are_exact() {
        let scalar = Scalar::Decimal(crate::model::Digits::new(4, 2).unwrap());
        assert_eq!(number("1.5", scalar), Ok(Number::Decimal(150, 2)));
        assert_eq!(number("-99.990", scalar), Ok(Number::Decimal(-9999, 2)));
        for wrong in ["1.555", "100"] {
            assert_eq!(number(wrong, scalar), Err(Misfit::OutOfRange), "{wrong}");
        }
        assert!(less(Number::Decimal(-1, 2), scalar.zero()));
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
