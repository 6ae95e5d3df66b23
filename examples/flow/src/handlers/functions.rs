//! What the functions of the schema give.

use crate::generated::{Functions, Line, Speed, Taken};
use rkcy_runtime::codegen;

/// The longest text and the longest list that the schema takes.
const MAX_TEXT: usize = 64;
const MAX_LINES: usize = 6;

impl Functions for super::Handlers {
    fn price(count: u32, speed: Speed) -> i64 {
        let each = match speed {
            Speed::Slow => 2,
            Speed::Fast => 3,
        };
        i64::from(count) * each
    }

    fn describe(name: &str, lines: &[Line]) -> String {
        let text = format!("{name}, {} lines", lines.len());
        text.chars().take(MAX_TEXT).collect()
    }

    fn worth_sending(lines: &[Line]) -> Vec<Line> {
        let wanted = lines.iter().filter(|line| line.count > 0);
        wanted.take(MAX_LINES).cloned().collect()
    }

    fn half(n: u32) -> u32 {
        assert!(n.is_multiple_of(2), "{n} is odd");
        n / 2
    }

    fn total(left: &[u32]) -> i64 {
        left.iter().map(|left| i64::from(*left)).sum()
    }

    fn larger(a: i64, b: Option<i64>) -> i64 {
        b.map_or(a, |b| a.max(b))
    }

    fn line(taken: &Taken, count: u32) -> Line {
        Line {
            shelf: codegen::Ref::new(taken.shelf),
            count: count.min(taken.left),
        }
    }

    fn if_known(stock: u32, shelf: codegen::Uuid) -> Option<codegen::Uuid> {
        (stock > 0).then_some(shelf)
    }
}
