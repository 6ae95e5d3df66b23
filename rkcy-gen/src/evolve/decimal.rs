//! Owns what becomes of exact numbers when they get other digits, and on their way into JSON and out of it, in the forms
//! of both databases. What does not fit stops the migration: PostgreSQL by itself would round it.

use super::convert::stop;
use super::table::{ColumnType, Dialect, text};
use crate::model::Digits;

/// A number as a column of other digits has it.
pub(crate) fn convert(value: &str, old: Digits, new: Digits, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => in_postgres(value, old, new),
        Dialect::Sqlite => in_sqlite(value, old, new),
    }
}

fn in_postgres(value: &str, old: Digits, new: Digits) -> String {
    let ty = ColumnType::Decimal(new).sql(Dialect::Postgres);
    if new.scale >= old.scale {
        return format!("{value}::{ty}");
    }
    let stop = stop("a number has too many digits", value, Dialect::Postgres);
    let scale = new.scale;
    format!(
        "CASE WHEN {value} <> round({value}, {scale}) THEN ({stop})::text::{ty} ELSE {value}::{ty} END"
    )
}

/// Digits that say nothing are put or cut at both ends: zeros, or nines of a number below zero.
fn in_sqlite(value: &str, old: Digits, new: Digits) -> String {
    let (above, below) = (padded(value, old, new, "0"), padded(value, old, new, "9"));
    format!("CASE substr({value}, 1, 1) WHEN '-' THEN {below} ELSE {above} END")
}

/// The same, with this digit as the one that says nothing.
fn padded(value: &str, old: Digits, new: Digits, digit: &str) -> String {
    let fill = |count: u8| digit.repeat(usize::from(count));
    let part = |from: u8, length: u8| format!("substr({value}, {from}, {length})");
    // The first character is the sign.
    let (cut_whole, cut_scale) = (
        old.whole().saturating_sub(new.whole()),
        old.scale.saturating_sub(new.scale),
    );
    let behind = 1 + old.whole() + u8::from(old.scale > 0);
    let kept_whole = old.whole() - cut_whole;
    let kept_scale = old.scale - cut_scale;
    let point = if new.scale == 0 { "" } else { "." };
    let mut pieces = vec![
        part(1, 1),
        text(&fill(new.whole() - kept_whole)),
        part(2 + cut_whole, kept_whole),
        text(point),
        part(behind + 1, kept_scale),
        text(&fill(new.scale - kept_scale)),
    ];
    pieces.retain(|piece| piece != "''" && !piece.ends_with(", 0)"));
    let made = pieces.join(" || ");
    let mut lost = Vec::new();
    if cut_whole > 0 {
        lost.push(format!(
            "{} <> {}",
            part(2, cut_whole),
            text(&fill(cut_whole))
        ));
    }
    if cut_scale > 0 {
        let gone = part(behind + 1 + kept_scale, cut_scale);
        lost.push(format!("{gone} <> {}", text(&fill(cut_scale))));
    }
    match lost.is_empty() {
        true => made,
        // No column of such numbers takes that.
        false => format!(
            "CASE WHEN {} THEN 'too many digits' ELSE {made} END",
            lost.join(" OR ")
        ),
    }
}

/// A number in a column as a value inside of JSON: its canonical text.
pub(crate) fn to_json(value: &str, dialect: Dialect) -> String {
    match dialect {
        Dialect::Postgres => format!("to_jsonb(trim_scale({value})::text)"),
        Dialect::Sqlite => {
            let lacking = complement("substr(v, 2)");
            format!(
                "(SELECT s || CASE WHEN substr(t, 1, 1) IN ('', '.') THEN '0' || t ELSE t END FROM (\
                 SELECT s, ltrim(CASE WHEN instr(d, '.') THEN rtrim(rtrim(d, '0'), '.') ELSE d END, '0') AS t FROM (\
                 SELECT CASE substr(v, 1, 1) WHEN '-' THEN '-' ELSE '' END AS s, \
                 CASE substr(v, 1, 1) WHEN '-' THEN {lacking} ELSE substr(v, 2) END AS d \
                 FROM (SELECT {value} AS v))))"
            )
        }
    }
}

/// A canonical text as a column has the number.
pub(crate) fn from_json(canonical: &str, digits: Digits, dialect: Dialect) -> String {
    let Dialect::Sqlite = dialect else {
        let ty = ColumnType::Decimal(digits).sql(dialect);
        return format!("{canonical}::{ty}");
    };
    let (whole, scale) = (digits.whole(), digits.scale);
    let zeros = |count: u8| text(&"0".repeat(usize::from(count)));
    let point = text(if scale == 0 { "" } else { "." });
    let lacking = complement("b");
    format!(
        "(SELECT CASE WHEN length(w) > {whole} OR length(f) > {scale} THEN 'too many digits' WHEN s THEN '-' || {lacking} \
         ELSE '0' || b END FROM (SELECT s, w, f, substr({} || w, length(w) + 1) || {point} || substr(f || {}, 1, {scale}) AS b \
         FROM (SELECT s, ltrim(substr(d, 1, instr(d || '.', '.') - 1), '0') AS w, substr(d, instr(d || '.', '.') + 1) AS f \
         FROM (SELECT substr(v, 1, 1) = '-' AS s, ltrim(v, '-') AS d FROM (SELECT {canonical} AS v)))))",
        zeros(whole),
        zeros(scale),
    )
}

/// What each digit of a text lacks to nine, in SQLite: they change places in pairs.
fn complement(value: &str) -> String {
    let swapped = |text: String, low: u8| {
        let high = 9 - low;
        format!("replace(replace(replace({text}, '{low}', 'x'), '{high}', '{low}'), 'x', '{high}')")
    };
    (0..5).fold(value.to_owned(), swapped)
}
