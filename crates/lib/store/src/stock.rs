//! Stock: all lines of an order or none, and back exactly what was taken.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    CancellationReason, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::ledger::{Gate, current_attempt, pass, undone};
use domain::ports::{Invocation, LineProblem, Reserved, Stock, StoreError};
use domain::{Line, Order, OrderState, Review, Stage, StepError, Timestamp};

use crate::Store;
use crate::catalogue::problem;
use crate::error::unreadable;
use crate::item::{self, millisecond, number, text, value};
use crate::orders::state_of;
use crate::transaction::condition_failed;

/// A transaction takes 100 writes; one of them is the order's state. So 100 lines, the most that
/// an order has, take two transactions, and the state tells how far reserving has come.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html>
const LINES_PER_TRANSACTION: usize = 99;

impl Store {
    fn state_update(&self, by: &Invocation) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.orders_table)
            .set_key(Some(item::key(&by.order_id, item::STATE)))
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#failure", "failure")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":attempt", number(by.attempt))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn line_update(&self, line: &Line) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.stock_table)
            .key("sku", text(line.sku.as_str()))
            .expression_attribute_values(":pieces", number(line.quantity.get()))
    }

    fn reserve_line(&self, line: &Line) -> UpdateBuilder {
        self.line_update(line)
            .update_expression("SET available = available - :pieces")
            .condition_expression(
                "unit_price = :price AND currency = :currency AND available >= :pieces",
            )
            .expression_attribute_values(":price", number(line.unit_price.minor()))
            .expression_attribute_values(":currency", text(line.unit_price.currency().code()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// The move of the state from `from` reserved lines to `to`; the last one changes the stage.
    fn reserve_state(
        &self,
        by: &Invocation,
        from: usize,
        to: usize,
        last: Option<Stage>,
    ) -> Result<UpdateBuilder, StoreError> {
        let mut set = "SET reserved_lines = :to, #version = #version + :one".to_owned();
        let mut update = self.state_update(by);
        if let Some(stage) = last {
            set += ", #stage = :next";
            update = update.expression_attribute_values(":next", text(stage.as_str()));
            if stage == Stage::InReview {
                let review = Review {
                    since: by.now,
                    decision: None,
                    decided_at: None,
                };
                set += ", review = :review";
                update = update.expression_attribute_values(":review", value(review)?);
            } else {
                set += ", validated_at = :now";
                update = update.expression_attribute_values(":now", millisecond(by.now));
            }
        }
        Ok(update
            .update_expression(set)
            .condition_expression(
                "attempt = :attempt AND #stage = :received AND reserved_lines = :from AND \
                 attribute_not_exists(#cancel) AND attribute_not_exists(#failure)",
            )
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_values(":received", text(Stage::Received.as_str()))
            .expression_attribute_values(":from", number(from))
            .expression_attribute_values(":to", number(to)))
    }
}

fn write(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|_| unreadable("a stock update"))?;
    Ok(TransactWriteItem::builder().update(update).build())
}

fn problems(reasons: &[CancellationReason], lines: &[Line]) -> Vec<LineProblem> {
    let lines = reasons.iter().skip(1).zip(lines);
    lines
        .filter(|(reason, _)| condition_failed(reason))
        .map(|(reason, line)| problem(line, reason.item()))
        .collect()
}

/// What an order's state says about reserving when it is not where it was expected.
enum Standing {
    /// So many lines are reserved; go on from there.
    At(usize),
    AllReserved,
    Refused(StepError),
}

fn standing(old: &OrderState, by: &Invocation) -> Standing {
    if let Err(error) = current_attempt(old, by.attempt) {
        return Standing::Refused(error);
    }
    match old.stage {
        Stage::Received => match pass(old, "reserve", Gate::Forward(Stage::Received)) {
            Ok(()) => Standing::At(old.reserved_lines),
            Err(error) => Standing::Refused(error),
        },
        Stage::InReview
        | Stage::Validated
        | Stage::Authorized
        | Stage::Shipped
        | Stage::Captured
        | Stage::Completed => match pass(old, "reserve", Gate::Forward(old.stage)) {
            Ok(()) => Standing::AllReserved,
            Err(error) => Standing::Refused(error),
        },
        Stage::Rejected | Stage::Cancelled | Stage::Failed => {
            let error = pass(old, "reserve", Gate::Forward(Stage::Received));
            error.map_or_else(Standing::Refused, |()| Standing::At(old.reserved_lines))
        }
    }
}

impl Stock for Store {
    async fn reserve(
        &self,
        by: &Invocation,
        order: &Order,
        review: bool,
    ) -> Result<Reserved, StoreError> {
        let next = if review {
            Stage::InReview
        } else {
            Stage::Validated
        };
        let mut from = 0;
        while from < order.lines.len() {
            let to = order.lines.len().min(from + LINES_PER_TRANSACTION);
            let chunk = &order.lines[from..to];
            let last = (to == order.lines.len()).then_some(next);
            let mut writes = vec![write(self.reserve_state(by, from, to, last)?)?];
            for line in chunk {
                writes.push(write(self.reserve_line(line))?);
            }
            match self.transact(writes).await? {
                Ok(()) => from = to,
                Err(reasons) => match reasons.first() {
                    Some(first) if condition_failed(first) => {
                        let Some(old) = state_of(first)? else {
                            return Err(StoreError::NotFound(by.order_id.clone()));
                        };
                        match standing(&old, by) {
                            Standing::At(reserved) if reserved > from => from = reserved,
                            Standing::At(_) => {
                                let text = "the order's state changed meanwhile".to_owned();
                                return Err(StoreError::Unavailable(text));
                            }
                            Standing::AllReserved => return Ok(Reserved::All),
                            Standing::Refused(error) => return Ok(Reserved::Refused(error)),
                        }
                    }
                    _ => return Ok(Reserved::Problems(problems(&reasons, chunk))),
                },
            }
        }
        Ok(Reserved::All)
    }

    async fn release_and_close(
        &self,
        by: &Invocation,
        lines: &[Line],
        state: OrderState,
    ) -> Result<OrderState, StoreError> {
        let mut state = state;
        loop {
            let Some(failure) = &state.failure else {
                return Err(StoreError::Defect(
                    "an order without a failure is not released".to_owned(),
                ));
            };
            if state.stage.is_closed() {
                return Ok(state);
            }
            // It stays so: nothing begins any more once a failure is noted, and what is undone stays undone.
            if let Err(stands) = undone(&state) {
                let text = format!("an order is not closed while {stands}");
                return Err(StoreError::Defect(text));
            }
            let closed = Stage::reversed_because_of(failure.error);
            // As it is stored.
            let now = Timestamp::from_millisecond(self.clock.now().as_millisecond());
            let now = now.map_err(|_| unreadable("the clock"))?;
            let from = state.reserved_lines.min(lines.len());
            let to = from.saturating_sub(LINES_PER_TRANSACTION);
            let mut set = "SET reserved_lines = :to, #version = #version + :one".to_owned();
            let mut update = self.state_update(by);
            if to == 0 {
                set += ", #stage = :stage, closed_at = :now";
                update = update
                    .expression_attribute_names("#stage", "stage")
                    .expression_attribute_values(":stage", text(closed.as_str()))
                    .expression_attribute_values(":now", millisecond(now));
            }
            let update = update
                .update_expression(set)
                .condition_expression(
                    "attempt = :attempt AND reserved_lines = :from AND \
                     attribute_exists(#failure) AND attribute_not_exists(closed_at)",
                )
                .expression_attribute_values(":from", number(from))
                .expression_attribute_values(":to", number(to));
            let mut writes = vec![write(update)?];
            for line in &lines[to..from] {
                // Unconditional: an article that left the catalogue must not keep an order open.
                let line = self
                    .line_update(line)
                    .update_expression("ADD available :pieces");
                writes.push(write(line)?);
            }
            match self.transact(writes).await? {
                Ok(()) => {
                    state.reserved_lines = to;
                    state.version += 1;
                    if to == 0 {
                        state.stage = closed;
                        state.closed_at = Some(now);
                    }
                }
                // Another invocation of ours has come further: go on from where it is.
                Err(reasons) => match reasons.first().map(state_of).transpose()?.flatten() {
                    Some(old) if old.stage.is_closed() || old.reserved_lines < from => state = old,
                    Some(_) => {
                        return Err(StoreError::Defect(
                            "an order's stock cannot be released".to_owned(),
                        ));
                    }
                    None => return Err(StoreError::NotFound(by.order_id.clone())),
                },
            }
        }
    }
}
