//! Owns the file of the lock: one fact a line, sorted, so that branches merge, and each line closed by
//! a check of itself, so that an edit by hand is told.

use std::collections::{BTreeMap, BTreeSet};

use super::{Absent, Kind, LAYOUT, Lock};
use crate::evolve::{Reader, WORDS, print};
use crate::naming::fnv;

const HEADER: &str =
    "# Numbers that never move. Keep this file under version control; only rkcy-gen writes it.\n";

/// What is wrong with a lock file, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for Damage {}

impl Lock {
    /// Reads the file.
    ///
    /// # Errors
    /// The first line that the generator did not write like this.
    pub fn parse(text: &str) -> Result<Lock, Damage> {
        let mut lock = Lock::default();
        let mut lines = Lines {
            is_old: text
                .lines()
                .any(|line| line == closed("layout 1").trim_end()),
            ..Lines::default()
        };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let damage = |message: String| Damage {
                line: index + 1,
                message,
            };
            let fact = line
                .rsplit_once(" ~")
                .filter(|(fact, check)| *check == check_of(fact))
                .map(|(fact, _)| fact)
                .ok_or_else(|| damage(changed(line)))?;
            if !lines.seen.insert(fact.to_owned()) {
                return Err(damage(format!("`{fact}` stands here twice")));
            }
            lines.last = index + 1;
            lock.read(fact, &mut lines).map_err(damage)?;
        }
        lock.finish(lines)
    }

    /// What only all lines together tell.
    fn finish(mut self, lines: Lines) -> Result<Lock, Damage> {
        let damage = |line: usize, message: String| Damage { line, message };
        match lines.layout {
            Some(LAYOUT) => {}
            // Its columns are those of an older form, and no migration was released with them.
            Some(1) => return Ok(self),
            Some(other) => {
                return Err(damage(1, format!("layout {other} is of a newer rkcy-gen")));
            }
            None => return Err(damage(1, "the line `layout` is missing".to_owned())),
        }
        let sum = sum_of(lines.seen.iter());
        let tables = lines.reader.finish();
        self.reached = tables.map_err(|message| damage(lines.last, message))?;
        let (mut expected, mut last) = (1, None);
        for (number, (line, of_tables)) in &lines.sums {
            if *number != expected {
                return Err(damage(
                    *line,
                    format!("the line `migration {expected}` is missing"),
                ));
            }
            expected += 1;
            last = Some((*line, of_tables));
        }
        match last {
            Some((line, of_tables)) if *of_tables != sum => Err(damage(
                line,
                "the tables of this file are not those that this migration reached: two branches \
                 have each written a migration. Take the lock and the folder `migrations` of the \
                 branch that is released first, then run `rkcy-gen build` and `rkcy-gen migrate`"
                    .to_owned(),
            )),
            None if !self.reached.is_empty() => Err(damage(
                lines.last,
                "the lines `migration` are missing".to_owned(),
            )),
            _ => Ok(self),
        }
    }

    fn read(&mut self, fact: &str, lines: &mut Lines) -> Result<(), String> {
        let unknown = || format!("`{fact}` is no line of a lock");
        let first = fact.split(' ').next().unwrap_or_default();
        if WORDS.contains(&first) {
            // Those of the first layout are not looked at.
            return match lines.is_old {
                true => Ok(()),
                false => lines.reader.line(fact),
            };
        }
        if let Some(rename) = fact.strip_prefix("was ") {
            self.renames.insert(rename.to_owned());
            return Ok(());
        }
        let (fact, absent) = match fact.split_once(" absent ") {
            Some((field, value)) if first == "field" => {
                (field, Some(Absent::read(value).ok_or_else(unknown)?))
            }
            _ => (fact, None),
        };
        let words: Vec<&str> = fact.split(' ').collect();
        if let ["layout", text] = words.as_slice() {
            let number: u32 = text.parse().map_err(|_| unknown())?;
            return match lines.layout.replace(number) {
                _ if number.to_string() != *text => Err(unknown()),
                None => Ok(()),
                Some(other) => Err(format!(
                    "this file is of layout {other} and of layout {number}"
                )),
            };
        }
        // Those of the first layout knew none.
        if let (["migration", number, name, sum], false) = (words.as_slice(), lines.is_old) {
            let number: u32 = number.parse().map_err(|_| unknown())?;
            if let Some(other) = self.migrations.insert(number, (*name).to_owned()) {
                return Err(format!(
                    "`{name}` and `{other}` are both migration {number}: take the lock and the folder \
                     `migrations` of the branch that is released first, then run `rkcy-gen build` and \
                     `rkcy-gen migrate`"
                ));
            }
            lines.sums.insert(number, (lines.last, (*sum).to_owned()));
            return Ok(());
        }
        let (retired, words) = match words.as_slice() {
            ["retired", rest @ ..] => (true, rest),
            all => (false, all),
        };
        let [.., number] = words else {
            return Err(unknown());
        };
        let number: u32 = number.parse().map_err(|_| unknown())?;
        let (word, path) = match words {
            ["migrated", _] => return Ok(()),
            [word, path, _] => (*word, *path),
            _ => return Err(unknown()),
        };
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.word() == word)
            .ok_or_else(unknown)?;
        if !kind.allows(number) {
            return Err(format!("{number} is no number of a {word}"));
        }
        let (owner, name) = path.rsplit_once('.').unwrap_or(("", path));
        if owner.is_empty()
            != matches!(
                kind,
                Kind::Concern
                    | Kind::Index
                    | Kind::Count
                    | Kind::View
                    | Kind::Transaction
                    | Kind::Config
            )
        {
            return Err(unknown());
        }
        let scope = self.scopes.entry((kind, owner.to_owned())).or_default();
        if let Some(other) = scope
            .live
            .iter()
            .find(|(_, known)| **known == number)
            .map(|(name, _)| name)
        {
            return Err(format!(
                "{number} is the number of `{name}` and of `{other}`: remove the line of the one \
                 that was not released yet, and build again"
            ));
        }
        if let Some(other) = scope.retired.get(&number) {
            return Err(format!(
                "{number} is the number of `{name}` and was that of `{other}`: remove the line of \
                 the one that was not released yet, and build again"
            ));
        }
        if retired {
            scope.retired.insert(number, name.to_owned());
        } else if let Some(other) = scope.live.insert(name.to_owned(), number) {
            return Err(format!(
                "`{path}` has the numbers {other} and {number}: remove the line of the one that was \
                 not released yet, and build again"
            ));
        }
        if let Some(absent) = absent {
            scope.absent.insert(number, absent);
        }
        Ok(())
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut facts: BTreeSet<String> = print(&self.reached).into_iter().collect();
        let sum = sum_of(facts.iter());
        facts.insert(format!("layout {LAYOUT}"));
        facts.extend(self.renames.iter().map(|rename| format!("was {rename}")));
        for (number, name) in &self.migrations {
            // The tables of earlier ones are known no more.
            let sum = if *number == self.migrated() {
                sum.as_str()
            } else {
                "-"
            };
            facts.insert(format!("migration {number:04} {name} {sum}"));
        }
        for ((kind, owner), scope) in &self.scopes {
            let word = kind.word();
            let path = |name: &str| {
                if owner.is_empty() {
                    name.to_owned()
                } else {
                    format!("{owner}.{name}")
                }
            };
            facts.extend(scope.live.iter().map(|(name, number)| {
                let absent = scope.absent.get(number);
                let absent = absent.map(|it| format!(" absent {}", it.print()));
                let absent = absent.unwrap_or_default();
                format!("{word} {} {number}{absent}", path(name))
            }));
            facts.extend(
                scope
                    .retired
                    .iter()
                    .map(|(number, name)| format!("retired {word} {} {number}", path(name))),
            );
        }
        let lines = facts.iter().map(|fact| closed(fact));
        std::iter::once(HEADER.to_owned()).chain(lines).collect()
    }
}

/// What was read so far, beside the lock.
#[derive(Default)]
struct Lines {
    layout: Option<u32>,
    /// Whether the lines about columns are those of the first layout.
    is_old: bool,
    seen: BTreeSet<String>,
    /// The line that was read last, from 1.
    last: usize,
    reader: Reader,
    /// Migrations by number: the line, and the sum of their tables.
    sums: BTreeMap<u32, (usize, String)>,
}

/// A hash of the lines about tables.
fn sum_of<'a>(facts: impl Iterator<Item = &'a String>) -> String {
    let is_of_table = |fact: &&String| {
        let first = fact.split(' ').next().unwrap_or_default();
        WORDS.contains(&first)
    };
    let text: String = facts
        .filter(is_of_table)
        .map(|fact| format!("{fact}\n"))
        .collect();
    format!("{:016x}", fnv(text.as_bytes()))
}

/// A fact as a line: with the check of itself behind it, and a line feed.
pub fn closed(fact: &str) -> String {
    format!("{fact} ~{}\n", check_of(fact))
}

fn check_of(fact: &str) -> String {
    let hash = fnv(fact.as_bytes());
    format!(
        "{:04x}",
        (hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) & 0xffff
    )
}

fn changed(line: &str) -> String {
    if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
        .iter()
        .any(|mark| line.starts_with(mark))
    {
        return "a merge was not finished: keep the lines of both sides and remove the marks"
            .to_owned();
    }
    "this line was changed by hand; restore it from version control".to_owned()
}

#[cfg(test)]
mod tests {
    use super::closed as line;
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let of_tables = [
            "column player.name 1024.1 text length(1,8)",
            "comment player \"a \\\"b\\\"\"",
            "table player 1024",
        ]
        .map(str::to_owned);
        let text: String = [
            HEADER.to_owned(),
            line("column player.name 1024.1 text length(1,8)"),
            line("comment player \"a \\\"b\\\"\""),
            line("concern Player 1024"),
            line("field Player.id 1"),
            line("layout 2"),
            line(&format!("migration 0001 init {}", sum_of(of_tables.iter()))),
            line("param Player.rename.name 1"),
            line("retired field Player.old 2"),
            line("table player 1024"),
            line("was field Player.id key"),
        ]
        .concat();
        let lock = Lock::parse(&text).unwrap();
        assert_eq!(lock.print(), text);
        assert_eq!(lock.rank("Player"), 1024);
        assert_eq!(lock.param("Player.rename", "name"), 1);
    }

    #[test]
    fn the_first_layout_keeps_its_numbers() {
        let text: String = [
            line("column player.name string? @length(1..=8) @unique"),
            line("concern Player 1030"),
            line("layout 1"),
            line("migrated 1"),
        ]
        .concat();
        let lock = Lock::parse(&text).unwrap();
        assert_eq!((lock.rank("Player"), lock.migrated()), (1030, 0));
        assert!(lock.print().contains("layout 2 "));
    }

    #[test]
    fn damage_names_its_line() {
        for (wrong, at, part) in [
            (
                format!("{}field A.b 1 ~0000\n", line("layout 2")),
                2,
                "by hand",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 2"),
                    line("field A.b 1"),
                    line("field A.c 1")
                ),
                3,
                "is the number of",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 2"),
                    line("field A.b 1"),
                    line("field A.b 2")
                ),
                3,
                "has the numbers",
            ),
            (
                format!("{}{}", line("layout 2"), line("field A.b 19000")),
                2,
                "no number of",
            ),
            (
                format!("{}{}", line("layout 2"), line("op A.b 3")),
                2,
                "no number of",
            ),
            (format!("{}<<<<<<< HEAD\n", line("layout 2")), 2, "merge"),
            (line("layout 3"), 1, "newer"),
            (
                format!("{}{}", line("layout 2"), line("table a 1024")),
                2,
                "are missing",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 2"),
                    line("migration 0001 init 0000000000000000"),
                    line("table a 1024")
                ),
                2,
                "two branches",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 2"),
                    line("migration 0001 a -"),
                    line("migration 0001 b -")
                ),
                3,
                "both migration 1",
            ),
            (
                format!("{}{}", line("layout 2"), line("migration 0002 a -")),
                2,
                "`migration 1` is missing",
            ),
            (
                format!("{}{}", line("layout 1"), line("migration 0000 a -")),
                2,
                "no line",
            ),
            (
                format!("{}{}", line("layout 1"), line("layout 2")),
                2,
                "layout 1 and of layout 2",
            ),
            (line("layout 01"), 1, "no line"),
            (line("nonsense"), 1, "no line"),
            (String::new(), 1, "missing"),
        ] {
            let damage = Lock::parse(&wrong).unwrap_err();
            assert_eq!(damage.line, at, "{wrong}");
            assert!(damage.message.contains(part), "{damage}");
        }
    }
}
