//! Values that may have to wait for results.
//!
//! Owns [`Later`]: what the body of a transaction computes with. The body is run at submission, when no
//! step has been made, and again whenever results have told more; a value knows which steps it waits for,
//! so the plan can be made before it is there.

use smallvec::SmallVec;

/// Numbers of steps, sorted.
pub(super) type After = SmallVec<[u16; 4]>;

/// A value that is known, or that comes out of the results of steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Later<T> {
    value: Option<T>,
    after: After,
    /// The step whose result it is, unchanged.
    step: Option<u16>,
}

impl<T> Later<T> {
    /// A value that waits for nothing.
    pub fn known(value: T) -> Later<T> {
        Later::after(Some(value), After::new())
    }

    pub(super) fn after(value: Option<T>, after: After) -> Later<T> {
        Later {
            value,
            after,
            step: None,
        }
    }

    pub(super) fn of_step(value: Option<T>, step: u16) -> Later<T> {
        Later {
            value,
            after: After::from_slice(&[step]),
            step: Some(step),
        }
    }

    /// The value, where it is known.
    pub fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The value computed out of this one.
    pub fn map<U>(&self, compute: impl FnOnce(&T) -> U) -> Later<U> {
        Later::after(self.get().map(compute), self.after.clone())
    }

    /// A list of values, known when all of them are.
    pub fn all(values: Vec<Later<T>>) -> Later<Vec<T>> {
        let mut after = After::new();
        for value in &values {
            unite(&mut after, &value.after);
        }
        Later::after(values.into_iter().map(|later| later.value).collect(), after)
    }

    pub(super) fn steps(&self) -> &After {
        &self.after
    }

    pub(super) fn step(&self) -> Option<u16> {
        self.step
    }

    pub(super) fn also_after(mut self, steps: &[u16]) -> Later<T> {
        unite(&mut self.after, steps);
        self
    }
}

/// Adds the numbers of `more` to those of `after`.
pub(super) fn unite(after: &mut After, more: &[u16]) {
    for step in more {
        if let Err(place) = after.binary_search(step) {
            after.insert(place, *step);
        }
    }
}

/// What [`later!`](crate::codegen::later) needs: the steps that several values wait for.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Union(After);

impl Union {
    /// Adds those of one value.
    pub fn add<T>(&mut self, later: &Later<T>) {
        unite(&mut self.0, &later.after);
    }

    /// A value that waits for all of them.
    pub fn value<T>(self, value: Option<T>) -> Later<T> {
        Later::after(value, self.0)
    }
}

/// A value computed out of others: `later!(|a, b| a.n + b.n)`. The names are those of `Later` values; in the
/// expression they are references to what is in them. It is evaluated only where all of them are known.
#[macro_export]
#[doc(hidden)]
macro_rules! __later {
    (|$($name:ident),+ $(,)?| $value:expr) => {{
        let mut after = $crate::codegen::Union::default();
        $( after.add(&$name); )+
        let value = match ($( $name.get(), )+) {
            ($( ::core::option::Option::Some($name), )+) => ::core::option::Option::Some($value),
            #[allow(unreachable_patterns)]
            _ => ::core::option::Option::None,
        };
        after.value(value)
    }};
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codegen::later;

    #[test]
    fn it_is_known_when_all_it_comes_from_is() {
        let one = Later::of_step(Some(1), 4);
        let two = Later::of_step(None::<i32>, 2);
        let three = Later::known(3);
        assert_eq!(later!(|one, three| one + three).get(), Some(&4));
        let sum = later!(|one, two, three| one + two + three);
        assert_eq!((sum.get(), sum.steps().as_slice()), (None, &[2, 4][..]));
        assert_eq!(Later::all(vec![one, three]).get(), Some(&vec![1, 3]));
    }
}
