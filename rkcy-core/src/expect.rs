//! Expectations: an operation is made only where its instance is as its caller knows it.
//!
//! Owns the step that compares. It stands before the operation in the same visit, so the instance is compared under
//! the lock under which it is changed: nobody comes between. A [`Tag`] is a hash of the committed value, so it lasts as
//! long as the value does, also where the row is evicted, or its partition taken over. One who changes a value and
//! changes it back is not noticed.

use crate::bugs::{self, Bug};
use crate::fault::Fault;
use crate::logic::Row;
use crate::txn::{Args, Place, Step};
use crate::wire::{Malformed, Reader, Wire};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// The operation that compares: one of the engine's own. The payload is an [`Expected`].
pub const OP: u16 = 12;

/// Names a value of an instance: the first 192 bits of the SHA-256 of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(pub [u8; 24]);

impl Tag {
    /// The tag of an encoded instance.
    #[must_use]
    pub fn of(value: &[u8]) -> Tag {
        let whole = Sha256::digest(value);
        let mut first = [0; 24];
        first.copy_from_slice(&whole[..24]);
        Tag(first)
    }
}

/// How an instance has to be for an operation to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is there.
    Any,
    /// Its value has one of these tags.
    One(Vec<Tag>),
}

impl Expected {
    /// The step that compares, before another on the row at `place`.
    #[must_use]
    pub fn step(&self, number: u16, place: Place) -> Step {
        Step {
            number,
            place,
            op: OP,
            args: Args::Ready(self.to_wire().into()),
            keep: false,
            sure: true,
            undo: None,
            claims_for: None,
        }
    }

    /// Whether an instance with this value, or that is not there, is as expected.
    #[must_use]
    pub fn is_met(&self, value: Option<&Bytes>) -> bool {
        match (self, value) {
            (_, None) => false,
            (Expected::Any, Some(_)) => true,
            (Expected::One(tags), Some(value)) => tags.contains(&Tag::of(value)),
        }
    }
}

/// Compares, where `op` is [`OP`]; `None` where it is another. The name of the concern is asked for where it is to be
/// said.
#[must_use]
pub fn run<'n>(
    op: u16,
    args: &Bytes,
    row: &Row,
    name: impl FnOnce() -> &'n str,
) -> Option<Result<Bytes, Fault>> {
    (op == OP).then(|| compare(args, row, name))
}

fn compare<'n>(args: &Bytes, row: &Row, name: impl FnOnce() -> &'n str) -> Result<Bytes, Fault> {
    let expected = Expected::from_wire(args.clone())?;
    if expected.is_met(row.value()) || bugs::on(Bug::ExpectationIgnored) {
        return Ok(Bytes::new());
    }
    let message = match row.value() {
        Some(_) => format!(
            "this {} is not as its caller knows it: read it again",
            name()
        ),
        None => format!("there is no such {}", name()),
    };
    Err(Fault::refusal(UNMET, message))
}

/// Name of the refusal of an operation whose instance is not as expected.
pub const UNMET: &str = "precondition_failed";

impl Wire for Tag {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let mut tag = Tag([0; 24]);
        tag.0.copy_from_slice(input.slice(24)?);
        Ok(tag)
    }
}

impl Wire for Expected {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Expected::Any => out.push(0),
            Expected::One(tags) => {
                out.push(1);
                tags.put(out);
            }
        }
    }

    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        match input.byte()? {
            0 => Ok(Expected::Any),
            1 => Ok(Expected::One(Wire::take(input)?)),
            _ => Err(input.malformed("an unknown form of an expectation")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(expected: &Expected, value: Option<&'static [u8]>) -> Result<Bytes, Fault> {
        let row = Row::new(value.map(Bytes::from_static));
        run(OP, &expected.to_wire().into(), &row, || "Player").unwrap()
    }

    #[test]
    fn a_value_is_compared_with_each_tag() {
        let tags = |values: &[&[u8]]| Expected::One(values.iter().map(|it| Tag::of(it)).collect());
        assert!(told(&tags(&[b"a"]), Some(b"a")).is_ok());
        assert!(told(&tags(&[b"b", b"a"]), Some(b"a")).is_ok());
        assert!(told(&Expected::Any, Some(b"a")).is_ok());
        let unmet = [
            (tags(&[b"b"]), Some(b"a".as_slice())),
            (tags(&[]), Some(b"a")),
            (tags(&[b""]), None),
            (Expected::Any, None),
        ];
        for (expected, value) in unmet {
            let fault = told(&expected, value).unwrap_err();
            assert_eq!(fault.code, UNMET, "{expected:?} {value:?}");
        }
    }

    #[test]
    fn other_operations_are_not_its_own() {
        assert!(run(OP + 1, &Bytes::new(), &Row::default(), || "").is_none());
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for bytes in [&b""[..], b"\x02", b"\x01\x02short", b"\x00\x00"] {
            let row = Row::new(Some(Bytes::new()));
            assert!(
                run(OP, &Bytes::copy_from_slice(bytes), &row, || "")
                    .unwrap()
                    .is_err()
            );
        }
    }

    /// Test vector: who changes it makes all tags that callers have worthless.
    #[test]
    fn golden_tag() {
        assert_eq!(Tag::of(b"abc").0[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}
