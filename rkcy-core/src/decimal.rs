//! Exact numbers with a point, as whole numbers of units: 12.50 with two digits behind the point is 1250.
//!
//! Owns their two forms in text: the canonical one, which a value has whatever its type is, and the one of a
//! column that sorts as the numbers do. There is no float anywhere.

/// The most digits of a number: all of them fit in 127 bits.
pub const MOST_DIGITS: u8 = 38;

/// In front of a number below zero in a column; sorts before [`ABOVE`].
const BELOW: u8 = b'-';
/// In front of any other.
const ABOVE: u8 = b'0';

/// `10^digits`, for up to [`MOST_DIGITS`].
#[must_use]
pub const fn power(digits: u8) -> i128 {
    10_i128.pow(digits as u32)
}

/// The units of a number that is written with digits, a `-` and a point where need be; `None` where it is written
/// otherwise, or has other digits than zeros beyond those of its type: `precision` in all, `scale` of them behind
/// the point.
#[must_use]
pub const fn parse(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let text = text.as_bytes();
    let negative = matches!(text.first(), Some(b'-'));
    let mut at = negative as usize;
    let (mut units, mut whole, mut fraction, mut point) = (0_i128, 0_usize, 0_usize, false);
    while at < text.len() {
        let byte = text[at];
        at += 1;
        match byte {
            b'.' if whole > 0 && !point => {
                point = true;
                continue;
            }
            b'0'..=b'9' if point => fraction += 1,
            b'0'..=b'9' => whole += 1,
            _ => return None,
        }
        if fraction > scale as usize {
            if byte != b'0' {
                return None;
            }
            continue;
        }
        if units >= power(precision) / 10 {
            return None;
        }
        units = units * 10 + (byte - b'0') as i128;
    }
    if whole == 0 || (point && fraction == 0) {
        return None;
    }
    while fraction < scale as usize {
        if units >= power(precision) / 10 {
            return None;
        }
        units *= 10;
        fraction += 1;
    }
    Some(if negative { -units } else { units })
}

/// The canonical text: no zero that says nothing, no point without a digit behind it.
#[must_use]
pub fn show(units: i128, scale: u8) -> String {
    let (sign, digits) = (sign(units), digits(units, scale + 1));
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

/// The units of a canonical text; `None` where it is another one.
#[must_use]
pub fn parse_canonical(text: &str, precision: u8, scale: u8) -> Option<i128> {
    parse(text, precision, scale).filter(|units| show(*units, scale) == text)
}

/// The text of a column, which has one length for all numbers of a type and sorts as they do: `0`, then all digits.
/// A number below zero has `-` there, and what each digit lacks to nine.
#[must_use]
pub fn to_column(units: i128, precision: u8, scale: u8) -> String {
    let digits = digits(units, precision);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let point = if fraction.is_empty() { "" } else { "." };
    let text = format!("{whole}{point}{fraction}");
    match units < 0 {
        true => format!("{}{}", char::from(BELOW), complement(&text)),
        false => format!("{}{text}", char::from(ABOVE)),
    }
}

/// The units of the text of a column; `None` where it is none.
#[must_use]
pub fn from_column(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (first, rest) = text.as_bytes().split_first()?;
    let rest = std::str::from_utf8(rest).ok()?;
    let units = match *first {
        ABOVE => parse(&format!("0{rest}"), precision, scale)?,
        BELOW => parse(&format!("-0{}", complement(rest)), precision, scale)?,
        _ => return None,
    };
    (to_column(units, precision, scale) == text).then_some(units)
}

fn sign(units: i128) -> &'static str {
    if units < 0 { "-" } else { "" }
}

/// At least so many digits, without a sign.
fn digits(units: i128, least: u8) -> String {
    format!(
        "{:0>width$}",
        units.unsigned_abs(),
        width = usize::from(least)
    )
}

/// What each digit lacks to nine.
fn complement(text: &str) -> String {
    let of = |char: char| match char.to_digit(10) {
        Some(digit) => char::from_digit(9 - digit, 10).unwrap_or(char),
        None => char,
    };
    text.chars().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_canonical_text() {
        for (units, scale, text) in [
            (0, 0, "0"),
            (0, 2, "0"),
            (1250, 2, "12.5"),
            (-1, 2, "-0.01"),
            (1200, 2, "12"),
            (-1200, 0, "-1200"),
            (
                power(38) - 1,
                38,
                "0.99999999999999999999999999999999999999",
            ),
            (1 - power(38), 0, "-99999999999999999999999999999999999999"),
        ] {
            assert_eq!(show(units, scale), text);
            assert_eq!(parse_canonical(text, 38, scale), Some(units), "{text}");
        }
        for other in [
            "12.50", "012.5", "-0", "12.", ".5", "+1", "1e2", " 1", "", "-",
        ] {
            assert_eq!(parse_canonical(other, 38, 2), None, "{other}");
        }
    }

    #[test]
    fn zeros_more_are_read_and_other_digits_are_not() {
        for (text, units) in [
            ("012.5000", Some(1250)),
            ("-0.00", Some(0)),
            ("99.99", Some(9999)),
            ("99.990", Some(9999)),
            ("100", None),
            ("12.345", None),
            ("1.2.3", None),
            ("1.", None),
            (".1", None),
            ("--1", None),
            ("١", None),
        ] {
            assert_eq!(parse(text, 4, 2), units, "{text}");
        }
        let long = format!("{}1", "0".repeat(1000));
        assert_eq!(parse(&long, 4, 2), Some(100));
        assert_eq!(parse(&"9".repeat(39), 38, 0), None);
        assert_eq!(parse(&"9".repeat(38), 38, 1), None);
        assert_eq!(parse(&"9".repeat(100), 38, 38), None);
    }

    #[test]
    fn columns_sort_as_the_numbers_do() {
        assert_eq!(to_column(1250, 6, 2), "00012.50");
        assert_eq!(to_column(-1250, 6, 2), "-9987.49");
        assert_eq!(to_column(7, 2, 0), "007");
        assert_eq!(to_column(-7, 2, 2), "-.92");
        for (precision, scale) in [(4, 0), (4, 2), (4, 4), (38, 0), (38, 19), (38, 38)] {
            let most = power(precision) - 1;
            let numbers = [-most, 1 - most, -1000, -100, -2, -1, 0, 1, 9, 10, 999, most];
            let columns: Vec<String> = (numbers.iter())
                .map(|units| to_column(*units, precision, scale))
                .collect();
            assert!(columns.is_sorted(), "{columns:?}");
            for (units, column) in numbers.iter().zip(&columns) {
                assert_eq!(from_column(column, precision, scale), Some(*units));
            }
        }
        for wrong in ["", "0", "-9999.99", "0012.50", "00012,50", "10012.50", "-ä"] {
            assert_eq!(from_column(wrong, 6, 2), None, "{wrong}");
        }
    }
}
