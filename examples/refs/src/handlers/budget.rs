//! What happens to a `Budget`.

use crate::generated::{Budget, BudgetAdd, BudgetHandlers, BudgetPutBack, BudgetTake};
use rkcy_runtime::codegen;

impl BudgetHandlers for super::Handlers {
    fn add(
        budget: &mut Budget,
        payload: &BudgetAdd,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        budget.left = budget.left.saturating_add(payload.amount);
        Ok(())
    }

    // What is too much breaks the constraint.
    fn take(
        budget: &mut Budget,
        payload: &BudgetTake,
        _: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        budget.left -= payload.amount;
        Ok(())
    }

    fn put_back(budget: &mut Budget, payload: &BudgetPutBack, _: &codegen::Context<'_>) {
        budget.left = budget.left.saturating_add(payload.amount);
    }
}
