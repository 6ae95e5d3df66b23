//! Who calls, for handlers.

use super::value::{Value, decode};
use rkcy_core::logic::Context;

/// What a handler may know of who calls.
pub trait CallerContext {
    /// Who calls, as the edge verified it: the message that the schema names, `platform NAME { caller MESSAGE }`. `None`
    /// where nobody is known, as in what was asked for without a token, or in another process by its command line.
    fn called_by<V: Value>(&self) -> Option<V>;
}

impl CallerContext for Context<'_> {
    fn called_by<V: Value>(&self) -> Option<V> {
        // One that cannot be read is nobody's: so whoever needs to be known is not let through.
        let caller = Some(self.caller()).filter(|caller| !caller.is_empty())?;
        decode(caller).ok()
    }
}
