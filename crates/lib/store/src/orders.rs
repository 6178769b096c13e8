//! Orders and their ledger: the domain's rules as conditional writes.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use domain::ledger::{
    Admission, Authorization, Authorize, Capture, Claim, Effect, Entry, Gate, Unbook, Unbooking,
    admit,
};
use domain::ports::{Cancellation, Claimed, Decided, Invocation, Orders, Record, StoreError};
use domain::{AuditEvent, Decision, Failure, Label, OrderId, OrderState, Stage, Timestamp};

use crate::Store;
use crate::error::{classify, unreadable};
use crate::item::{self, Item, millisecond, number, text, value};

/// What became of a conditional write.
pub(crate) enum Written {
    /// It happened; the item as it is now.
    Yes(OrderState),
    /// Its condition did not hold; the item as it is, if there is one.
    No(Option<OrderState>),
}

impl Store {
    /// A write to an order's state that raises its version.
    pub(crate) fn update_state(&self, order_id: &OrderId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.orders_table)
            .set_key(Some(item::key(order_id, item::STATE)))
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    pub(crate) async fn write_state(
        &self,
        update: UpdateItemFluentBuilder,
    ) -> Result<Written, StoreError> {
        match update.send().await {
            Ok(answer) => {
                let item = answer
                    .attributes
                    .ok_or_else(|| unreadable("an update's answer"))?;
                Ok(Written::Yes(item::state(item)?))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(failed)) => {
                    let old = failed.item.clone().filter(|item| !item.is_empty());
                    Ok(Written::No(old.map(item::state).transpose()?))
                }
                _ => Err(classify("UpdateItem", &error)),
            },
        }
    }

    async fn items(&self, order_id: &OrderId) -> Result<Vec<Item>, StoreError> {
        self.client
            .query()
            .table_name(&self.orders_table)
            .consistent_read(true)
            .key_condition_expression("order_id = :order_id")
            .expression_attribute_values(":order_id", text(order_id.as_str()))
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<_>, _>>()
            .await
            .map_err(|error| classify("Query", &error))
    }

    /// The token that a waiting review continues with.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn review_token(&self, order_id: &OrderId) -> Result<Option<String>, StoreError> {
        // Query rather than GetItem: the one reading right that every function has.
        let found = self
            .client
            .query()
            .table_name(&self.orders_table)
            .consistent_read(true)
            .key_condition_expression("order_id = :order_id AND #item = :review")
            .expression_attribute_names("#item", "item")
            .expression_attribute_values(":order_id", text(order_id.as_str()))
            .expression_attribute_values(":review", text(item::REVIEW))
            .send()
            .await
            .map_err(|error| classify("Query", &error))?;
        let token = found
            .items()
            .first()
            .and_then(|item| item.get("task_token"))
            .and_then(|token| token.as_s().ok())
            .cloned();
        Ok(token)
    }
}

impl Store {
    /// The token is read after the decision is on record: one that is noted later finds the
    /// decision instead.
    async fn decided(&self, order_id: &OrderId) -> Result<Decided, StoreError> {
        let token = self.review_token(order_id).await?;
        Ok(Decided::Recorded { token })
    }
}

/// The state that made a condition fail.
pub(crate) fn state_of(reason: &CancellationReason) -> Result<Option<OrderState>, StoreError> {
    let item = reason.item().filter(|item| !item.is_empty()).cloned();
    item.map(item::state).transpose()
}

/// The condition under which `gate` is passed: [`domain::ledger::pass`] in DynamoDB's words.
fn gate_condition(gate: Gate) -> &'static str {
    match gate {
        Gate::Forward(_) => {
            "#stage = :stage AND attribute_not_exists(#cancel) AND attribute_not_exists(#failure)"
        }
        Gate::Undo => "attribute_exists(#failure) AND attribute_not_exists(#closed)",
        Gate::AfterUndo => "attribute_exists(#failure) AND attribute_exists(#closed)",
    }
}

fn with_gate(update: UpdateItemFluentBuilder, gate: Gate) -> UpdateItemFluentBuilder {
    let update = update.expression_attribute_names("#failure", "failure");
    match gate {
        Gate::Forward(stage) => update
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_values(":stage", text(stage.as_str())),
        Gate::Undo | Gate::AfterUndo => update.expression_attribute_names("#closed", "closed_at"),
    }
}

impl Store {
    /// Claims an effect that nobody has claimed.
    async fn claim_fresh<E: Effect>(&self, by: &Invocation) -> Result<Written, StoreError> {
        let gate = gate_condition(E::GATE);
        let update = self
            .update_state(&by.order_id)
            .update_expression("SET #effect = :claim, #version = #version + :one")
            .condition_expression(format!(
                "attempt = :attempt AND attribute_not_exists(#effect) AND {gate}"
            ))
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_values(":claim", open::<E>(by)?)
            .expression_attribute_values(":attempt", number(by.attempt));
        self.write_state(with_gate(update, E::GATE)).await
    }

    /// What a claim's first write came to, with a second one if an expired lease is to be taken over.
    async fn claimed<E: Effect>(
        &self,
        by: &Invocation,
        written: Written,
    ) -> Result<Claimed<E::Outcome>, StoreError> {
        let old = match written {
            Written::Yes(state) => {
                return Ok(Claimed::Perform {
                    state,
                    unknown_since: None,
                });
            }
            Written::No(None) => return Err(StoreError::NotFound(by.order_id.clone())),
            Written::No(Some(old)) => old,
        };
        match admit::<E>(&old, by.attempt, &by.owner, by.now) {
            // The write's answer was lost: nothing else happened under this claim since.
            Admission::Own => {
                let claim = match E::entry(&old) {
                    Some(Entry::Open(claim)) => Some(claim),
                    Some(Entry::Done { .. }) | None => None,
                };
                let taken_over = claim.filter(|claim| claim.tried_until.is_some());
                Ok(Claimed::Perform {
                    unknown_since: taken_over.map(|claim| claim.since),
                    state: old,
                })
            }
            Admission::TakeOver(open) => match self.take_over::<E>(by, &open).await? {
                Written::Yes(state) => Ok(Claimed::Perform {
                    state,
                    unknown_since: Some(open.since),
                }),
                Written::No(_) => Err(overtaken(E::NAME)),
            },
            // `Fresh` after a failed condition: it changed back in between.
            Admission::Busy(_) | Admission::Fresh => Err(overtaken(E::NAME)),
            Admission::Done(outcome) => Ok(Claimed::Done {
                state: old,
                outcome,
            }),
            Admission::Refused(error) => Ok(Claimed::Refused(error)),
        }
    }

    /// Takes over a claim whose lease has run out; `since` stays.
    async fn take_over<E: Effect>(
        &self,
        by: &Invocation,
        open: &Claim,
    ) -> Result<Written, StoreError> {
        let gate = gate_condition(E::GATE);
        let update = self
            .update_state(&by.order_id)
            .update_expression(
                "SET #effect.#owner = :owner, #effect.#tried_until = #effect.#until, \
                 #effect.#until = :until, #version = #version + :one",
            )
            .condition_expression(format!(
                "attempt = :attempt AND #effect.#owner = :previous AND {gate}"
            ))
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#tried_until", "tried_until")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":until", millisecond(by.deadline))
            .expression_attribute_values(":previous", text(&open.owner))
            .expression_attribute_values(":attempt", number(by.attempt));
        self.write_state(with_gate(update, E::GATE)).await
    }
}

impl Store {
    /// Notes why an order is reversed that was `cancelled` or was not, and claims the first undo. A cancellation
    /// is either seen by this write or refused because of it.
    async fn note_failure(
        &self,
        by: &Invocation,
        failure: &Failure,
        cancelled: bool,
    ) -> Result<Written, StoreError> {
        let cancel = if cancelled {
            "attribute_exists(#cancel)"
        } else {
            // One whose reason is noted goes on with its undo.
            "(attribute_not_exists(#cancel) OR attribute_exists(#failure))"
        };
        let update = self
            .update_state(&by.order_id)
            .update_expression(
                "SET #failure = if_not_exists(#failure, :failure), #unbook = :claim, #version = \
                 #version + :one",
            )
            .condition_expression(format!(
                "attempt = :attempt AND attribute_not_exists(#unbook) AND \
                 attribute_not_exists(closed_at) AND {cancel}"
            ))
            .expression_attribute_names("#failure", "failure")
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_names("#unbook", Unbook::NAME)
            .expression_attribute_values(":failure", value(failure)?)
            .expression_attribute_values(":claim", open::<Unbook>(by)?)
            .expression_attribute_values(":attempt", number(by.attempt));
        self.write_state(update).await
    }
}

/// A new claim by this invocation.
fn open<E: Effect>(by: &Invocation) -> Result<AttributeValue, StoreError> {
    let claim = Claim::new(&by.owner, by.now, by.deadline);
    value(Entry::<E::Outcome>::Open(claim))
}

/// Somebody else was quicker, or is at work: the retry finds what came of it.
pub(crate) fn overtaken(what: &str) -> StoreError {
    StoreError::Unavailable(format!("another invocation is at work on {what}"))
}

impl Orders for Store {
    async fn load(&self, order_id: &OrderId) -> Result<Option<Record>, StoreError> {
        item::record(self.items(order_id).await?)
    }

    async fn claim<E: Effect>(&self, by: &Invocation) -> Result<Claimed<E::Outcome>, StoreError> {
        let written = self.claim_fresh::<E>(by).await?;
        self.claimed::<E>(by, written).await
    }

    async fn commit<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
    ) -> Result<OrderState, StoreError> {
        // From the deadline on the claim may be somebody else's; the condition tells.
        let at = self.clock.now();
        let done = Entry::Done {
            outcome: outcome.clone(),
            at,
        };
        let closes = E::stage_after(&outcome).is_some_and(Stage::is_closed);
        let mut set = "SET #effect = :done, #version = #version + :one".to_owned();
        let mut update = self
            .update_state(&by.order_id)
            .condition_expression(match E::GATE {
                // What ends the order well does not end one that is being reversed by now.
                Gate::Forward(_) if closes => {
                    "#effect.#owner = :owner AND attribute_not_exists(closed_at) AND \
                     attribute_not_exists(failure)"
                }
                Gate::Forward(_) | Gate::Undo => {
                    "#effect.#owner = :owner AND attribute_not_exists(closed_at)"
                }
                Gate::AfterUndo => "#effect.#owner = :owner",
            })
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":done", value(done)?);
        if let Some(stage) = E::stage_after(&outcome) {
            set += ", #stage = :stage";
            update = update
                .expression_attribute_names("#stage", "stage")
                .expression_attribute_values(":stage", text(stage.as_str()));
            if stage.is_closed() {
                set += ", closed_at = :at";
                update = update.expression_attribute_values(":at", millisecond(at));
            }
        }
        match self.write_state(update.update_expression(set)).await? {
            Written::Yes(state) => Ok(state),
            Written::No(None) => Err(StoreError::NotFound(by.order_id.clone())),
            // The answer to the same commit was lost.
            Written::No(Some(old)) if E::entry(&old).and_then(Entry::outcome) == Some(&outcome) => {
                Ok(old)
            }
            Written::No(Some(_)) => Err(overtaken(E::NAME)),
        }
    }

    async fn withdraw<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let update = self
            .update_state(&by.order_id)
            .update_expression("SET #version = #version + :one REMOVE #effect")
            .condition_expression("#effect.#owner = :owner")
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&by.owner));
        // If it is not ours any more, it is not ours to take back.
        self.write_state(update).await.map(drop)
    }

    async fn relinquish<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let update = self
            .update_state(&by.order_id)
            .update_expression("SET #effect.#until = :now, #version = #version + :one")
            .condition_expression("#effect.#owner = :owner")
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":now", millisecond(self.clock.now()));
        // Whether it was still ours does not matter: then it has another lease.
        self.write_state(update).await.map(drop)
    }

    async fn refuse<E: Effect>(&self, by: &Invocation, said: &str) -> Result<(), StoreError> {
        self.note_refusal::<E>(by, said).await
    }

    async fn settle<E: Effect>(
        &self,
        by: &Invocation,
        outcome: E::Outcome,
        event: &AuditEvent,
    ) -> Result<(), StoreError> {
        self.commit_settled::<E>(by, outcome, event).await
    }

    async fn give_back<E: Effect>(&self, by: &Invocation) -> Result<(), StoreError> {
        let update = self
            .update_state(&by.order_id)
            .update_expression(
                "SET #effect.#until = #effect.#tried_until, #version = #version + :one",
            )
            .condition_expression(
                "#effect.#owner = :owner AND attribute_exists(#effect.#tried_until)",
            )
            .expression_attribute_names("#effect", E::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_names("#until", "until")
            .expression_attribute_names("#tried_until", "tried_until")
            .expression_attribute_values(":owner", text(&by.owner));
        // As with relinquishing: somebody else's is left alone.
        self.write_state(update).await.map(drop)
    }

    async fn note_label(
        &self,
        order_id: &OrderId,
        attempt: u32,
        label: &Label,
    ) -> Result<(), StoreError> {
        self.keep_label(order_id, attempt, label).await
    }

    async fn replace_hold(
        &self,
        by: &Invocation,
        lapsed: &str,
        renewed: &Authorization,
    ) -> Result<(), StoreError> {
        let entry = Entry::Done {
            outcome: renewed.clone(),
            at: self.clock.now(),
        };
        let update = self
            .update_state(&by.order_id)
            .update_expression("SET #authorize = :renewed, #version = #version + :one")
            .condition_expression(
                "#capture.#owner = :owner AND #authorize.#outcome.#held.payment = :lapsed",
            )
            .expression_attribute_names("#authorize", Authorize::NAME)
            .expression_attribute_names("#outcome", "outcome")
            .expression_attribute_names("#held", "held")
            .expression_attribute_names("#capture", Capture::NAME)
            .expression_attribute_names("#owner", "owner")
            .expression_attribute_values(":owner", text(&by.owner))
            .expression_attribute_values(":lapsed", text(lapsed))
            .expression_attribute_values(":renewed", value(entry)?);
        match self.write_state(update).await? {
            Written::Yes(_) => Ok(()),
            Written::No(None) => Err(StoreError::NotFound(by.order_id.clone())),
            // The answer to the same write was lost.
            Written::No(Some(old))
                if old.authorize.as_ref().and_then(Entry::outcome) == Some(renewed) =>
            {
                Ok(())
            }
            Written::No(Some(_)) => Err(overtaken(Capture::NAME)),
        }
    }

    async fn begin_reversal(
        &self,
        by: &Invocation,
        failure: Failure,
    ) -> Result<Claimed<Unbooking>, StoreError> {
        let written = match self.note_failure(by, &failure, false).await? {
            Written::No(Some(old)) if old.cancel.is_some() && old.failure.is_none() => {
                let cancelled = failure.after_cancellation();
                self.note_failure(by, &cancelled, true).await?
            }
            written => written,
        };
        self.claimed::<Unbook>(by, written).await
    }

    async fn request_cancel(
        &self,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Cancellation, StoreError> {
        let update = self
            .update_state(order_id)
            .update_expression("SET #cancel = :cancel, #version = #version + :one")
            .condition_expression(
                "attribute_exists(order_id) AND attribute_not_exists(#cancel) AND \
                 attribute_not_exists(#capture) AND attribute_not_exists(#failure)",
            )
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_names("#capture", "capture")
            .expression_attribute_names("#failure", "failure")
            .expression_attribute_values(":cancel", value(domain::CancelRequest { at: now })?);
        let state = match self.write_state(update).await? {
            Written::Yes(state) => state,
            Written::No(None) => return Err(StoreError::NotFound(order_id.clone())),
            Written::No(Some(old)) => match old.cancellable() {
                Ok(()) => old,
                Err(reason) => return Ok(Cancellation::Refused(reason)),
            },
        };
        let review = if state.stage == Stage::InReview && state.failure.is_none() {
            self.review_token(order_id).await?
        } else {
            None
        };
        Ok(Cancellation::Requested { review })
    }

    async fn open_review(
        &self,
        by: &Invocation,
        token: &str,
    ) -> Result<Result<(), OrderState>, StoreError> {
        // Together with the check: a cancellation either finds the token or is found here.
        let check = ConditionCheck::builder()
            .table_name(&self.orders_table)
            .set_key(Some(item::key(&by.order_id, item::STATE)))
            .condition_expression(
                "attempt = :attempt AND #stage = :in_review AND \
                 attribute_not_exists(#review.#decision) AND attribute_not_exists(#cancel) AND \
                 attribute_not_exists(#failure)",
            )
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_names("#failure", "failure")
            .expression_attribute_values(":attempt", number(by.attempt))
            .expression_attribute_names("#review", "review")
            .expression_attribute_names("#decision", "decision")
            .expression_attribute_values(":in_review", text(Stage::InReview.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| unreadable("a review"))?;
        let update = Update::builder()
            .table_name(&self.orders_table)
            .set_key(Some(item::key(&by.order_id, item::REVIEW)))
            .update_expression("SET task_token = :token, asked_at = :now")
            .expression_attribute_values(":token", text(token))
            .expression_attribute_values(":now", millisecond(by.now))
            .build()
            .map_err(|_| unreadable("a review"))?;
        let writes = vec![
            TransactWriteItem::builder().condition_check(check).build(),
            TransactWriteItem::builder().update(update).build(),
        ];
        match self.transact(writes).await? {
            Ok(()) => Ok(Ok(())),
            Err(reasons) => match reasons.first().map(state_of).transpose()?.flatten() {
                Some(old) => Ok(Err(old)),
                None => Err(StoreError::NotFound(by.order_id.clone())),
            },
        }
    }

    async fn decide_review(
        &self,
        order_id: &OrderId,
        decision: Decision,
        event: &AuditEvent,
    ) -> Result<Decided, StoreError> {
        let mut set = "SET #review.#decision = :decision, #review.#decided_at = :at, #version = \
            #version + :one"
            .to_owned();
        let mut update = Update::builder();
        if decision == Decision::Approved {
            set += ", #stage = :validated, validated_at = :at";
            update =
                update.expression_attribute_values(":validated", text(Stage::Validated.as_str()));
        }
        let update = update
            .table_name(&self.orders_table)
            .set_key(Some(item::key(order_id, item::STATE)))
            .update_expression(set)
            .condition_expression(
                "#stage = :in_review AND attribute_not_exists(#review.#decision) AND \
                 attribute_not_exists(#cancel) AND attribute_not_exists(#failure)",
            )
            .expression_attribute_names("#review", "review")
            .expression_attribute_names("#decision", "decision")
            .expression_attribute_names("#decided_at", "decided_at")
            .expression_attribute_names("#stage", "stage")
            .expression_attribute_names("#cancel", "cancel")
            .expression_attribute_names("#failure", "failure")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":decision", value(decision)?)
            .expression_attribute_values(":at", millisecond(event.at))
            .expression_attribute_values(":in_review", text(Stage::InReview.as_str()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| unreadable("a decision"))?;
        let put = Put::builder()
            .table_name(&self.orders_table)
            .set_item(Some(item::of_audit(order_id, event)?))
            .build()
            .map_err(|_| unreadable("a decision"))?;
        let writes = vec![
            TransactWriteItem::builder().update(update).build(),
            TransactWriteItem::builder().put(put).build(),
        ];
        let Err(reasons) = self.transact(writes).await? else {
            return self.decided(order_id).await;
        };
        let Some(old) = reasons.first().map(state_of).transpose()?.flatten() else {
            return Err(StoreError::NotFound(order_id.clone()));
        };
        let decided = old.review.as_ref().and_then(|review| review.decision);
        let waits =
            old.failure.is_none() && matches!(old.stage, Stage::InReview | Stage::Validated);
        if decided == Some(decision) && waits && old.cancel.is_none() {
            // On record already, but the execution may not have been woken.
            return self.decided(order_id).await;
        }
        let reason = match decided {
            Some(Decision::Approved) => "the order was approved before".to_owned(),
            Some(Decision::Rejected) => "the order was rejected before".to_owned(),
            None if old.cancel.is_some() => "the order was cancelled".to_owned(),
            None => format!(
                "the order is {} and does not wait for a review",
                old.stage.as_str()
            ),
        };
        Ok(Decided::Refused(reason))
    }
}
