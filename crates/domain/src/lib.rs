#![doc = include_str!("../README.md")]

pub mod advice;
pub mod board;
pub mod bulk;
mod error;
#[cfg(test)]
mod fixtures;
mod ids;
pub mod ledger;
mod money;
mod order;
pub mod ports;
mod reader;
mod state;
pub mod trend;
mod view;
pub mod watch;

pub use error::{Class, ErrorName, LeadsTo, StepError, UnknownErrorName};
pub use ids::{CustomerId, InvalidId, OrderId, Sku};
pub use jiff::Timestamp;
pub use money::{Currency, InvalidMoney, Money, Quantity};
pub use order::{Address, Fingerprint, Line, Order, PersonalData, Submission, Violation};
pub use state::{CancelRequest, Decision, Failure, OrderState, Review, Stage};
pub use view::{
    ExecutionStatus, FailureView, NotificationView, PaymentView, ShipmentView, Status, StatusView,
    TimelineEntry, WorkflowView,
};
