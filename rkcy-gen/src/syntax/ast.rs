//! Owns what all nodes of the tree share: names, parts that could not be read, the file.

use super::concern::Concern;
use super::enumeration::Enum;
use super::message::{Config, Event, Message};
use super::operation::{Effect, Function};
use super::platform::{Import, Platform};
use super::scan::Comment;
use super::span::{FileId, Span};
use super::transaction::Transaction;

/// A name and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ident {
    /// The name as written.
    pub text: String,
    /// Where it stands.
    pub span: Span,
}

/// Documentation of what follows it: the lines without their slashes and one space, joined by `\n`.
pub type Docs = String;

/// A part that no rule takes. It has been reported; the names in it are known to have been written,
/// so that their uses are not reported too.
#[derive(Debug, Clone)]
pub struct Broken {
    /// Where it stands.
    pub span: Span,
    /// The names in it.
    pub names: Vec<String>,
}

/// A file as written.
#[derive(Debug, Clone)]
pub struct File {
    /// Which one.
    pub id: FileId,
    /// What it declares, in written order.
    pub items: Vec<Item>,
    /// All comments, in written order.
    pub comments: Vec<Comment>,
    /// Whether nothing is known of what it declares, since it could not be parsed.
    pub opaque: bool,
}

/// A declaration.
#[derive(Debug, Clone)]
pub enum Item {
    /// `platform NAME { … }`
    Platform(Platform),
    /// `import "…"`
    Import(Import),
    /// `concern NAME { … }`
    Concern(Concern),
    /// `config NAME { … }`
    Config(Config),
    /// `message NAME { … }`
    Message(Message),
    /// `event NAME { … }`
    Event(Event),
    /// `enum NAME { … }`
    Enum(Enum),
    /// `transaction NAME(…) { … }` or `saga NAME(…) { … }`
    Transaction(Transaction),
    /// `function NAME(…) -> T`
    Function(Function),
    /// `effect NAME(…)`
    Effect(Effect),
    /// What is none of these.
    Broken(Broken),
}
