//! What the functions of the schema give.

use crate::generated::{Functions, Line, Wanted};

impl Functions for super::Handlers {
    fn line_of(wanted: &Wanted, price: i64) -> Line {
        Line {
            product: wanted.product.key().clone(),
            quantity: wanted.quantity,
            price,
        }
    }

    fn total_of(lines: &[Line]) -> i64 {
        let of_line = |line: &Line| i64::from(line.quantity).saturating_mul(line.price);
        lines.iter().map(of_line).fold(0, i64::saturating_add)
    }
}
