//! Faults that a test plants. Each is used up by the calls that it hits and leaves a line in the
//! ledger when it does, so that a test can assert that its fault fired.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A planted delay longer than this outlives every caller of ours.
const LONGEST_DELAY_MS: u64 = 15 * 60 * 1000;

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    Payment,
    Carrier,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Authorize,
    Capture,
    Void,
    Refund,
    /// A shipment is made or updated, before there is a label for it.
    Prepare,
    /// An address is looked up; it has no order.
    Validate,
    /// A label is bought.
    Book,
    Cancel,
    /// Every GET: by id, by our own id, search and lists.
    Find,
}

impl Operation {
    fn belongs_to(self, provider: Provider) -> bool {
        match self {
            Self::Authorize | Self::Capture | Self::Void | Self::Refund => {
                provider == Provider::Payment
            }
            Self::Prepare | Self::Validate | Self::Book | Self::Cancel => {
                provider == Provider::Carrier
            }
            Self::Find => true,
        }
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    /// Answers `status` in the provider's own error shape; no effect.
    Error,
    /// Resets the connection; no effect.
    Refuse,
    /// The effect happens and is stored under its key; then the connection is reset.
    LoseResponse,
    /// Waits, then behaves normally, even for a caller that has hung up meanwhile.
    Delay,
    /// The same of a call that acts, by the name of what it comes to: the effect happens after
    /// `delay_ms`, and until then nobody finds it.
    Late,
    /// The provider's business no: card declined, authorisation lapsed at capture, charge disputed
    /// at refund, address refused or not found, void not approved. For `find`: not found yet, as Stripe's search
    /// index answers for up to a minute after a write (<https://docs.stripe.com/search>).
    Decline,
    /// Only of an authorisation: the bank asks the customer something, 3-D Secure.
    Challenge,
    /// Only of a `find`: what was made in the last `delay_ms` is not found.
    Hide,
    /// A refund is accepted and stays pending, or a payment is being processed, until `/_sandbox/settle` says
    /// what came of it.
    Pending,
    /// A refund is accepted, which the answer calls pending, and has failed when it is next looked at
    /// (<https://docs.stripe.com/refunds#failed-refunds>).
    Fail,
    /// A label that was used: its void is refused for good, each time, until that is lifted with
    /// `"times": 0`.
    RefuseForGood,
}

/// What a test asks for.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) provider: Provider,
    pub(crate) operation: Operation,
    /// The order it is for, or `*`.
    pub(crate) order_id: String,
    pub(crate) mode: Mode,
    /// Of an `error`.
    #[serde(default = "unavailable")]
    pub(crate) status: u16,
    /// Of an `error`: what the error object says, such as `{"code": "lock_timeout"}` of a payment or
    /// `{"error_code": "insufficient_funds"}` of the carrier, instead of what is usual for the status.
    /// <https://docs.stripe.com/api/errors>,
    /// <https://docs.shipstation.com/apis/shipengine/docs/reference/errors-codes>
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Map<String, Value>>,
    /// How long the answer (or its absence) takes.
    #[serde(default)]
    pub(crate) delay_ms: u64,
    /// How many calls it hits. With 0 it lifts what was planted for the same operation and order.
    #[serde(default = "once")]
    pub(crate) times: u32,
    /// An `error` is kept under its idempotency key and answers every later call with that key, as
    /// Stripe does with a 500 (<https://docs.stripe.com/api/idempotent_requests>).
    #[serde(default)]
    pub(crate) stored: bool,
}

fn unavailable() -> u16 {
    503
}

fn once() -> u32 {
    1
}

impl Fault {
    /// The first thing that makes no sense, in words for whoever planted it.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !self.operation.belongs_to(self.provider) {
            return Err(
                "operation: this provider has no such operation; payment has authorize, capture, \
                 void, refund, find; carrier has validate, prepare, book, cancel, find"
                    .to_owned(),
            );
        }
        if self.order_id.is_empty() {
            return Err("order_id: give an order's id, or * for every order".to_owned());
        }
        if !(400..=599).contains(&self.status) {
            return Err(format!("status: {} is not from 400 to 599", self.status));
        }
        if self.delay_ms > LONGEST_DELAY_MS {
            return Err(format!("delay_ms: at most {LONGEST_DELAY_MS}"));
        }
        if self.mode == Mode::RefuseForGood && self.operation != Operation::Cancel {
            return Err("mode: only a cancellation can be refused for good".to_owned());
        }
        if self.stored && self.mode != Mode::Error {
            return Err("stored: only an error can be stored".to_owned());
        }
        if self.mode == Mode::Fail && self.operation != Operation::Refund {
            return Err("mode: only a refund can fail later".to_owned());
        }
        let may_take_its_time = [Operation::Authorize, Operation::Refund];
        if self.mode == Mode::Pending && !may_take_its_time.contains(&self.operation) {
            return Err("mode: only a refund or an authorisation can stay pending".to_owned());
        }
        let finds = self.operation == Operation::Find;
        if self.mode == Mode::Challenge && self.operation != Operation::Authorize {
            return Err("mode: only an authorisation can be challenged".to_owned());
        }
        if self.mode == Mode::Hide && !finds {
            return Err("mode: only what is asked for can be hidden: operation find".to_owned());
        }
        if self.mode == Mode::Late && finds {
            return Err("mode: only what acts can be late, not a find".to_owned());
        }
        if self.error.is_some() && self.mode != Mode::Error {
            return Err("error: only an error can be worded".to_owned());
        }
        if self.stored && self.provider == Provider::Carrier {
            return Err("stored: the carrier has no idempotency keys".to_owned());
        }
        Ok(())
    }

    /// The rest of them happens on the way, to a stored answer as to a new one. What the provider
    /// itself decides, it has already decided when an answer is stored.
    fn is_decided_by_the_provider(&self) -> bool {
        let decides = match self.mode {
            Mode::Decline
            | Mode::Challenge
            | Mode::Late
            | Mode::Pending
            | Mode::Fail
            | Mode::RefuseForGood => true,
            Mode::Error | Mode::Refuse | Mode::LoseResponse | Mode::Delay | Mode::Hide => false,
        };
        decides || self.stored
    }

    fn hits(&self, call: &Target, replayed: bool) -> bool {
        self.provider == call.provider
            && self.operation == call.operation
            && (self.order_id == "*" || call.order_id.as_ref() == Some(&self.order_id))
            && !(replayed && self.is_decided_by_the_provider())
    }
}

/// Whom a call concerns, which is what faults are matched by.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) provider: Provider,
    pub(crate) operation: Operation,
    pub(crate) order_id: Option<String>,
    /// The idempotency key, or the carrier's `external_shipment_id`.
    pub(crate) key: Option<String>,
}

/// One call that was hit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fired {
    pub(crate) fault_id: u64,
    pub(crate) provider: Provider,
    pub(crate) operation: Operation,
    pub(crate) mode: Mode,
    pub(crate) order_id: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) at: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct Faults {
    planted: Vec<Planted>,
    last_id: u64,
}

/// A fault with what is left of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Planted {
    id: u64,
    #[serde(flatten)]
    fault: Fault,
    remaining: u32,
}

impl Faults {
    pub(crate) fn plant(&mut self, fault: Fault) -> Planted {
        if fault.times == 0 {
            let same = |known: &Fault| {
                (known.provider, known.operation, &known.order_id)
                    == (fault.provider, fault.operation, &fault.order_id)
            };
            self.planted.retain(|planted| !same(&planted.fault));
        }
        self.last_id += 1;
        let planted = Planted {
            id: self.last_id,
            remaining: fault.times,
            fault,
        };
        self.planted.push(planted.clone());
        planted
    }

    /// The first planted fault that hits, used up by one.
    pub(crate) fn take(&mut self, target: &Target, replayed: bool) -> Option<(Fault, Fired)> {
        let planted = self
            .planted
            .iter_mut()
            .find(|planted| planted.remaining > 0 && planted.fault.hits(target, replayed))?;
        // What was used stays so.
        if planted.fault.mode != Mode::RefuseForGood {
            planted.remaining -= 1;
        }
        let fired = Fired {
            fault_id: planted.id,
            provider: target.provider,
            operation: target.operation,
            mode: planted.fault.mode,
            order_id: target.order_id.clone(),
            key: target.key.clone(),
            at: Timestamp::now(),
        };
        Some((planted.fault.clone(), fired))
    }
}
