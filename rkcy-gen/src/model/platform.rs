//! Owns the platform: what a build is called and where its crate lives.

use schemars::JsonSchema;
use serde::Serialize;

use super::ids::MessageId;
use crate::syntax::Span;

/// The one `platform` of a build.
#[derive(Debug, Clone, JsonSchema, Serialize)]
#[non_exhaustive]
pub struct Platform {
    /// The name as written.
    pub name: String,
    /// Documentation; empty if there is none.
    pub docs: String,
    /// `crate "…"`: the directory of the generated crate, relative to the file with the `platform`.
    /// `None`: not said; the crate then lives beside that file, in a directory with the platform's name.
    pub crate_dir: Option<String>,
    /// `partitions N`: how many partitions a new platform has, unless the operator says otherwise.
    pub partitions: Option<u32>,
    /// `caller Session`: what the edge says of who called.
    pub caller: Option<MessageId>,
    /// Where its name stands.
    #[serde(skip)]
    pub span: Span,
}
