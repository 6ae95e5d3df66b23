//! Instants and spans of time, in microseconds.
//!
//! Owns their form in JSON: RFC 3339 in UTC, and seconds with an `s` behind, as protobuf has them.

use super::value::Value;
use rkcy_core::fault::Fault;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// The schema's `timestamp`: microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// An instant by its microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Timestamp {
        Timestamp(micros)
    }

    /// An instant by its milliseconds since the Unix epoch, as `Context::now` has them.
    #[must_use]
    pub fn from_millis(millis: u64) -> Timestamp {
        Timestamp(i64::try_from(millis).map_or(i64::MAX, |millis| millis.saturating_mul(1_000)))
    }

    /// Microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whether it is in the years 1 to 9999, which every target can store and JSON can write.
    #[must_use]
    pub fn is_storable(self) -> bool {
        (days_of(1, 1, 1)..days_of(10_000, 1, 1)).contains(&self.0.div_euclid(DAY))
    }
}

/// The schema's `duration`: microseconds, also negative ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Duration(i64);

impl Duration {
    /// A span by its microseconds.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Duration {
        Duration(micros)
    }

    /// Microseconds.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0.div_euclid(DAY));
        let micros = self.0.rem_euclid(DAY);
        let seconds = micros / SECOND;
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
        )?;
        write_fraction(f, micros % SECOND)?;
        f.write_str("Z")
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = i128::from(self.0).abs();
        write!(f, "{sign}{}", micros / i128::from(SECOND))?;
        // The remainder is below a second.
        write_fraction(f, (self.0 % SECOND).abs())?;
        f.write_str("s")
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, micros: i64) -> fmt::Result {
    if micros == 0 {
        return Ok(());
    }
    let digits = format!("{micros:06}");
    write!(f, ".{}", digits.trim_end_matches('0'))
}

/// `2024-02-29T12:00:00.5Z`, also with an offset.
fn parse_timestamp(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let mut date = date.split('-');
    let (year, month, day) = (
        digits(date.next()?, 4)?,
        digits(date.next()?, 2)?,
        digits(date.next()?, 2)?,
    );
    let days = days_of(year, month, day);
    if date.next().is_some() || date_of(days) != (year, month, day) {
        return None;
    }
    let (clock, offset) = match time.strip_suffix(['Z', 'z']) {
        Some(clock) => (clock, 0),
        None => {
            let (clock, offset) = time.split_at_checked(time.rfind(['+', '-'])?)?;
            let (hours, minutes) = offset[1..].split_once(':')?;
            let offset_minutes =
                below(digits(hours, 2)?, 24)? * 60 + below(digits(minutes, 2)?, 60)?;
            let negative = offset.starts_with('-');
            (
                clock,
                if negative {
                    -offset_minutes
                } else {
                    offset_minutes
                },
            )
        }
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.split(':');
    let hour = below(digits(clock.next()?, 2)?, 24)?;
    let minute = below(digits(clock.next()?, 2)?, 60)?;
    let second = below(digits(clock.next()?, 2)?, 60)?;
    if clock.next().is_some() {
        return None;
    }
    let seconds = (hour * 60 + minute - offset) * 60 + second;
    Some(days * DAY + seconds * SECOND + parse_fraction(fraction)?)
}

/// `1.5s`
fn parse_duration(text: &str) -> Option<i64> {
    let number = text.strip_suffix('s')?;
    let (negative, number) = match number.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: i128 = digits(whole, whole.len())?.into();
    let micros = whole * i128::from(SECOND) + i128::from(parse_fraction(fraction)?);
    i64::try_from(if negative { -micros } else { micros }).ok()
}

/// Microseconds of the digits behind a point; finer ones are refused.
fn parse_fraction(text: &str) -> Option<i64> {
    let trimmed = text.trim_end_matches('0');
    digits(text, text.len())?;
    if trimmed.len() > 6 {
        return None;
    }
    format!("{trimmed:0<6}").parse().ok()
}

fn digits(text: &str, count: usize) -> Option<i64> {
    let plain = !text.is_empty() && text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn below(value: i64, limit: i64) -> Option<i64> {
    (value < limit).then_some(value)
}

/// Days since the Unix epoch of a date in the Gregorian calendar; years begin in March, so that the
/// day that is not always there comes last.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_of`].
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

macro_rules! time_values {
    ($($type:ident, $parse:ident, $expected:literal;)*) => { $(
        impl Value for $type {
            type Proto = i64;
            const IS_FIELD: bool = true;
            fn to_proto(&self) -> i64 {
                self.0
            }
            fn from_proto(proto: i64) -> Result<Self, Fault> {
                Ok($type(proto))
            }
        }
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<str>::deserialize(deserializer)?;
                $parse(&text).map($type).ok_or_else(|| D::Error::custom($expected))
            }
        }
    )* };
}
time_values! {
    Timestamp, parse_timestamp, "expected an instant like \"2024-02-29T12:00:00Z\", to the microsecond";
    Duration, parse_duration, "expected a duration like \"1.5s\", to the microsecond";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (1_709_208_000_500_000, "2024-02-29T12:00:00.5Z"),
            (253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z"),
            (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp(micros).to_string(), text);
            assert_eq!(parse_timestamp(text), Some(micros), "{text}");
            assert!(Timestamp(micros).is_storable());
        }
        assert_eq!(
            parse_timestamp("1970-01-01T01:00:00+01:00"),
            Some(0),
            "an offset is taken off"
        );
        for wrong in [
            "2023-02-29T00:00:00Z",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T24:00:00Z",
        ] {
            assert_eq!(parse_timestamp(wrong), None, "{wrong}");
        }
        assert!(!Timestamp(i64::MAX).is_storable());
    }

    #[test]
    fn durations_are_written_in_seconds() {
        for (micros, text) in [
            (0, "0s"),
            (1_500_000, "1.5s"),
            (-1, "-0.000001s"),
            (i64::MAX, "9223372036854.775807s"),
        ] {
            assert_eq!(Duration(micros).to_string(), text);
            assert_eq!(parse_duration(text), Some(micros), "{text}");
        }
        assert_eq!(parse_duration("0.0000001s"), None);
    }
}
