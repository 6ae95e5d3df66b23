//! One operation on one row: what every concern's dispatch comes down to.

use super::claims;
use super::patch::Patch;
use super::platform::Concern;
use super::value::{Value, check, decode, encode};
use bytes::Bytes;
use rkcy_core::fault::{Class, Fault};
use rkcy_core::logic::{Call, Context, Row};

/// `create`: the payload is the new instance.
///
/// # Errors
/// `already_exists`, or a broken constraint.
pub fn create<C: Concern>(call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    if row.value().is_some() {
        return Err(Fault::refusal(
            "already_exists",
            format!("this {} exists", C::NAME),
        ));
    }
    put_new::<C>(call, row)
}

/// `ensure`: the payload is the new instance, if there is none; the result is the one there is then.
///
/// # Errors
/// A broken constraint.
pub fn ensure<C: Concern>(call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    match row.value() {
        Some(bytes) => {
            let bytes = bytes.clone();
            if C::CLAIMS > 0 {
                claims::give_back(
                    row,
                    Vec::new(),
                    claims::of(&decode::<C>(call.args)?),
                    Vec::new(),
                );
            }
            Ok(bytes)
        }
        None => put_new::<C>(call, row),
    }
}

/// `find`: the result is the instance, if there is one.
///
/// # Errors
/// Where it cannot be read.
pub fn find<C: Concern>(_: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    let found: Option<C> = row.value().map(decode).transpose()?;
    Ok(encode(&found))
}

/// `update`: the payload is what changes; the result is the instance after it.
///
/// # Errors
/// `not_found`, or a broken constraint.
pub fn update<C: Concern, P: Patch<C>>(call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    let patch: P = decode(call.args)?;
    check(&patch)?;
    let mut instance: C = read(row)?;
    let asked = claims::of_patch(&patch, &instance.key())?;
    let had = claims::of(&instance);
    patch.apply(&mut instance);
    instance.check()?;
    claims::give_back(row, had, asked, claims::of(&instance));
    let bytes = encode(&instance);
    row.set(Some(bytes.clone()));
    Ok(bytes)
}

/// `delete`: there is no instance any more.
///
/// # Errors
/// `not_found`.
pub fn delete<C: Concern>(_: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    let value = row.value().ok_or_else(not_found::<C>)?;
    if C::CLAIMS > 0 {
        let had = claims::of(&decode::<C>(value)?);
        claims::give_back(row, had, Vec::new(), Vec::new());
    }
    row.set(None);
    Ok(Bytes::new())
}

fn put_new<C: Concern>(call: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    let instance: C = decode(call.args)?;
    check(&instance)?;
    if instance.key_bytes() != call.row.key {
        return Err(Fault::new(
            Class::Invalid,
            "wrong_key",
            "the instance has another key",
        ));
    }
    // Encoded anew: a submitter of another build may have written the same instance in other bytes.
    let bytes = encode(&instance);
    row.set(Some(bytes.clone()));
    Ok(bytes)
}

/// `get`: the result is the instance.
///
/// # Errors
/// `not_found`.
pub fn get<C: Concern>(_: &Call<'_>, row: &mut Row) -> Result<Bytes, Fault> {
    row.value().cloned().ok_or_else(not_found::<C>)
}

/// A command with a payload.
///
/// # Errors
/// `not_found`, the handler's refusal, or a broken constraint.
pub fn command<C: Concern, P: Value, O: Value>(
    call: &Call<'_>,
    row: &mut Row,
    handler: impl FnOnce(&mut C, &P, &Context<'_>) -> Result<O, Fault>,
) -> Result<Bytes, Fault> {
    let payload: P = decode(call.args)?;
    check(&payload).map_err(|fault| fault.within("payload"))?;
    change(call, row, |instance, context| {
        handler(instance, &payload, context)
    })
}

/// A command without a payload.
///
/// # Errors
/// `not_found`, the handler's refusal, or a broken constraint.
pub fn command_without_payload<C: Concern, O: Value>(
    call: &Call<'_>,
    row: &mut Row,
    handler: impl FnOnce(&mut C, &Context<'_>) -> Result<O, Fault>,
) -> Result<Bytes, Fault> {
    change(call, row, handler)
}

/// A query with a payload.
///
/// # Errors
/// `not_found`, or the handler's refusal.
pub fn query<C: Concern, P: Value, O: Value>(
    call: &Call<'_>,
    row: &mut Row,
    handler: impl FnOnce(&C, &P, &Context<'_>) -> Result<O, Fault>,
) -> Result<Bytes, Fault> {
    let payload: P = decode(call.args)?;
    check(&payload).map_err(|fault| fault.within("payload"))?;
    answer(call, handler(&read(row)?, &payload, &call.context))
}

/// A query without a payload.
///
/// # Errors
/// `not_found`, or the handler's refusal.
pub fn query_without_payload<C: Concern, O: Value>(
    call: &Call<'_>,
    row: &mut Row,
    handler: impl FnOnce(&C, &Context<'_>) -> Result<O, Fault>,
) -> Result<Bytes, Fault> {
    answer(call, handler(&read(row)?, &call.context))
}

/// An operation that this build does not know.
pub fn unknown_op(concern: &str, op: u16) -> Fault {
    Fault::new(
        Class::Corrupt,
        "unknown_operation",
        format!("{concern} has no operation {op} in this build"),
    )
}

fn change<C: Concern, O: Value>(
    call: &Call<'_>,
    row: &mut Row,
    handler: impl FnOnce(&mut C, &Context<'_>) -> Result<O, Fault>,
) -> Result<Bytes, Fault> {
    let mut instance: C = read(row)?;
    let had = claims::of(&instance);
    let output = heard(call, handler(&mut instance, &call.context))?;
    instance.check()?;
    output.check().map_err(|broken| broken.within("result"))?;
    if instance.key_bytes() != call.row.key {
        return Err(Fault::refusal(
            "wrong_key",
            "a handler may not put another instance in place of its own",
        ));
    }
    if had != claims::of(&instance) {
        return Err(Fault::refusal(
            "read_only",
            "a handler changes no reference and no unique value",
        ));
    }
    row.set(Some(encode(&instance)));
    Ok(encode(&output))
}

/// What a handler says, where it was told all that it had asked for.
fn heard<O>(call: &Call<'_>, output: Result<O, Fault>) -> Result<O, Fault> {
    call.context.was_readable()?;
    output
}

fn answer<O: Value>(call: &Call<'_>, output: Result<O, Fault>) -> Result<Bytes, Fault> {
    let output = heard(call, output)?;
    output.check().map_err(|broken| broken.within("result"))?;
    Ok(encode(&output))
}

fn read<C: Concern>(row: &Row) -> Result<C, Fault> {
    decode(row.value().ok_or_else(not_found::<C>)?)
}

fn not_found<C: Concern>() -> Fault {
    Fault::refusal("not_found", format!("there is no such {}", C::NAME))
}
