#![doc = include_str!("../README.md")]

mod address;
pub mod aftermath;
mod audit;
pub mod books;
mod catalogue;
mod changes;
mod clock;
mod entry;
mod error;
mod event;
mod execution;
mod fields;
#[cfg(test)]
mod fixtures;
mod history;
mod ids;
mod label;
pub mod ledger;
mod money;
mod order;
mod parcel;
mod payment;
pub mod ports;
mod settlement;
mod stage;
mod state;
mod status;
pub mod view;
mod violation;
mod words;

pub use audit::{Actor, Again, AuditEvent};
pub use catalogue::{
    Article, Country, Customs, Dimensions, Goods, HsCode, InvalidCountry, InvalidHsCode,
};
pub use changes::{Changes, Modifiable};
pub use clock::Clock;
pub use error::{
    ASK_FIRST, Class, ErrorName, LeadsTo, NEEDS_ATTENTION, SETTLE, StepError, TaskError,
    UnknownErrorName,
};
pub use event::{Event, Origin};
pub use execution::{Execution, ExecutionStatus};
pub use history::{FailedTry, HistoryEvent};
pub use ids::{CustomerId, InvalidId, OrderId, Sku};
pub use jiff::Timestamp;
pub use label::{Label, LabelledParcel};
pub use money::{Currency, InvalidMoney, Money, Quantity, Sums};
pub use order::{Address, Fingerprint, Line, Order, PersonalData, Submission};
pub use parcel::{Contents, Packing, Parcel, Parcels, Unshippable};
pub use payment::{PaymentMeans, PaymentToken};
pub use settlement::Settlement;
pub use stage::Stage;
pub use state::{CancelRequest, Decision, Failure, OrderState, Replaced, Restart, Review};
pub use status::{NotificationStatus, PaymentStatus, ShipmentStatus, Status};
pub use view::{
    Discrepancy, FailureView, NotificationView, PaymentView, ShipmentView, StatusView,
    TimelineEntry, WorkflowView,
};
pub use violation::Violation;
