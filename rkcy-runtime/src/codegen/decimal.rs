//! Exact numbers with a point: no value of the type is one that its schema does not take.
//!
//! Owns the arithmetic that is exact. Their text is that of [`rkcy_core::decimal`], in protobuf and in JSON.

use super::sql::Column;
use super::value::Value;
use crate::store::SqlValue;
use rkcy_core::decimal::{self, MOST_DIGITS};
use rkcy_core::fault::{Class, Fault};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Neg;
use std::str::FromStr;

/// The schema's `decimal(P, S)`: up to `P` digits, `S` of them behind the point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const P: u8, const S: u8>(i128);

/// A text that is no number of the type, or one with too many digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a number like \"{}\", with up to {precision} digits, {scale} of them behind the point", if *scale == 0 { "12" } else { "1.5" })]
pub struct DecimalError {
    precision: u8,
    scale: u8,
}

impl<const P: u8, const S: u8> Decimal<P, S> {
    /// Zero.
    pub const ZERO: Self = Decimal(0);
    /// The largest number.
    pub const MAX: Self = Decimal(Self::BEYOND - 1);
    /// The smallest number.
    pub const MIN: Self = Decimal(1 - Self::BEYOND);

    /// The first number of units that has too many digits.
    const BEYOND: i128 = {
        assert!(P >= 1 && P <= MOST_DIGITS, "a decimal has 1 to 38 digits");
        assert!(S <= P, "no more digits behind the point than in all");
        decimal::power(P)
    };
    const ERROR: DecimalError = DecimalError {
        precision: P,
        scale: S,
    };

    /// The number of so many units of its last digit: with two digits behind the point, 1250 units are 12.50.
    /// `None` where it has too many digits.
    #[must_use]
    pub const fn from_units(units: i128) -> Option<Self> {
        if -Self::BEYOND < units && units < Self::BEYOND {
            Some(Decimal(units))
        } else {
            None
        }
    }

    /// How many units of its last digit it is.
    #[must_use]
    pub const fn units(self) -> i128 {
        self.0
    }

    /// The number that a text writes, for constants: `const { Decimal::literal("12.50") }`.
    ///
    /// # Panics
    /// Where the text is none. In a `const` the compiler says so; at run time use [`FromStr`].
    #[must_use]
    pub const fn literal(text: &str) -> Self {
        match Self::parse(text) {
            Some(number) => number,
            None => panic!("not a number of this type"),
        }
    }

    const fn parse(text: &str) -> Option<Self> {
        match decimal::parse(text, P, S) {
            Some(units) => Self::from_units(units),
            None => None,
        }
    }

    /// The sum, unless it has too many digits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(units) => Self::from_units(units),
            None => None,
        }
    }

    /// The difference, unless it has too many digits.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Decimal(-other.0))
    }

    /// So many times the number, unless that has too many digits.
    #[must_use]
    pub const fn checked_mul(self, times: i64) -> Option<Self> {
        match self.0.checked_mul(times as i128) {
            Some(units) => Self::from_units(units),
            None => None,
        }
    }

    /// The same number as another type; `None` where that does not hold it.
    #[must_use]
    pub fn exactly<const Q: u8, const T: u8>(self) -> Option<Decimal<Q, T>> {
        let units = match T.checked_sub(S) {
            Some(more) => self.0.checked_mul(decimal::power(more))?,
            None => {
                let fewer = decimal::power(S - T);
                (self.0 % fewer == 0).then_some(self.0 / fewer)?
            }
        };
        Decimal::from_units(units)
    }
}

impl<const P: u8, const S: u8> Neg for Decimal<P, S> {
    type Output = Self;
    fn neg(self) -> Self {
        Decimal(-self.0)
    }
}

impl<const P: u8, const S: u8> fmt::Display for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&decimal::show(self.0, S))
    }
}

impl<const P: u8, const S: u8> fmt::Debug for Decimal<P, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const P: u8, const S: u8> FromStr for Decimal<P, S> {
    type Err = DecimalError;
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::parse(text).ok_or(Self::ERROR)
    }
}

impl<const P: u8, const S: u8> Value for Decimal<P, S> {
    type Proto = String;
    const IS_FIELD: bool = true;
    /// Zero is the empty text, which protobuf does not write.
    fn to_proto(&self) -> String {
        match self.0 {
            0 => String::new(),
            units => decimal::show(units, S),
        }
    }
    fn from_proto(proto: String) -> Result<Self, Fault> {
        if proto.is_empty() {
            return Ok(Self::ZERO);
        }
        let units = decimal::parse_canonical(&proto, P, S).filter(|units| *units != 0);
        units.and_then(Self::from_units).ok_or_else(|| {
            let message = format!("`{proto}` is no decimal({P}, {S}) in its canonical form");
            Fault::new(Class::Corrupt, "unreadable", message)
        })
    }
}

impl<const P: u8, const S: u8> Column for Decimal<P, S> {
    fn to_sql(&self) -> SqlValue {
        SqlValue::Text(decimal::to_column(self.0, P, S))
    }
    fn from_sql(value: &SqlValue) -> Option<Self> {
        match value {
            SqlValue::Text(text) => Self::from_units(decimal::from_column(text, P, S)?),
            _ => None,
        }
    }
}

impl<const P: u8, const S: u8> Serialize for Decimal<P, S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const P: u8, const S: u8> Deserialize<'de> for Decimal<P, S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Price = Decimal<6, 2>;

    fn price(text: &str) -> Price {
        text.parse().unwrap()
    }

    #[test]
    fn it_holds_no_more_digits_than_its_type() {
        assert_eq!(Price::from_units(999_999), Some(Price::MAX));
        assert_eq!(Price::from_units(1_000_000), None);
        assert_eq!(Price::from_units(i128::MIN), None);
        assert_eq!(Price::MIN.to_string(), "-9999.99");
        assert_eq!(
            "10000".parse::<Price>().unwrap_err().to_string(),
            "expected a number like \"1.5\", with up to 6 digits, 2 of them behind the point"
        );
        const HALF: Price = Price::literal("0.50");
        assert_eq!(HALF.units(), 50);
        assert_eq!(Decimal::<38, 38>::MAX.units(), 10_i128.pow(38) - 1);
    }

    #[test]
    fn arithmetic_is_exact_or_refused() {
        assert_eq!(price("0.1").checked_add(price("0.2")), Some(price("0.3")));
        assert_eq!(Price::MAX.checked_add(price("0.01")), None);
        assert_eq!(Price::MIN.checked_sub(price("0.01")), None);
        assert_eq!(price("3333.33").checked_mul(3), Some(price("9999.99")));
        assert_eq!(price("3333.34").checked_mul(3), None);
        let largest = Decimal::<38, 0>::MAX;
        assert_eq!(largest.checked_add(largest), None);
        assert_eq!(largest.checked_mul(i64::MIN), None);
        assert_eq!(-price("1.5"), price("-1.5"));
        assert!(price("-2") < price("-1.99") && price("9.9") < price("10"));
    }

    #[test]
    fn another_type_holds_it_exactly_or_not_at_all() {
        assert_eq!(price("12.5").exactly::<4, 1>(), Decimal::from_units(125));
        assert_eq!(price("12.55").exactly::<4, 1>(), None);
        assert_eq!(price("1000").exactly::<4, 1>(), None);
        assert_eq!(
            price("0.25").exactly::<38, 38>(),
            Decimal::from_units(25 * 10_i128.pow(36))
        );
        assert_eq!(price("2").exactly::<38, 38>(), None);
    }

    #[test]
    fn every_form_gives_the_number_back() {
        for number in [
            Price::MIN,
            price("-0.01"),
            Price::ZERO,
            price("12.5"),
            Price::MAX,
        ] {
            assert_eq!(Price::from_proto(number.to_proto()), Ok(number));
            assert_eq!(Price::from_sql(&number.to_sql()), Some(number));
            let json = serde_json::to_string(&number).unwrap();
            assert_eq!(serde_json::from_str::<Price>(&json).unwrap(), number);
        }
        assert_eq!(serde_json::to_string(&price("12.50")).unwrap(), "\"12.5\"");
        assert_eq!(Price::ZERO.to_proto(), "");
        for wrong in ["12.50", "0", "-0", "x", "10000"] {
            assert!(Price::from_proto(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(
            serde_json::from_str::<Price>("12.5").is_err(),
            "JSON's numbers are floats"
        );
    }
}
