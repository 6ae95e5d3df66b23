//! What an instance claims beside itself: unique values, and what it refers to.
//!
//! Owns the way from a typed instance or patch to [`Claim`]s, what a step gives back of them, and the hidden
//! concerns in which the engine keeps them. Which fields claim what is generated.

use super::op;
use super::patch::Patch;
use super::platform::{Concern, ConcernDesc};
use super::value::{Ref, decode};
use crate::store::{SqlValue, TableDesc};
use bytes::Bytes;
use rkcy_core::claim::{Asked, Claim, Counts, GiveBack, Referrer, Reservation};
use rkcy_core::fault::{Class, Fault};
use rkcy_core::id::ConcernId;
use rkcy_core::key::{Key, KeyPart, RowKey};
use rkcy_core::logic::Row;
use rkcy_core::wire::Wire;
use serde_json::{Value as Json, json};

/// The claims of an instance, or of what a patch sets.
#[derive(Debug, Default)]
pub struct Claims(Vec<Asked>);

impl Claims {
    /// A value that only one instance of `C` has: a row of `index`.
    pub fn unique<C: Concern>(&mut self, index: ConcernId, value: Key, owner: &C::Key) {
        let row = RowKey {
            concern: index,
            key: value,
        };
        self.claim(row.clone(), row, Claim::Unique(C::group_and_row(owner).1));
    }

    /// The same, of those in one group: the index is in it too.
    pub fn unique_within<C: Concern>(&mut self, index: ConcernId, value: Key, owner: &C::Key) {
        let (group, owner) = C::group_and_row(owner);
        let row = RowKey {
            concern: index,
            key: value,
        };
        self.claim(group, row, Claim::Unique(owner));
    }

    /// A reference of `C`, by the field with this number, to an instance of `T`, of which `most` may be.
    pub fn reference<C: Concern, T: Concern>(
        &mut self,
        field: u32,
        most: Option<u32>,
        target: &impl Target<T>,
    ) {
        if let Some(key) = target.target() {
            self.0.push(asked::<C, T>(field, most, key));
        }
    }

    fn claim(&mut self, group: RowKey, row: RowKey, claim: Claim) {
        let give = GiveBack { group, row, claim };
        self.0.push(Asked { give, most: None });
    }

    /// The claims, in order of fields.
    pub(super) fn into_list(self) -> Vec<Asked> {
        self.0
    }
}

fn asked<C: Concern, T: Concern>(field: u32, most: Option<u32>, key: &T::Key) -> Asked {
    let (group, row) = T::group_and_row(key);
    let claim = Claim::Reference(Referrer {
        concern: C::ID,
        field,
    });
    let give = GiveBack { group, row, claim };
    Asked { give, most }
}

/// A reference that is asked for by a payload which comes out of results.
pub(super) fn late_reference<C: Concern, T: Concern>(
    field: u32,
    most: Option<u32>,
    target: &impl Target<T>,
) -> Option<Asked> {
    Some(asked::<C, T>(field, most, target.target()?))
}

/// A field that refers to an instance of `T`, or may.
pub trait Target<T: Concern> {
    /// The key, where there is one.
    fn target(&self) -> Option<&T::Key>;
}

impl<T: Concern> Target<T> for Ref<T> {
    fn target(&self) -> Option<&T::Key> {
        Some(self.key())
    }
}

impl<T: Concern> Target<T> for Option<Ref<T>> {
    fn target(&self) -> Option<&T::Key> {
        self.as_ref().map(Ref::key)
    }
}

/// What an instance claims.
pub(super) fn of<C: Concern>(instance: &C) -> Vec<Asked> {
    let mut claims = Claims::default();
    if C::CLAIMS > 0 {
        instance.claims(&mut claims);
    }
    claims.into_list()
}

/// Whether an instance has this unique value, of this index.
pub(super) fn has<C: Concern>(instance: &C, index: ConcernId, value: &Key) -> bool {
    let is_it = |row: &RowKey| row.concern == index && row.key == *value;
    of(instance).iter().any(|asked| is_it(&asked.give.row))
}

/// What a patch of the instance with this key sets.
pub(super) fn of_patch<C: Concern, P: Patch<C>>(
    patch: &P,
    key: &C::Key,
) -> Result<Vec<Asked>, Fault> {
    let mut claims = Claims::default();
    if C::CLAIMS > 0 {
        patch.claims(key, &mut claims)?;
    }
    Ok(claims.into_list())
}

/// Gives back what was had or asked for, and is not had any more.
pub(super) fn give_back(row: &mut Row, had: Vec<Asked>, asked: Vec<Asked>, has: Vec<Asked>) {
    let mut has: Vec<GiveBack> = has.into_iter().map(|asked| asked.give).collect();
    for gone in had.into_iter().chain(asked) {
        match has.iter().position(|kept| *kept == gone.give) {
            Some(place) => drop(has.swap_remove(place)),
            None => row.give_back(gone.give),
        }
    }
}

/// Half of a unique value cannot be changed alone: the other half is not known where the change is submitted.
#[must_use]
pub fn half_of_unique(fields: &str) -> Fault {
    let message = format!("`unique ({fields})`: an update gives all of these fields or none");
    Fault::new(Class::Invalid, "half_of_unique", message)
}

/// What one operation on an instance of `C` claims.
///
/// # Errors
/// Where the payload cannot be read, or is half of a unique value.
pub fn claims_of<C: Concern, P: Patch<C>>(
    row: &RowKey,
    op: u16,
    args: &Bytes,
) -> Result<Vec<Asked>, Fault> {
    if op != op::UPDATE {
        return claims_of_new::<C>(op, args);
    }
    let mut bytes = row.key.as_bytes();
    match C::Key::decode_key(&mut bytes) {
        Some(key) => of_patch(&decode::<P>(args)?, &key),
        None => Err(Fault::new(Class::Invalid, "wrong_key", "not a key")),
    }
}

/// The same, of a concern that is never updated.
///
/// # Errors
/// Where the payload cannot be read.
pub fn claims_of_new<C: Concern>(op: u16, args: &Bytes) -> Result<Vec<Asked>, Fault> {
    match op {
        op::CREATE | op::ENSURE => Ok(of(&decode::<C>(args)?)),
        _ => Ok(Vec::new()),
    }
}

// ---- hidden concerns

impl ConcernDesc {
    /// A hidden concern, in which the engine keeps claims or views.
    #[must_use]
    pub const fn hidden(
        id: ConcernId,
        name: &'static str,
        group: ConcernId,
        root: fn(&Key) -> Option<RowKey>,
        to_json: fn(&Bytes) -> Result<Json, Fault>,
        table: &'static TableDesc,
    ) -> ConcernDesc {
        ConcernDesc {
            id,
            name,
            doc: "",
            hidden: true,
            keys: &[],
            ops: &[],
            key_from_text: |_| Err(no_key()),
            key_to_text: |key| hex(key.as_bytes()),
            key_from_json: |_| Err(no_key()),
            key_to_json: |key| Ok(Json::String(hex(key.as_bytes()))),
            group,
            root,
            to_json,
            service: "",
            key_from_wire: |_| Err(no_key()),
            key_of_instance: |_| Err(no_key()),
            table,
        }
    }
}

fn no_key() -> Fault {
    Fault::new(Class::Invalid, "hidden", "this concern is the engine's own")
}

/// The group of a row of an index that is a root: itself.
#[must_use]
pub fn index_root<const RANK: u16>(key: &Key) -> Option<RowKey> {
    Some(RowKey {
        concern: ConcernId(RANK),
        key: key.clone(),
    })
}

/// The group of a row of an index that is in the groups of `C`: its value begins with the root's key.
#[must_use]
pub fn index_within<C: Concern>(key: &Key) -> Option<RowKey> {
    let mut rest = key.as_bytes();
    let root = C::RootKey::decode_key(&mut rest)?;
    Some(RowKey {
        concern: C::ROOT,
        key: Key::of(&root),
    })
}

/// Bytes as a person reads them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A reservation or counts, as JSON.
///
/// # Errors
/// Where it is neither.
pub fn claims_to_json(bytes: &Bytes) -> Result<Json, Fault> {
    if let Ok(known) = Reservation::from_wire(bytes.clone()) {
        let owner = hex(known.owner.key.as_bytes());
        return Ok(json!({ "owner": owner, "claims": known.claims }));
    }
    let counts = Counts::read(Some(bytes))?;
    let counts = counts.iter().map(|(referrer, count)| {
        json!({ "concern": referrer.concern.0, "field": referrer.field, "count": count })
    });
    Ok(Json::Array(counts.collect()))
}

/// The key column of a hidden table.
///
/// # Errors
/// Never.
pub fn hidden_key(bytes: &[u8]) -> Result<Vec<SqlValue>, Fault> {
    Ok(vec![SqlValue::Blob(bytes.to_vec())])
}

/// The value column of a hidden table.
///
/// # Errors
/// Never.
pub fn hidden_to_columns(bytes: &[u8]) -> Result<Vec<SqlValue>, Fault> {
    Ok(vec![SqlValue::Blob(bytes.to_vec())])
}

/// The value out of the columns of a hidden table.
///
/// # Errors
/// Where they hold something else.
pub fn hidden_from_columns(columns: &[SqlValue]) -> Result<Vec<u8>, Fault> {
    match columns {
        [_, SqlValue::Blob(value)] => Ok(value.clone()),
        _ => Err(Fault::new(
            Class::Corrupt,
            "unreadable_row",
            "a hidden row that holds no bytes",
        )),
    }
}
