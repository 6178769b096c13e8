//! What the outside sees of an order. Derived from the ledger and its execution, never stored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::advice::Trouble;
use crate::ledger::{Authorization, Booking, CaptureResult, Entry, Reversal, Unbooking};
use crate::ports::{MONITOR, Record};
use crate::{Class, Currency, ErrorName, OrderState, Stage};

/// Where an order stands, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "the words are the design's; see Status::of for their rules"
)]
pub enum Status {
    Received,
    Validated,
    InReview,
    Authorized,
    Shipped,
    Completed,
    Rejected,
    Cancelled,
    Failed,
    NeedsAttention,
}

/// Where an execution stands, as Step Functions says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "Step Functions' own words")]
pub enum ExecutionStatus {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
    PendingRedrive,
    /// There is none: the order waits to be started.
    NotStarted,
}

impl ExecutionStatus {
    /// Whether the execution has ended, well or not.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted => true,
            Self::Running | Self::PendingRedrive | Self::NotStarted => false,
        }
    }
}

impl Status {
    /// Every status, the one that asks for a person first and those that are for good last.
    pub const ALL: [Self; 10] = [
        Self::NeedsAttention,
        Self::InReview,
        Self::Received,
        Self::Validated,
        Self::Authorized,
        Self::Shipped,
        Self::Failed,
        Self::Rejected,
        Self::Cancelled,
        Self::Completed,
    ];

    /// Whether an order stays like that: its records are by the day, not among the open ones.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Completed | Self::Rejected | Self::Cancelled | Self::Failed => true,
            Self::Received
            | Self::Validated
            | Self::InReview
            | Self::Authorized
            | Self::Shipped
            | Self::NeedsAttention => false,
        }
    }

    /// The word that the outside knows it by.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Validated => "validated",
            Self::InReview => "in_review",
            Self::Authorized => "authorized",
            Self::Shipped => "shipped",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::NeedsAttention => "needs_attention",
        }
    }

    /// The status of an order from its ledger and its execution.
    ///
    /// An execution that ended while the ledger is not closed needs a person, but for one case:
    /// an order that is paid and shipped is complete even if its message could not be sent.
    #[must_use]
    pub fn of(state: &OrderState, execution: ExecutionStatus) -> Self {
        match state.stage {
            Stage::Completed => Self::Completed,
            Stage::Rejected => Self::Rejected,
            Stage::Cancelled => Self::Cancelled,
            Stage::Failed => Self::Failed,
            Stage::Captured if execution == ExecutionStatus::Succeeded => Self::Completed,
            // Step Functions forgets an execution 90 days after its end.
            Stage::Captured if execution == ExecutionStatus::NotStarted => Self::Completed,
            Stage::Received if execution == ExecutionStatus::NotStarted => Self::Received,
            _ if execution == ExecutionStatus::NotStarted => Self::NeedsAttention,
            _ if execution.has_ended() => Self::NeedsAttention,
            Stage::Received => Self::Received,
            Stage::InReview => Self::InReview,
            Stage::Validated => Self::Validated,
            Stage::Authorized => Self::Authorized,
            Stage::Shipped | Stage::Captured => Self::Shipped,
        }
    }
}

/// The money of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentView {
    /// `none`, `unknown`, `authorized`, `captured`, `voided`, `refunded` or `declined`.
    pub status: String,
    /// Minor units that are or were held.
    pub authorized: u64,
    /// Minor units that were taken.
    pub captured: u64,
    /// Minor units that went back.
    pub refunded: u64,
    /// Their currency.
    pub currency: Currency,
}

/// The goods of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipmentView {
    /// `none`, `unknown`, `booked`, `in_transit`, `delivered` or `cancelled`.
    pub status: String,
    /// Who carries them.
    pub carrier: Option<String>,
    /// What the customer can follow.
    pub tracking_number: Option<String>,
}

/// The message to the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationView {
    /// `none`, `unknown`, `sent` or `failed`.
    pub status: String,
}

/// The execution that processes an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowView {
    /// As Step Functions says.
    pub status: ExecutionStatus,
    /// Its ARN.
    pub execution_arn: String,
    /// The attempt of the order that it works for.
    pub attempt: u32,
}

/// Why an order did not come about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureView {
    /// The catalogue's name.
    pub error: ErrorName,
    /// Who can mend it.
    pub class: Class,
    /// What to do.
    pub recommended_action: String,
}

/// Something that happened to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// In which step.
    pub step: String,
    /// What.
    pub event: String,
    /// More of it, without personal data.
    pub detail: Option<String>,
}

/// The answer to `GET /orders/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusView {
    /// The caller's name for the order.
    pub order_id: String,
    /// Where it stands.
    pub status: Status,
    /// Its money.
    pub payment: PaymentView,
    /// Its goods.
    pub shipment: ShipmentView,
    /// Its message.
    pub notification: NotificationView,
    /// Its execution.
    pub workflow: WorkflowView,
    /// Why it did not come about, if it did not.
    pub failure: Option<FailureView>,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineEntry>,
}

impl StatusView {
    /// What the outside sees of an order now.
    #[must_use]
    pub fn of(
        record: &Record,
        execution: ExecutionStatus,
        execution_arn: String,
        now: Timestamp,
    ) -> Self {
        let state = &record.state;
        Self {
            order_id: state.order_id.to_string(),
            status: Status::of(state, execution),
            payment: payment(state, now),
            shipment: shipment(state, now),
            notification: notification(state, execution, now),
            workflow: WorkflowView {
                status: execution,
                execution_arn,
                attempt: state.attempt,
            },
            failure: failure(state, execution),
            timeline: timeline(record),
        }
    }
}

fn failure(state: &OrderState, execution: ExecutionStatus) -> Option<FailureView> {
    let needs_attention = Status::of(state, execution) == Status::NeedsAttention;
    let error = match &state.failure {
        Some(failure) => failure.error,
        None if needs_attention => ErrorName::Internal,
        None => return None,
    };
    let advice = if needs_attention {
        Trouble::Unfinished.advice()
    } else {
        error.advice()
    };
    Some(FailureView {
        error,
        class: error.class(),
        recommended_action: advice.recommended_action.to_owned(),
    })
}

/// Whether an entry is open and nobody can be at work on it any more.
fn unknown<T>(entry: Option<&Entry<T>>, now: Timestamp) -> bool {
    matches!(entry, Some(Entry::Open(claim)) if claim.until <= now)
}

fn done<T>(entry: Option<&Entry<T>>) -> Option<&T> {
    entry.and_then(Entry::outcome)
}

pub(crate) fn payment(state: &OrderState, now: Timestamp) -> PaymentView {
    let held = matches!(
        done(state.authorize.as_ref()),
        Some(Authorization::Held { .. })
    );
    let declined = matches!(
        done(state.authorize.as_ref()),
        Some(Authorization::Declined { .. })
    );
    let captured = match done(state.capture.as_ref()) {
        Some(CaptureResult::Taken { amount }) => *amount,
        Some(CaptureResult::Refused { .. }) | None => 0,
    };
    let reversal = done(state.reverse.as_ref());
    let refunded = match reversal {
        Some(Reversal::Refunded { amount, .. }) => *amount,
        Some(Reversal::Nothing | Reversal::Voided) | None => 0,
    };
    let unknown = unknown(state.reverse.as_ref(), now)
        || (reversal.is_none()
            && (unknown(state.authorize.as_ref(), now) || unknown(state.capture.as_ref(), now)));
    let status = match reversal {
        _ if unknown => "unknown",
        Some(Reversal::Refunded { .. }) => "refunded",
        Some(Reversal::Voided) => "voided",
        Some(Reversal::Nothing) | None if declined => "declined",
        Some(Reversal::Nothing) => "none",
        None if captured > 0 => "captured",
        None if held => "authorized",
        None => "none",
    };
    PaymentView {
        status: status.to_owned(),
        authorized: if held { state.total.minor() } else { 0 },
        captured,
        refunded,
        currency: state.total.currency(),
    }
}

pub(crate) fn shipment(state: &OrderState, now: Timestamp) -> ShipmentView {
    let booked = match done(state.book.as_ref()) {
        Some(Booking::Booked {
            carrier, tracking, ..
        }) => Some((carrier.clone(), tracking.clone())),
        Some(Booking::Refused { .. }) | None => None,
    };
    let undone = done(state.unbook.as_ref());
    let status = match undone {
        _ if state.book.is_some() && unknown(state.unbook.as_ref(), now) => "unknown",
        None if unknown(state.book.as_ref(), now) => "unknown",
        Some(Unbooking::Cancelled) => "cancelled",
        Some(Unbooking::Nothing) => "none",
        None if booked.is_some() => "booked",
        None => "none",
    };
    let (carrier, tracking_number) = booked.unzip();
    ShipmentView {
        status: status.to_owned(),
        carrier,
        tracking_number,
    }
}

fn notification(
    state: &OrderState,
    execution: ExecutionStatus,
    now: Timestamp,
) -> NotificationView {
    let entry = if state.failure.is_some() {
        state.notify_failure.as_ref()
    } else {
        state.notify.as_ref()
    };
    let status = match entry {
        Some(Entry::Done { .. }) => "sent",
        Some(Entry::Open(_)) | None if state.waived_at.is_some() => "failed",
        // Nobody will try again by itself.
        Some(Entry::Open(_)) | None if execution.has_ended() => "failed",
        Some(Entry::Open(_)) if unknown(entry, now) => "unknown",
        Some(Entry::Open(_)) | None => "none",
    };
    NotificationView {
        status: status.to_owned(),
    }
}

fn timeline(record: &Record) -> Vec<TimelineEntry> {
    let mut timeline = Timeline(Vec::new());
    for attempt in &record.earlier {
        timeline.attempt(attempt);
    }
    timeline.attempt(&record.state);
    for event in &record.events {
        let detail = format!("{}: {}", event.by, event.reason);
        let step = if event.by == MONITOR {
            "monitor"
        } else {
            "operator"
        };
        timeline.add(event.at, step, &event.event, Some(detail));
    }
    timeline.0.sort_by_key(|entry| entry.at);
    timeline.0
}

struct Timeline(Vec<TimelineEntry>);

impl Timeline {
    fn attempt(&mut self, state: &OrderState) {
        let timeline = self;
        if state.attempt == 1 {
            timeline.add(state.received_at, "intake", "received", None);
        }
        if let Some(review) = &state.review {
            timeline.add(review.since, "validate", "review_requested", None);
        }
        if let Some(at) = state.validated_at {
            timeline.add(at, "validate", "validated", None);
        }
        timeline.entry(
            "charge",
            "authorize",
            state.authorize.as_ref(),
            |outcome| match outcome {
                Authorization::Held { payment } => ("authorized", Some(payment.clone())),
                Authorization::Declined { code } => ("declined", Some(code.clone())),
            },
        );
        timeline.entry(
            "ship",
            "book",
            state.book.as_ref(),
            |outcome| match outcome {
                Booking::Booked { tracking, .. } => ("booked", Some(tracking.clone())),
                Booking::Refused { code } => ("refused", Some(code.clone())),
            },
        );
        timeline.entry(
            "charge",
            "capture",
            state.capture.as_ref(),
            |outcome| match outcome {
                CaptureResult::Taken { amount } => ("captured", Some(amount.to_string())),
                CaptureResult::Refused { code } => ("capture_refused", Some(code.clone())),
            },
        );
        timeline.entry("notify", "notify", state.notify.as_ref(), |_| {
            ("customer_notified", None)
        });
        if let Some(cancel) = &state.cancel {
            timeline.add(cancel.at, "intake", "cancel_requested", None);
        }
        if let Some(failure) = &state.failure {
            let detail = format!("{}: {}", failure.error, failure.message);
            timeline.add(failure.at, "workflow", "reversing", Some(detail));
        }
        timeline.entry(
            "ship",
            "unbook",
            state.unbook.as_ref(),
            |outcome| match outcome {
                Unbooking::Cancelled => ("shipment_cancelled", None),
                Unbooking::Nothing => ("no_shipment_to_cancel", None),
            },
        );
        timeline.entry(
            "charge",
            "reverse",
            state.reverse.as_ref(),
            |outcome| match outcome {
                Reversal::Nothing => ("no_payment_to_reverse", None),
                Reversal::Voided => ("voided", None),
                Reversal::Refunded { refund, .. } => ("refunded", Some(refund.clone())),
            },
        );
        timeline.entry(
            "notify",
            "notify_failure",
            state.notify_failure.as_ref(),
            |_| ("customer_notified", None),
        );
        if let Some(at) = state.closed_at {
            timeline.add(at, "workflow", state.stage.as_str(), None);
        }
        if let Some(at) = state.waived_at {
            timeline.add(at, "notify", "message_waived", None);
        }
    }

    fn add(&mut self, at: Timestamp, step: &str, event: &str, detail: Option<String>) {
        self.0.push(TimelineEntry {
            at,
            step: step.to_owned(),
            event: event.to_owned(),
            detail,
        });
    }

    fn entry<T>(
        &mut self,
        step: &str,
        effect: &str,
        entry: Option<&Entry<T>>,
        tell: impl FnOnce(&T) -> (&'static str, Option<String>),
    ) {
        match entry {
            None => {}
            Some(Entry::Open(claim)) => {
                self.add(claim.since, step, &format!("{effect}_started"), None);
            }
            Some(Entry::Done { outcome, at }) => {
                let (event, detail) = tell(outcome);
                self.add(*at, step, event, detail);
            }
        }
    }
}
