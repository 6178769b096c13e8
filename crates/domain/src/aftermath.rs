//! What happens to an order's money when nobody is at work on it any more: its customer disputes the payment, or a
//! refund fails weeks after it was made. The ledger says what was done and stays as it is; the audit trail has
//! what the monitor heard of the provider since.

use std::time::Duration;

use jiff::Timestamp;

use crate::{AuditEvent, Event};

/// The disputes of an order's payments that are open: the provider's references.
#[must_use]
pub fn open_disputes(audit: &[AuditEvent]) -> Vec<&str> {
    open(
        audit,
        Event::Disputed,
        &[Event::DisputeWon, Event::DisputeLost],
    )
}

/// The payments of an order that its ledger says went back, and that are ours again: the provider's references.
#[must_use]
pub fn failed_refunds(audit: &[AuditEvent]) -> Vec<&str> {
    open(audit, Event::RefundFailed, &[Event::RefundMadeGood])
}

/// What was noted last of these events about what the provider calls `reference`.
#[must_use]
pub fn last_of(audit: &[AuditEvent], reference: &str, events: &[Event]) -> Option<Event> {
    let its = audit
        .iter()
        .filter(|entry| entry.about.as_deref() == Some(reference) && events.contains(&entry.event));
    its.max_by_key(|entry| entry.last())
        .map(|entry| entry.event)
}

/// A time for what is noted next about what the provider calls `reference`: now, or just after what was noted last,
/// whatever the clock of who noted it said.
#[must_use]
pub fn next_at(audit: &[AuditEvent], reference: &str, now: Timestamp) -> Timestamp {
    let its = audit
        .iter()
        .filter(|entry| entry.about.as_deref() == Some(reference));
    let last = its.map(AuditEvent::last).max();
    let after = last.and_then(|last| last.checked_add(Duration::from_millis(1)).ok());
    after.map_or(now, |after| now.max(after))
}

/// What began and has not ended.
fn open<'a>(audit: &'a [AuditEvent], began: Event, ended: &[Event]) -> Vec<&'a str> {
    let events: Vec<Event> = ended.iter().copied().chain([began]).collect();
    let begun = audit.iter().filter(|entry| entry.event == began);
    let mut open: Vec<&str> = begun
        .filter_map(|entry| entry.about.as_deref())
        .filter(|about| last_of(audit, about, &events) == Some(began))
        .collect();
    open.sort_unstable();
    open.dedup();
    open
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::Actor;

    fn entry(second: i64, event: Event, about: &str) -> AuditEvent {
        let at = Timestamp::from_second(second).unwrap();
        AuditEvent::new(at, event, Actor::Monitor, "").about(about)
    }

    #[test]
    fn each_dispute_is_open_until_it_has_ended_itself() {
        let mut audit = vec![
            entry(1, Event::Disputed, "du_1"),
            entry(2, Event::Disputed, "du_2"),
            entry(3, Event::DisputeLost, "du_1"),
        ];
        assert_eq!(open_disputes(&audit), ["du_2"]);
        audit.push(entry(4, Event::DisputeWon, "du_2"));
        assert_eq!(open_disputes(&audit), [""; 0]);
        let ends = [Event::DisputeWon, Event::DisputeLost];
        assert_eq!(last_of(&audit, "du_1", &ends), Some(Event::DisputeLost));
        assert_eq!(last_of(&audit, "du_3", &ends), None);
    }

    #[test]
    fn what_is_noted_next_comes_after_what_was_noted_whatever_the_clock_says() {
        let mut audit = vec![entry(9, Event::RefundFailed, "pi_1")];
        let early = Timestamp::from_second(5).unwrap();
        let at = next_at(&audit, "pi_1", early);
        assert!(at > audit[0].at);
        assert_eq!(next_at(&audit, "pi_2", early), early);
        let noted = AuditEvent::new(at, Event::RefundMadeGood, Actor::Monitor, "");
        audit.push(noted.about("pi_1"));
        assert!(failed_refunds(&audit).is_empty());
    }

    #[test]
    fn a_refund_that_fails_again_after_it_was_made_good_has_failed() {
        let mut audit = vec![
            entry(1, Event::RefundFailed, "pi_1"),
            entry(2, Event::RefundMadeGood, "pi_1"),
        ];
        assert!(failed_refunds(&audit).is_empty());
        audit.push(entry(3, Event::RefundFailed, "pi_1"));
        assert_eq!(failed_refunds(&audit), ["pi_1"]);
    }
}
