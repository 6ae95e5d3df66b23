//! What happens to a `Budget`.

use crate::generated::{Budget, BudgetAdd, BudgetHandlers, BudgetPutBack, BudgetTake};
use rkcy_runtime::codegen;

impl BudgetHandlers for super::Handlers {
    fn add(
        budget: &mut Budget,
        payload: &BudgetAdd,
        cx: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        let _ = (budget, payload, cx);
        todo!("add")
    }

    fn take(
        budget: &mut Budget,
        payload: &BudgetTake,
        cx: &codegen::Context<'_>,
    ) -> Result<(), codegen::Text> {
        let _ = (budget, payload, cx);
        todo!("take")
    }

    fn put_back(budget: &mut Budget, payload: &BudgetPutBack, cx: &codegen::Context<'_>) {
        let _ = (budget, payload, cx);
        todo!("put_back")
    }
}
