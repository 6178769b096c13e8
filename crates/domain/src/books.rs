//! What the providers' books hold of us, and whether an order's ledger accounts for it.
//!
//! A posting that no ledger accounts for is an **orphan**: money or goods that nobody is going to do anything
//! about.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ledger::{Booking, Entry, Reversal, Unbooking};
use crate::ports::Record;
use crate::words;
use crate::{Money, OrderId, OrderState, PaymentMeans};

words! {
    /// What a posting is, and so whose books it is in.
    pub enum PostingKind {
        /// A payment, in the payment provider's.
        Payment = "payment",
        /// A label, in the carrier's.
        Label = "label",
    }
}

/// What stands of a posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stands {
    /// Nothing: it was refused, let go of, or given back.
    Nothing,
    /// So much of a customer's money is held.
    Held(Money),
    /// So much of a customer's money is ours.
    Kept(Money),
    /// The label can be used, or may have been.
    Live,
}

impl Stands {
    /// Whether anything does.
    #[must_use]
    pub const fn is_something(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Held(_) | Self::Kept(_) | Self::Live => true,
        }
    }
}

/// As the middle of a sentence: `30.98 USD held`.
impl fmt::Display for Stands {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => out.write_str("nothing"),
            Self::Held(money) => write!(out, "{money} held"),
            Self::Kept(money) => write!(out, "{money} captured"),
            Self::Live => out.write_str("a live label"),
        }
    }
}

/// Something that a provider's books hold of this environment. Nothing in it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What it is.
    pub kind: PostingKind,
    /// The provider's reference: `pi_…`, `se-…`.
    pub reference: String,
    /// Whose it says it is. `None` if it does not say.
    pub order_id: Option<OrderId>,
    /// How much was held or captured, whatever was given back since. `None` if no money is about it.
    pub amount: Option<Money>,
    /// What stands of it. In a list what was given back of a payment does not count yet.
    pub stands: Stands,
    /// When it was made.
    pub made_at: Timestamp,
}

/// A page of a provider's books.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookPage {
    /// This environment's postings, in the provider's order.
    pub postings: Vec<Posting>,
    /// The references of this environment's postings that this version cannot read.
    pub unreadable: Vec<String>,
    /// What the next page is asked for by. `None` after the last one.
    pub next: Option<String>,
}

/// What became of refunds: a page of those that were made in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundPage {
    /// Payments of this environment of which a refund has not given anything back: it failed, was cancelled or is
    /// on its way. What came of the others is not said.
    pub in_question: Vec<String>,
    /// What the next page is asked for by. `None` after the last one.
    pub next: Option<String>,
}

/// Whose a payment is, as its metadata at the provider say, which others on the same account write, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named {
    /// Whether they name an order, if only in a way that is none of ours.
    pub an_order: bool,
    /// Whether they have an attempt, which nobody but we write.
    pub an_attempt: bool,
}

words! {
    /// How a dispute stands.
    pub enum Standing {
        /// The bank has not decided.
        Open = "open",
        /// It has decided for us, or there is nothing to decide any more: the money is ours.
        Won = "won",
        /// It has decided for the customer: the money is theirs.
        Lost = "lost",
    }
}

/// A payment that its customer disputes with their bank. Nothing in it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The provider's reference: `du_…`.
    pub reference: String,
    /// The payment's.
    pub payment: String,
    /// Whose the payment says it is. `None` if it does not say.
    pub order_id: Option<OrderId>,
    /// How much is disputed.
    pub amount: Money,
    /// How it stands.
    pub standing: Standing,
    /// Whether the bank only asks: it has not taken the money, and a refund usually spares us the dispute.
    #[serde(default)]
    pub is_inquiry: bool,
    /// What the customer says, in the provider's word: `fraudulent`, `product_not_received`.
    pub reason: String,
    /// When it began.
    pub opened_at: Timestamp,
    /// Until when it can be answered.
    pub answer_by: Option<Timestamp>,
}

/// A page of the disputes that began in some time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisputePage {
    /// This environment's, in the provider's order.
    pub disputes: Vec<Dispute>,
    /// The references of this environment's that this version cannot read.
    pub unreadable: Vec<String>,
    /// What the next page is asked for by. `None` after the last one.
    pub next: Option<String>,
}

/// Whether an order's ledger says that a payment went back, wholly or in part, of which more is ours: its refund has
/// failed.
#[must_use]
pub fn says_it_went_back(record: &Record, posting: &Posting) -> bool {
    let is_ours = matches!(posting.stands, Stands::Kept(_));
    let mut states = std::iter::once(&record.state).chain(&record.earlier);
    is_ours
        && !accounts_for(record, posting)
        && states.any(|state| {
            let reversal = state.reverse.as_ref().and_then(Entry::outcome);
            state.held_payment() == Some(posting.reference.as_str())
                && match reversal {
                    Some(Reversal::Refunded { .. }) => true,
                    Some(Reversal::WrittenOff { refunded, .. }) => !refunded.is_zero(),
                    _ => false,
                }
        })
}

/// Whether the ledger of an order accounts for what stands of a posting: it names it and has not undone it,
/// or somebody is at work on the effect that made it.
#[must_use]
pub fn accounts_for(record: &Record, posting: &Posting) -> bool {
    if !posting.stands.is_something() {
        return true;
    }
    on_record(record, posting).unwrap_or_else(|| {
        is_at_work(&record.state, posting.kind) || is_to_be_paid_with(record, posting)
    })
}

/// Whether an order's ledger has a posting as undone that stands: the order does not go on with it, however open it is.
#[must_use]
pub fn has_undone(record: &Record, posting: &Posting) -> bool {
    on_record(record, posting) == Some(false)
}

/// Whether what stands of a posting may stand, by the attempt that names it. `None` if none does.
fn on_record(record: &Record, posting: &Posting) -> Option<bool> {
    // The latest attempt that names it decides: it goes on with what those before it did.
    let states = std::iter::once(&record.state).chain(record.earlier.iter().rev());
    let mut named = states.filter_map(|state| match posting.kind {
        PostingKind::Payment => payment(state, posting),
        PostingKind::Label => label(state, &posting.reference),
    });
    named.next()
}

/// Whether the order is paid with this payment, which the shop's checkout has made, and has not come to it yet.
fn is_to_be_paid_with(record: &Record, posting: &Posting) -> bool {
    let means = record.personal.as_ref().map(|personal| &personal.payment);
    let names_it = match means {
        Some(PaymentMeans::Intent { intent }) => intent.as_str() == posting.reference,
        Some(PaymentMeans::Single(_) | PaymentMeans::Saved { .. }) | None => false,
    };
    names_it && posting.kind == PostingKind::Payment && may_still_take(&record.state, posting.kind)
}

/// Whether what stands of a payment that an attempt names may stand. `None` if it does not name it.
fn payment(state: &OrderState, posting: &Posting) -> Option<bool> {
    // What was written off is what had not gone back by then.
    let is_written_off = |reversal: &Reversal| match (reversal, &posting.stands) {
        (Reversal::WrittenOff { captured, refunded }, Stands::Kept(kept)) => {
            let left = captured.minor().saturating_sub(refunded.minor());
            kept.currency() == captured.currency() && kept.minor() <= left
        }
        (reversal, _) => matches!(reversal, Reversal::WrittenOff { .. }),
    };
    // A person settled what was found of a hold that nobody heard of.
    let settled = state.reverse.as_ref().and_then(Entry::outcome);
    if is_open(state.authorize.as_ref()) && settled.is_some_and(is_written_off) {
        return Some(true);
    }
    (state.held_payment() == Some(posting.reference.as_str()))
        .then(|| may_stand(state.reverse.as_ref(), is_written_off))
}

/// The same for a label.
fn label(state: &OrderState, reference: &str) -> Option<bool> {
    let is_written_off = |unbooking: &Unbooking| *unbooking == Unbooking::WrittenOff;
    let is_it = |booking: &Booking| match booking {
        Booking::Booked { label, .. } => label == reference,
        Booking::Refused { .. } => false,
    };
    if state
        .book
        .as_ref()
        .and_then(Entry::outcome)
        .is_some_and(is_it)
    {
        return Some(may_stand(state.unbook.as_ref(), is_written_off));
    }
    // A person settled what was found of a booking that nobody heard of.
    let settled = state.unbook.as_ref().and_then(Entry::outcome);
    if is_open(state.book.as_ref()) && settled.is_some_and(is_written_off) {
        return Some(true);
    }
    let restart = state.restart.as_ref();
    let replaced = restart.and_then(|restart| restart.replaces.as_ref())?;
    // It is voided before another one is bought, or when there is to be none.
    is_it(&replaced.booking)
        .then(|| state.to_replace().is_some() && may_stand(state.unbook.as_ref(), is_written_off))
}

/// Whether an order may still find such a posting and go on with it: it has none yet, and was not reversed.
#[must_use]
pub fn may_still_take(state: &OrderState, kind: PostingKind) -> bool {
    let (has_one, is_undone) = match kind {
        PostingKind::Payment => (
            is_done(state.authorize.as_ref()),
            is_done(state.reverse.as_ref()),
        ),
        PostingKind::Label => (is_done(state.book.as_ref()), is_done(state.unbook.as_ref())),
    };
    !state.stage.is_closed() && !has_one && !is_undone
}

/// Whether the effect that makes such postings is claimed, and its undo has not come to an end.
fn is_at_work(state: &OrderState, kind: PostingKind) -> bool {
    let is_open = match kind {
        // A capture may hold the money anew.
        PostingKind::Payment => {
            (is_open(state.authorize.as_ref()) || is_open(state.capture.as_ref()))
                && !is_done(state.reverse.as_ref())
        }
        PostingKind::Label => is_open(state.book.as_ref()) && !is_done(state.unbook.as_ref()),
    };
    is_open && !state.stage.is_closed()
}

/// Whether an effect's undo lets it stand: it has not come to an end, or a person has written it off.
fn may_stand<T>(undo: Option<&Entry<T>>, is_written_off: impl Fn(&T) -> bool) -> bool {
    undo.and_then(Entry::outcome).is_none_or(is_written_off)
}

fn is_open<T>(entry: Option<&Entry<T>>) -> bool {
    matches!(entry, Some(Entry::Open(_)))
}

fn is_done<T>(entry: Option<&Entry<T>>) -> bool {
    matches!(entry, Some(Entry::Done { .. }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ledger::Authorization;
    use crate::{ErrorName, Failure, Restart, Stage, Submission};

    fn at(s: i64) -> Timestamp {
        Timestamp::from_second(1_795_428_000 + s).unwrap()
    }

    fn record() -> Record {
        let document = json!({
            "schema_version": 1, "order_id": "ord-1", "currency": "USD",
            "customer": {"customer_id": "cus-7", "name": "Ada", "email": "ada@example.com"},
            "payment": {"method": "pm_card_visa"},
            "shipping_address": {"name": "Ada", "line1": "1 Main St", "line2": null,
                "city": "Springfield", "region": "IL", "postal_code": "62701", "country": "US"},
            "lines": [{"sku": "MUG-01", "quantity": 2, "unit_price": 1299}],
            "shipping_fee": 500, "tax": 0, "total": 3098
        });
        let submission = Submission::parse(document.to_string().as_bytes()).unwrap();
        let order = submission.order;
        Record {
            state: OrderState::received(&order, at(0)),
            order,
            fingerprint: submission.fingerprint,
            personal: Some(submission.personal),
            audit: Vec::new(),
            earlier: Vec::new(),
            labels: Vec::new(),
            unreadable: Vec::new(),
        }
    }

    fn done<T>(outcome: T) -> Entry<T> {
        let at = at(1);
        Entry::Done { outcome, at }
    }

    fn open<T>() -> Entry<T> {
        Entry::Open(crate::ledger::Claim::new("somebody", at(1), at(2)))
    }

    fn held(payment: &str) -> Entry<Authorization> {
        let payment = payment.to_owned();
        done(Authorization::Held {
            payment,
            made_at: None,
        })
    }

    fn booking(label: &str) -> Booking {
        Booking::Booked {
            label: label.to_owned(),
            carrier: "usps".to_owned(),
            tracking: "9400".to_owned(),
        }
    }

    fn posting(reference: &str) -> Posting {
        let kind = if reference.starts_with("pi_") {
            PostingKind::Payment
        } else {
            PostingKind::Label
        };
        Posting {
            kind,
            reference: reference.to_owned(),
            order_id: None,
            amount: None,
            stands: Stands::Live,
            made_at: at(0),
        }
    }

    fn accounts(record: &Record, reference: &str) -> bool {
        accounts_for(record, &posting(reference))
    }

    #[test]
    fn what_a_ledger_names_and_has_not_undone_is_accounted_for() {
        let mut record = record();
        assert!(!accounts(&record, "pi_1"));
        let nothing = Posting {
            stands: Stands::Nothing,
            ..posting("pi_1")
        };
        assert!(accounts_for(&record, &nothing));
        record.state.authorize = Some(held("pi_1"));
        record.state.book = Some(done(booking("se-1")));
        assert!(accounts(&record, "pi_1") && accounts(&record, "se-1"));
        assert!(!accounts(&record, "pi_2") && !accounts(&record, "se-2"));
        record.state.unbook = Some(open());
        record.state.reverse = Some(open());
        assert!(accounts(&record, "pi_1") && accounts(&record, "se-1"));
        record.state.unbook = Some(done(Unbooking::Cancelled));
        record.state.reverse = Some(done(Reversal::Voided));
        assert!(!accounts(&record, "pi_1") && !accounts(&record, "se-1"));
        // A person knows of what the providers do not undo.
        record.state.unbook = Some(done(Unbooking::WrittenOff));
        record.state.reverse = Some(done(Reversal::WrittenOff {
            captured: record.state.total,
            refunded: Money::zero(record.state.total.currency()),
        }));
        assert!(accounts(&record, "pi_1") && accounts(&record, "se-1"));
    }

    #[test]
    fn while_somebody_is_at_work_nothing_of_theirs_is_an_orphan() {
        let mut record = record();
        record.state.authorize = Some(open());
        assert!(accounts(&record, "pi_1") && !accounts(&record, "se-1"));
        record.state.book = Some(open());
        assert!(accounts(&record, "se-1"));
        // The undo has found nothing: nobody is going to look again.
        record.state.failure = Some(Failure::new(ErrorName::Internal, "", at(3)));
        record.state.unbook = Some(done(Unbooking::Nothing));
        record.state.reverse = Some(done(Reversal::Nothing));
        assert!(!accounts(&record, "pi_1") && !accounts(&record, "se-1"));
        record.state.reverse = None;
        record.state.stage = Stage::Failed;
        assert!(!accounts(&record, "pi_1"));
        // A capture may hold the money anew.
        record.state.stage = Stage::Shipped;
        record.state.authorize = Some(held("pi_1"));
        record.state.capture = Some(open());
        assert!(accounts(&record, "pi_2"));
    }

    #[test]
    fn a_payment_of_the_checkouts_is_its_orders_until_that_is_reversed() {
        let mut record = record();
        let means = json!({"intent": "pi_1"});
        let personal = record.personal.as_mut().unwrap();
        personal.payment = serde_json::from_value(means).unwrap();
        assert!(accounts(&record, "pi_1") && !accounts(&record, "pi_2"));
        record.state.stage = Stage::Rejected;
        assert!(!accounts(&record, "pi_1"));
    }

    #[test]
    fn a_label_that_was_found_and_written_off_is_accounted_for_though_nobody_heard_of_its_booking()
    {
        let mut record = record();
        record.state.book = Some(open());
        record.state.unbook = Some(done(Unbooking::WrittenOff));
        assert!(accounts(&record, "se-1"));
        record.state.stage = Stage::Failed;
        assert!(accounts(&record, "se-1") && !accounts(&record, "pi_1"));
    }

    #[test]
    fn an_order_may_take_what_it_has_not_got_until_it_is_reversed() {
        let may = |state: &OrderState| {
            [PostingKind::Payment, PostingKind::Label].map(|kind| may_still_take(state, kind))
        };
        let mut state = record().state;
        assert_eq!(may(&state), [true, true]);
        state.authorize = Some(held("pi_1"));
        assert_eq!(may(&state), [false, true]);
        state.unbook = Some(done(Unbooking::Nothing));
        assert_eq!(may(&state), [false, false]);
        let closed = OrderState {
            stage: Stage::Cancelled,
            ..record().state
        };
        assert_eq!(may(&closed), [false, false]);
    }

    #[test]
    fn a_refund_of_which_something_is_ours_has_failed() {
        let mut record = record();
        let amount = record.state.total;
        let kept = |reference: &str| Posting {
            stands: Stands::Kept(amount),
            ..posting(reference)
        };
        record.state.authorize = Some(held("pi_1"));
        assert!(!says_it_went_back(&record, &kept("pi_1")));
        let refund = "re_1".to_owned();
        record.state.reverse = Some(done(Reversal::Refunded { refund, amount }));
        assert!(says_it_went_back(&record, &kept("pi_1")));
        assert!(!says_it_went_back(&record, &kept("pi_2")));
        let held = Posting {
            stands: Stands::Held(amount),
            ..posting("pi_1")
        };
        assert!(!says_it_went_back(&record, &held));
        // Also once another attempt has begun.
        record.earlier = vec![record.state.clone()];
        record.state.authorize = None;
        record.state.reverse = None;
        assert!(says_it_went_back(&record, &kept("pi_1")));
    }

    #[test]
    fn a_write_off_accounts_for_what_had_not_gone_back_and_no_more() {
        let mut record = record();
        let captured = record.state.total;
        let money = |minor| Money::new(minor, captured.currency()).unwrap();
        record.state.authorize = Some(held("pi_1"));
        let refunded = money(1000);
        record.state.reverse = Some(done(Reversal::WrittenOff { captured, refunded }));
        let kept = |minor| Posting {
            stands: Stands::Kept(money(minor)),
            ..posting("pi_1")
        };
        assert!(accounts_for(&record, &kept(2098)));
        assert!(!says_it_went_back(&record, &kept(2098)));
        // What had gone back is ours again.
        assert!(!accounts_for(&record, &kept(3098)));
        assert!(says_it_went_back(&record, &kept(3098)));
        let refunded = Money::zero(captured.currency());
        record.state.reverse = Some(done(Reversal::WrittenOff { captured, refunded }));
        assert!(accounts_for(&record, &kept(3098)));
    }

    #[test]
    fn what_an_earlier_attempt_has_undone_is_not_what_the_order_may_still_take() {
        let mut record = record();
        let amount = record.state.total;
        let kept = Posting {
            stands: Stands::Kept(amount),
            ..posting("pi_1")
        };
        assert!(!has_undone(&record, &kept));
        let mut first = record.state.clone();
        first.authorize = Some(held("pi_1"));
        record.earlier = vec![first.clone()];
        assert!(!has_undone(&record, &kept));
        let refund = "re_1".to_owned();
        first.reverse = Some(done(Reversal::Refunded { refund, amount }));
        record.earlier = vec![first];
        assert!(has_undone(&record, &kept) && may_still_take(&record.state, kept.kind));
    }

    #[test]
    fn of_all_attempts_the_latest_that_names_it_decides() {
        let mut record = record();
        let mut first = record.state.clone();
        first.authorize = Some(held("pi_1"));
        first.book = Some(done(booking("se-1")));
        record.earlier = vec![first.clone()];
        record.state.attempt = 2;
        assert!(accounts(&record, "pi_1") && accounts(&record, "se-1"));
        first.reverse = Some(done(Reversal::Voided));
        first.unbook = Some(done(Unbooking::Cancelled));
        record.earlier = vec![first];
        assert!(!accounts(&record, "pi_1") && !accounts(&record, "se-1"));
    }

    #[test]
    fn a_label_that_is_replaced_is_accounted_for_until_there_is_another() {
        let mut record = record();
        record.state.book = Some(done(booking("se-1")));
        record.earlier = vec![record.state.clone()];
        record.state.attempt = 2;
        record.state.book = None;
        record.state.restart = Some(Restart {
            at: at(3),
            version: 9,
            payment_of: 1,
            shipment_of: 2,
            replaces: Some(crate::Replaced {
                booking: booking("se-1"),
                attempt: 1,
            }),
        });
        assert!(accounts(&record, "se-1"));
        record.state.book = Some(done(booking("se-2")));
        assert!(accounts(&record, "se-2") && !accounts(&record, "se-1"));
        // The carrier did not void it: it is what is shipped.
        record.state.book = Some(done(booking("se-1")));
        assert!(accounts(&record, "se-1"));
        record.state.book = None;
        record.state.unbook = Some(done(Unbooking::Cancelled));
        assert!(!accounts(&record, "se-1"));
    }

    #[test]
    fn a_posting_is_sent_as_it_is_read() {
        let money = Money::new(3098, "USD".parse().unwrap()).unwrap();
        for stands in [
            Stands::Nothing,
            Stands::Held(money),
            Stands::Kept(money),
            Stands::Live,
        ] {
            let posting = Posting {
                amount: Some(money),
                stands,
                ..posting("pi_1")
            };
            let sent = serde_json::to_string(&posting).unwrap();
            assert_eq!(serde_json::from_str::<Posting>(&sent).unwrap(), posting);
        }
    }

    #[test]
    fn what_stands_of_a_posting_is_told_in_words() {
        let money = Money::new(3098, "USD".parse().unwrap()).unwrap();
        for (stands, text, is_something) in [
            (Stands::Nothing, "nothing", false),
            (Stands::Held(money), "30.98 USD held", true),
            (Stands::Kept(money), "30.98 USD captured", true),
            (Stands::Live, "a live label", true),
        ] {
            assert_eq!(stands.to_string(), text);
            assert_eq!(stands.is_something(), is_something, "{text}");
        }
    }
}
