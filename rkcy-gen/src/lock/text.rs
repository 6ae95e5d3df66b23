//! Owns the file of the lock: one fact a line, sorted, so that branches merge, and each line closed by
//! a check of itself, so that an edit by hand is told.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Kind, LAYOUT, Lock};
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
        let mut layout = None;
        let mut seen = BTreeSet::new();
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
            if !seen.insert(fact.to_owned()) {
                return Err(damage(format!("`{fact}` stands here twice")));
            }
            lock.read(fact, &mut layout).map_err(damage)?;
        }
        match layout {
            Some(LAYOUT) => Ok(lock),
            Some(other) => Err(Damage {
                line: 1,
                message: format!("layout {other} is of a newer rkcy-gen"),
            }),
            None => Err(Damage {
                line: 1,
                message: "the line `layout` is missing".to_owned(),
            }),
        }
    }

    fn read(&mut self, fact: &str, layout: &mut Option<u32>) -> Result<(), String> {
        let unknown = || format!("`{fact}` is no line of a lock");
        if let Some(column) = fact.strip_prefix("column ") {
            self.columns.insert(column.to_owned());
            return Ok(());
        }
        let words: Vec<&str> = fact.split(' ').collect();
        let (retired, words) = match words.as_slice() {
            ["retired", rest @ ..] => (true, rest),
            all => (false, all),
        };
        let [.., number] = words else {
            return Err(unknown());
        };
        let number: u32 = number.parse().map_err(|_| unknown())?;
        let (word, path) = match words {
            ["layout", _] => {
                *layout = Some(number);
                return Ok(());
            }
            ["migrated", _] => {
                self.migrated = number;
                return Ok(());
            }
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
                "{number} is the number of `{name}` and was that of `{other}`"
            ));
        }
        if retired {
            scope.retired.insert(number, name.to_owned());
        } else if let Some(other) = scope.live.insert(name.to_owned(), number) {
            return Err(format!("`{path}` has the numbers {other} and {number}"));
        }
        Ok(())
    }

    /// The text of the file.
    pub fn print(&self) -> String {
        let mut facts = BTreeSet::from([
            format!("layout {LAYOUT}"),
            format!("migrated {}", self.migrated),
        ]);
        facts.extend(self.columns.iter().map(|column| format!("column {column}")));
        for ((kind, owner), scope) in &self.scopes {
            let word = kind.word();
            let path = |name: &str| {
                if owner.is_empty() {
                    name.to_owned()
                } else {
                    format!("{owner}.{name}")
                }
            };
            facts.extend(
                scope
                    .live
                    .iter()
                    .map(|(name, number)| format!("{word} {} {number}", path(name))),
            );
            facts.extend(
                scope
                    .retired
                    .iter()
                    .map(|(number, name)| format!("retired {word} {} {number}", path(name))),
            );
        }
        let mut text = HEADER.to_owned();
        for fact in facts {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{fact} ~{}", check_of(&fact));
        }
        text
    }
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
    use super::*;

    fn line(fact: &str) -> String {
        format!("{fact} ~{}\n", check_of(fact))
    }

    #[test]
    fn what_is_printed_is_read() {
        let text: String = [
            HEADER.to_owned(),
            line("column player.name string"),
            line("concern Player 1024"),
            line("field Player.id 1"),
            line("layout 1"),
            line("migrated 1"),
            line("param Player.rename.name 1"),
            line("retired field Player.old 2"),
        ]
        .concat();
        let lock = Lock::parse(&text).unwrap();
        assert_eq!(lock.print(), text);
        assert_eq!(lock.rank("Player"), 1024);
        assert_eq!(lock.param("Player.rename", "name"), 1);
    }

    #[test]
    fn damage_names_its_line() {
        for (wrong, at, part) in [
            (
                format!("{}field A.b 1 ~0000\n", line("layout 1")),
                2,
                "by hand",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 1"),
                    line("field A.b 1"),
                    line("field A.c 1")
                ),
                3,
                "is the number of",
            ),
            (
                format!(
                    "{}{}{}",
                    line("layout 1"),
                    line("field A.b 1"),
                    line("field A.b 2")
                ),
                3,
                "has the numbers",
            ),
            (
                format!("{}{}", line("layout 1"), line("field A.b 19000")),
                2,
                "no number of",
            ),
            (
                format!("{}{}", line("layout 1"), line("op A.b 3")),
                2,
                "no number of",
            ),
            (format!("{}<<<<<<< HEAD\n", line("layout 1")), 2, "merge"),
            (line("layout 2"), 1, "newer"),
            (line("nonsense"), 1, "no line"),
            (String::new(), 1, "missing"),
        ] {
            let damage = Lock::parse(&wrong).unwrap_err();
            assert_eq!(damage.line, at, "{wrong}");
            assert!(damage.message.contains(part), "{damage}");
        }
    }
}
