//! What an instance knows of those that refer to it, with types.
//!
//! Owns the way from the members that the engine keeps to what `cx.related()` gives, and from an instance to the
//! views that it is in. Which those are is generated.

use super::claims::{self, hex};
use super::platform::Concern;
use super::value::decode;
use bytes::Bytes;
use rkcy_core::claim::{Claim, Referrer};
use rkcy_core::fault::Fault;
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::logic::Context;
use rkcy_core::related::{Member, Members, Relation, Side, Views};
use rkcy_core::wire::Wire;
use serde_json::{Value as Json, json};
use std::fmt;
use std::ops::Deref;

/// Who refers to an instance: of each `by` side that has a bound, the members.
pub trait Related: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// Where a member cannot be read.
    fn read(views: &Views) -> Result<Self, Fault>;
}

/// The context of a handler whose operation says `@related`: a [`Context`] that knows who refers to the instance.
pub struct RelatedContext<'a, R> {
    context: &'a Context<'a>,
    related: R,
}

impl<'a, R: Related> RelatedContext<'a, R> {
    /// Around the context of a step.
    ///
    /// # Errors
    /// Where a member cannot be read.
    pub fn of(context: &'a Context<'a>) -> Result<RelatedContext<'a, R>, Fault> {
        let related = R::read(context.views())?;
        Ok(RelatedContext { context, related })
    }

    /// Those that refer to the instance, in the order in which its partition has heard of them. They are as they
    /// were committed when that heard of them last: each may be older than it is by now, and is never older than
    /// it was seen before. What the transaction itself has changed is not among it.
    #[must_use]
    pub fn related(&self) -> &R {
        &self.related
    }
}

impl<'a, R> Deref for RelatedContext<'a, R> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        self.context
    }
}

impl<R: fmt::Debug> fmt::Debug for RelatedContext<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelatedContext")
            .field("context", self.context)
            .field("related", &self.related)
            .finish()
    }
}

/// A side: `C` refers by the field with this number.
#[must_use]
pub const fn side<C: Concern>(field: u32, most: u32) -> Side {
    let referrer = Referrer {
        concern: C::ID,
        field,
    };
    Side { referrer, most }
}

/// The members of a side.
///
/// # Errors
/// Where one cannot be read.
pub fn members<C: Concern>(views: &Views, field: u32) -> Result<Vec<C>, Fault> {
    let seen = views.of(side::<C>(field, 0).referrer).iter();
    seen.map(|seen| decode(&seen.member.value)).collect()
}

/// The views that an instance of `C` is in.
///
/// # Errors
/// Where it cannot be read.
pub fn relations_of<C: Concern>(value: &Bytes) -> Result<Vec<Relation>, Fault> {
    let claims = claims::of(&decode::<C>(value)?).into_iter();
    let relation = |asked: rkcy_core::claim::Asked| match asked.give.claim {
        Claim::Reference(referrer) if C::VIEWED.contains(&referrer.field) => Some(Relation {
            target: asked.give.row,
            referrer,
            group: asked.give.group,
        }),
        _ => None,
    };
    Ok(claims.filter_map(relation).collect())
}

/// The group of a hidden row of a view: its key begins with that of an instance of `C`.
#[must_use]
pub fn view_root<C: Concern>(key: &Key) -> Option<RowKey> {
    let mut rest = key.as_bytes();
    let target = C::Key::decode_key(&mut rest)?;
    Some(C::group_and_row(&target).0)
}

/// A hidden row of a view, as JSON: the keys of its members, or the version of one and how large it is.
///
/// # Errors
/// Where it is neither.
pub fn view_to_json(bytes: &Bytes) -> Result<Json, Fault> {
    if let Ok(members) = Members::from_wire(bytes.clone()) {
        let keys = members
            .0
            .iter()
            .map(|key| Json::String(hex(key.as_bytes())));
        return Ok(Json::Array(keys.collect()));
    }
    let member = Member::from_wire(bytes.clone())?;
    let version = member.version.to_string();
    Ok(json!({ "version": version, "bytes": member.value.len() }))
}
