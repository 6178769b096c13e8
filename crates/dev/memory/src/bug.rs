//! What can be planted in a world, to see that it is found.

/// A rule that is broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    /// A commit does not look whose the claim is.
    CommitByAnybody,
    /// An effect is claimed whatever the ledger holds of it.
    ClaimOverClaim,
    /// A claim is withdrawn without looking whose it is, and whether anything came of it.
    WithdrawByAnybody,
    /// A claim does not look whether the order was cancelled.
    ClaimDespiteCancel,
    /// A claim does not look whether the order is being reversed.
    ClaimDespiteFailure,
    /// A cancellation does not look whether the capture was claimed.
    CancelDespiteCapture,
    /// A claim whose outcome is unknown is withdrawn as if nothing had been done.
    UnknownIsForgotten,
    /// A claim that is taken over looks like a fresh one.
    TakeOverLooksFresh,
    /// Whoever commits does not look whether the order was closed meanwhile.
    CommitAfterClose,
    /// A new attempt is written over whatever the order has come to since it was read.
    AttemptOverNews,
    /// Stock is reserved without looking whether it was.
    ReservedTwice,
    /// Stock is released without looking whether it was.
    ReleasedTwice,
    /// The payment provider knows no idempotency keys.
    NoKeys,
    /// The payment provider's search does not show what was made a moment ago, and says that is all.
    StaleSearch,
    /// The payment provider says that it has given money back, and has not.
    RefundForShow,
    /// The carrier's list does not show what was made a moment ago, and says that is all.
    StaleList,
    /// The payment provider says that it has let go, and has not.
    VoidForShow,
    /// The step believes at once that a label that the carrier does not know was never bought.
    Impatient,
    /// The carrier says that a label is void, and it is not.
    UnbookForShow,
    /// Whoever notes a failure forgets that the order was cancelled meanwhile.
    CancellationForgotten,
    /// The state machine leaves out the undo of the payment, and whoever closes the order does not look.
    ReversePaymentSkipped,
    /// The state machine leaves out the undo of the stock.
    ReleaseStockSkipped,
    /// The state machine takes an undo that failed for one that was done.
    UndoCaught,
    /// Ledger and state machine go past the review of an order that a person has to look at.
    ReviewSkipped,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::CommitByAnybody,
        Self::ClaimOverClaim,
        Self::WithdrawByAnybody,
        Self::ClaimDespiteCancel,
        Self::ClaimDespiteFailure,
        Self::CancelDespiteCapture,
        Self::UnknownIsForgotten,
        Self::TakeOverLooksFresh,
        Self::CommitAfterClose,
        Self::AttemptOverNews,
        Self::ReservedTwice,
        Self::ReleasedTwice,
        Self::NoKeys,
        Self::StaleSearch,
        Self::RefundForShow,
        Self::StaleList,
        Self::VoidForShow,
        Self::Impatient,
        Self::UnbookForShow,
        Self::CancellationForgotten,
        Self::ReversePaymentSkipped,
        Self::ReleaseStockSkipped,
        Self::UndoCaught,
        Self::ReviewSkipped,
    ];
}
