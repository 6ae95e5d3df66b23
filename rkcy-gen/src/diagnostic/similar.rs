//! Owns "did you mean": which known name an unknown one was most likely meant to be.

/// Names longer than this are not compared; nobody misspells them into each other.
const MAX_LENGTH: usize = 64;

/// The known name that is closest to the wrong one, if one is close enough.
pub(crate) fn closest<'a>(
    wrong: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // One mistake for every three characters: `Chracter` finds `Character`, `ab` finds nothing.
    let allowed = match wrong.len() {
        0 | 1 => 0,
        2..=5 => 1,
        length => (length / 3).min(4),
    };
    let wrong_folded = Folded::of(wrong);
    let mut best: Option<(usize, &str)> = None;
    for name in names {
        if name == wrong
            || name.len() > MAX_LENGTH
            || name.len().abs_diff(wrong.len()) > allowed + 2
        {
            continue;
        }
        let folded = Folded::of(name);
        // A mistake changes at most two letters of the set; most names end here.
        if (wrong_folded.letters ^ folded.letters).count_ones() as usize > 2 * allowed {
            continue;
        }
        let Some(distance) = distance(wrong_folded.bytes(), folded.bytes(), allowed) else {
            continue;
        };
        // Ties go to the first in the alphabet, so that the answer does not depend on order.
        if best.is_none_or(|best| (distance, name) < best) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// A name as it is compared: case and `_` do not count as mistakes.
struct Folded {
    bytes: [u8; MAX_LENGTH + 1],
    length: usize,
    /// Which letters it has, as a set of bits.
    letters: u64,
}

impl Folded {
    fn of(name: &str) -> Folded {
        let mut folded = Folded {
            bytes: [0; MAX_LENGTH + 1],
            length: 0,
            letters: 0,
        };
        for byte in name.bytes().filter(|byte| *byte != b'_') {
            let byte = byte.to_ascii_lowercase();
            let Some(cell) = folded.bytes.get_mut(folded.length) else {
                break;
            };
            *cell = byte;
            folded.length += 1;
            folded.letters |= 1 << (byte % 64);
        }
        folded
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour; `None`
/// beyond `limit`.
fn distance(left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    // The last three rows of the table of distances. A schema may have many names that are nearly the same, so this
    // allocates nothing, and ends with the first row that is beyond the limit.
    let mut rows = [[0_usize; MAX_LENGTH + 2]; 3];
    for (nth, cell) in rows[1][..=right.len()].iter_mut().enumerate() {
        *cell = nth;
    }
    for (i, l) in left.iter().enumerate() {
        let [older, previous, current] = &mut rows;
        current[0] = i + 1;
        let mut least = i + 1;
        for (j, r) in right.iter().enumerate() {
            let replace = previous[j] + usize::from(l != r);
            let mut best = replace.min(previous[j + 1] + 1).min(current[j] + 1);
            if i > 0 && j > 0 && *l == right[j - 1] && left[i - 1] == *r {
                best = best.min(older[j - 1] + 1);
            }
            current[j + 1] = best;
            least = least.min(best);
        }
        // Two letters that are swapped take one step over two rows.
        if least > limit + 1 {
            return None;
        }
        rows.rotate_left(1);
    }
    Some(rows[1][right.len()]).filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn finds_what_is_close() {
        let names = ["Character", "Currency", "Class"];
        assert_eq!(closest("Chracter", names), Some("Character"));
        assert_eq!(closest("currency", names), Some("Currency"));
        assert_eq!(closest("Clsas", names), Some("Class"));
    }

    #[test]
    fn neighbours_that_are_swapped_are_one_mistake() {
        assert_eq!(closest("abcd", ["abdc"]), Some("abdc"));
        assert_eq!(closest("bacd", ["abcd"]), Some("abcd"));
        assert_eq!(closest("abcdefg", ["bacdegf"]), Some("bacdegf"));
        assert_eq!(closest("abcd", ["badc"]), None);
    }

    #[test]
    fn leaves_what_is_far() {
        assert_eq!(closest("Banana", ["Character", "Currency"]), None);
        assert_eq!(closest("x", ["y"]), None);
    }
}
