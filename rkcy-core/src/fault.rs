//! The one layout of everything that can go wrong for a caller.
//!
//! Owns [`Fault`]: class, stable code, message, path. The class decides the exit code of a command
//! and, later, the HTTP and gRPC status. A refusal by the user's logic is a class of its own and is
//! never mixed with a failure of the platform.

use crate::wire::{Malformed, Reader, Wire};
use std::any::Any;
use std::borrow::Cow;
use std::fmt;

/// What kind of fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The business logic, or a constraint of the schema, said no. Nothing happened.
    Refusal,
    /// The request does not fit the schema. Nothing happened.
    Invalid,
    /// A bound of the engine was reached. Not taken now: try again later.
    Bound,
    /// Something the platform needs is away. The outcome is unknown: ask by id.
    Unavailable,
    /// Stored or logged bytes are not what they should be.
    Corrupt,
}

impl Class {
    /// Exit code of a command that ends with this fault: 1 refused, 2 wrong input, 3 the environment.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Class::Refusal => 1,
            Class::Invalid => 2,
            Class::Bound | Class::Unavailable | Class::Corrupt => 3,
        }
    }

    /// The class that is shown as this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Class> {
        Class::ALL
            .into_iter()
            .find(|class| class.to_string() == word)
    }

    const ALL: [Class; 5] = [
        Class::Refusal,
        Class::Invalid,
        Class::Bound,
        Class::Unavailable,
        Class::Corrupt,
    ];
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Class::Refusal => "refused",
            Class::Invalid => "invalid",
            Class::Bound => "not taken now",
            Class::Unavailable => "unavailable",
            Class::Corrupt => "corrupt",
        })
    }
}

/// What went wrong, for the caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// What kind of fault.
    pub class: Class,
    /// Stable name in snake case: a refusal of the schema, or one of the engine's own.
    pub code: Cow<'static, str>,
    /// For a person: what happened and what to do.
    pub message: Cow<'static, str>,
    /// Path of the field concerned (`currency.gold`), or empty.
    pub path: Cow<'static, str>,
}

impl Fault {
    /// A fault without a path.
    pub fn new(
        class: Class,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Fault {
        Fault {
            class,
            code: code.into(),
            message: message.into(),
            path: Cow::Borrowed(""),
        }
    }

    /// A refusal by the user's logic.
    pub fn refusal(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Fault {
        Fault::new(Class::Refusal, code, message)
    }

    /// The refusal that a panic of business logic is; `what` has panicked.
    #[must_use]
    pub fn panicked(what: &str, panic: &(dyn Any + Send)) -> Fault {
        let text = panic_text(panic).unwrap_or("no message");
        Fault::refusal("panicked", format!("{what} panicked: {text}")).cut()
    }

    /// The most bytes of a text that travels.
    pub const LONGEST: usize = 4_096;

    /// The same fault, each of its texts cut to [`Fault::LONGEST`] bytes.
    #[must_use]
    pub fn cut(mut self) -> Fault {
        for text in [&mut self.code, &mut self.message, &mut self.path] {
            if text.len() > Fault::LONGEST {
                let end = text.floor_char_boundary(Fault::LONGEST);
                text.to_mut().truncate(end);
            }
        }
        self
    }

    /// The same fault at the field `path`.
    #[must_use]
    pub fn at(mut self, path: impl Into<Cow<'static, str>>) -> Fault {
        self.path = path.into();
        self
    }

    /// The same fault with `outer` in front of its path.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Fault {
        self.path = match self.path.as_ref() {
            "" => outer.to_owned().into(),
            inner if inner.starts_with('[') => format!("{outer}{inner}").into(),
            inner => format!("{outer}.{inner}").into(),
        };
        self
    }
}

/// What a panic said, where it said it in text.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.code)?;
        if !self.path.is_empty() {
            write!(f, " at `{}`", self.path)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::new(Class::Corrupt, "unreadable", malformed.to_string())
    }
}

impl Wire for Fault {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(self.class as u8);
        for text in [&self.code, &self.message, &self.path] {
            crate::wire::put_bytes(out, text.as_bytes());
        }
    }
    fn take(input: &mut Reader) -> Result<Self, Malformed> {
        let class = input.byte()?;
        let class = Class::ALL.get(usize::from(class)).copied();
        Ok(Fault {
            class: class.ok_or_else(|| input.malformed("an unknown class of fault"))?,
            code: String::take(input)?.into(),
            message: String::take(input)?.into(),
            path: String::take(input)?.into(),
        })
    }
}
