use domain::{ErrorName, Execution, ExecutionStatus};

use super::*;
use crate::fixtures::{at as moment, projection};

fn part(number: u32, state: ProcessState) -> Part {
    let projection = projection(number);
    Part {
        order_id: projection.order_id.clone(),
        version: 7,
        attempt: 1,
        state: Some(state),
        total: projection.total,
        requested_at: None,
        outcome: Outcome::Waiting,
        warning: None,
        failure: None,
        left_to: None,
    }
}

fn applied(count: u32, action: Action, state: ProcessState) -> Bulk {
    let parts = (0..count).map(|number| part(number, state)).collect();
    let mut bulk = Bulk::preview(action, parts, Vec::new(), moment(0));
    bulk.applied = Some(Applied {
        by: Actor::Operator("somebody".to_owned()),
        reason: "a test".to_owned(),
        at: moment(1),
    });
    bulk
}

fn act(bulk: &mut Bulk) -> usize {
    let wave = bulk.next_wave(moment(2));
    for order_id in &wave {
        bulk.acted(order_id, None, moment(2));
    }
    wave.len()
}

/// The order's new attempt is in this state.
fn went(bulk: &mut Bulk, number: u32, at: ProcessState, error: Option<ErrorName>) {
    let mut projection = projection(number);
    (projection.attempt, projection.ledger) = (2, 8);
    projection.state = Some(at);
    projection.error = error;
    projection.failed_in = error.map(|_| ProcessState::ShipOrder);
    projection.message = error.map(|_| "no label".to_owned());
    bulk.see(&projection);
}

#[test]
fn one_goes_first_then_ten_then_the_rest() {
    let mut bulk = applied(40, Action::Reprocess, ProcessState::ShipOrder);
    assert_eq!(act(&mut bulk), 1);
    assert_eq!(act(&mut bulk), 0, "the first one is waited for");
    went(&mut bulk, 0, ProcessState::ChargePayment, None);
    assert_eq!(
        bulk.count(OutcomeKind::Running),
        1,
        "it is not past the state yet"
    );
    assert_eq!(act(&mut bulk), 0);
    went(&mut bulk, 0, ProcessState::CapturePayment, None);
    assert_eq!(act(&mut bulk), 10);
    for number in 1..10 {
        went(&mut bulk, number, ProcessState::CapturePayment, None);
    }
    assert_eq!(act(&mut bulk), 0, "each of the ten is waited for");
    went(&mut bulk, 10, ProcessState::NotifyCustomer, None);
    assert_eq!(act(&mut bulk), 29);
    for number in 11..40 {
        went(&mut bulk, number, ProcessState::CapturePayment, None);
    }
    assert_eq!(act(&mut bulk), 0);
    assert_eq!(bulk.ended_at, Some(moment(2)));
    assert_eq!(
        (bulk.count(OutcomeKind::Recovered), bulk.stopped),
        (40, None)
    );
}

#[test]
fn it_stops_when_one_fails_again_and_says_so() {
    let mut bulk = applied(40, Action::Reprocess, ProcessState::ShipOrder);
    act(&mut bulk);
    went(&mut bulk, 0, ProcessState::CapturePayment, None);
    act(&mut bulk);
    let again = Some(ErrorName::CarrierUnavailable);
    went(&mut bulk, 3, ProcessState::CancelShipment, again);
    assert_eq!(act(&mut bulk), 0);
    assert_eq!(bulk.stopped.as_deref(), Some("1 of 11 failed again"));
    let failure = bulk.parts[3].failure.as_deref();
    assert_eq!(failure, Some("CarrierUnavailable in ShipOrder: no label"));
    assert_eq!(bulk.ended_at, None, "the others are still under way");
    for number in (1..11).filter(|number| *number != 3) {
        went(&mut bulk, number, ProcessState::CapturePayment, None);
    }
    assert_eq!(act(&mut bulk), 0);
    assert!(bulk.ended_at.is_some());
    assert_eq!(
        (
            bulk.count(OutcomeKind::Waiting),
            bulk.count(OutcomeKind::FailedAgain)
        ),
        (29, 1)
    );
}

#[test]
fn what_was_refused_is_no_trial_and_the_next_one_is() {
    let mut bulk = applied(3, Action::Reprocess, ProcessState::ShipOrder);
    let first = bulk.next_wave(moment(2));
    bulk.acted(&first[0], Some("it has changed".to_owned()), moment(2));
    assert_eq!(act(&mut bulk), 1);
    went(&mut bulk, 1, ProcessState::CapturePayment, None);
    assert_eq!(act(&mut bulk), 1);
    went(&mut bulk, 2, ProcessState::CapturePayment, None);
    act(&mut bulk);
    assert!(bulk.ended_at.is_some());
    assert_eq!(
        (
            bulk.count(OutcomeKind::Refused),
            bulk.count(OutcomeKind::Recovered)
        ),
        (1, 2)
    );
}

#[test]
fn a_redriven_undo_has_recovered_past_it_and_failed_again_when_it_stops_again() {
    let mut stopped = projection(0);
    stopped.state = Some(ProcessState::CancelShipment);
    stopped.error = Some(ErrorName::PaymentDeclined);
    stopped.ledger = 7;
    stopped.incidents.insert(Incident::Unfinished, moment(0));
    let ended = |second| Execution {
        attempt: 1,
        status: ExecutionStatus::Failed,
        redriven_at: None,
        stopped_at: Some(moment(second)),
    };
    stopped.execution = Some(ended(0));
    let mut bulk = applied(2, Action::Redrive, ProcessState::CancelShipment);
    act(&mut bulk);
    bulk.see(&stopped);
    assert_eq!(bulk.parts[0].outcome, Outcome::Requested, "that was before");
    let mut on = stopped.clone();
    (on.ledger, on.state) = (9, Some(ProcessState::ReversePayment));
    on.incidents.clear();
    let mut other = bulk.clone();
    bulk.see(&on);
    assert_eq!(bulk.parts[0].outcome, Outcome::Recovered);
    stopped.execution = Some(ended(60));
    stopped.last_error = Some(ErrorName::CarrierUnavailable.into());
    other.see(&stopped);
    assert_eq!(other.parts[0].outcome, Outcome::FailedAgain);
    let failure = other.parts[0].failure.as_deref();
    assert_eq!(failure, Some("CarrierUnavailable in CancelShipment"));
}

#[test]
fn an_order_is_in_the_hands_of_one_bulk_and_free_once_that_is_done_with_it() {
    let order_id = projection(0).order_id;
    let mut first = applied(2, Action::Reprocess, ProcessState::ShipOrder);
    let mut second = Bulk {
        digest: "second".to_owned(),
        ..first.clone()
    };
    if let Some(applied) = &mut second.applied {
        applied.at = moment(2);
    }
    assert!(second.holder_of(&order_id).is_some());
    first.leave_to(&[second.clone()], moment(3));
    assert_eq!(
        first.count(OutcomeKind::Refused),
        0,
        "the earlier one goes on"
    );
    let mut late = second.clone();
    late.leave_to(&[first.clone(), second.clone()], moment(3));
    assert_eq!(late.count(OutcomeKind::Refused), 2);
    let since = "2026-11-23T10:00:01Z";
    let why = format!(
        "another bulk has it in hand: reprocess by somebody since {since} (bulk {})",
        first.digest
    );
    assert_eq!(late.parts[0].outcome, Outcome::Refused(why));
    assert_eq!(late.parts[0].left_to, Some(first.digest.clone()));
    // What is under way is let be, whoever was first.
    act(&mut second);
    first.leave_to(&[second.clone()], moment(3));
    assert_eq!(first.count(OutcomeKind::Refused), 1);
    // What a stopped bulk did not begin is free.
    second.stopped = Some("a test".to_owned());
    let other = projection(1).order_id;
    assert!(second.holder_of(&order_id).is_some(), "it is under way");
    assert_eq!(second.holder_of(&other), None);
    went(&mut second, 0, ProcessState::CapturePayment, None);
    assert_eq!(second.holder_of(&order_id), None);
}

fn control(bulk: &mut Bulk, control: Control) -> Result<(), &'static str> {
    let by = Actor::Operator("somebody".to_owned());
    bulk.control(control, by, "a test", moment(3))
}

#[test]
fn a_paused_bulk_begins_nothing_until_it_is_resumed_and_a_stopped_one_never() {
    let mut bulk = applied(3, Action::Reprocess, ProcessState::ShipOrder);
    assert_eq!(control(&mut bulk, Control::Resume), Err("it is not paused"));
    assert_eq!(act(&mut bulk), 1);
    assert_eq!(control(&mut bulk, Control::Pause), Ok(()));
    assert_eq!(bulk.state(), BulkState::Paused);
    assert_eq!(
        control(&mut bulk, Control::Pause),
        Err("it was paused before")
    );
    went(&mut bulk, 0, ProcessState::CapturePayment, None);
    assert_eq!(bulk.count(OutcomeKind::Recovered), 1, "that is followed");
    assert_eq!(act(&mut bulk), 0);
    assert!(bulk.is_at_work());
    assert_eq!(control(&mut bulk, Control::Resume), Ok(()));
    assert_eq!(bulk.state(), BulkState::Running);
    assert_eq!(control(&mut bulk, Control::Stop), Ok(()));
    assert_eq!(act(&mut bulk), 0);
    assert_eq!(bulk.ended_at, Some(moment(2)), "nothing is under way");
    assert_eq!(bulk.state(), BulkState::Stopped);
    assert_eq!(bulk.stopped.as_deref(), Some("a test"));
    assert_eq!(
        control(&mut bulk, Control::Resume),
        Err("it was stopped before")
    );
    let did = bulk.controlled.iter().map(|did| did.control);
    let did: Vec<Control> = did.collect();
    assert_eq!(did, [Control::Pause, Control::Resume, Control::Stop]);
}

#[test]
fn what_has_begun_wholly_is_not_stopped() {
    let mut bulk = applied(1, Action::Reprocess, ProcessState::ShipOrder);
    act(&mut bulk);
    for what in [Control::Pause, Control::Stop] {
        let why = control(&mut bulk, what).expect_err("refused");
        assert!(why.starts_with("every order was begun"), "{why}");
    }
}

#[test]
fn whoever_carries_it_out_heeds_a_stop_and_keeps_what_he_did() {
    let mut stored = applied(3, Action::Reprocess, ProcessState::ShipOrder);
    stored.busy_until = Some(moment(60));
    let mut bulk = stored.clone();
    act(&mut bulk);
    stored.revision += 1;
    assert_eq!(control(&mut stored, Control::Stop), Ok(()));
    assert!(bulk.heed(&stored));
    assert_eq!(bulk.revision, stored.revision);
    assert_eq!(bulk.state(), BulkState::Stopped);
    assert_eq!(bulk.count(OutcomeKind::Requested), 1);
    stored.busy_until = Some(moment(61));
    assert!(!bulk.heed(&stored), "somebody else's by now");
}

/// Its step had failed for good while it was asked for.
#[test]
fn a_cancel_does_not_wait_for_an_order_that_has_ended_otherwise() {
    for (status, outcome) in [
        (Status::Failed, Outcome::FailedAgain),
        (Status::Completed, Outcome::FailedAgain),
        (Status::Cancelled, Outcome::Recovered),
    ] {
        let mut bulk = applied(1, Action::Cancel, ProcessState::ShipOrder);
        act(&mut bulk);
        let mut ended = projection(0);
        (ended.status, ended.state, ended.ledger) = (status, None, 9);
        ended.due_at = None;
        bulk.see(&ended);
        assert_eq!(bulk.parts[0].outcome, outcome, "{status}");
        assert_eq!(act(&mut bulk), 0);
        assert!(bulk.ended_at.is_some());
    }
}

#[test]
fn a_digest_is_of_the_action_and_of_each_order_as_it_was() {
    let digest = |action, version| {
        let mut part = part(0, ProcessState::ShipOrder);
        part.version = version;
        Bulk::preview(action, vec![part], Vec::new(), moment(0)).digest
    };
    assert_eq!(digest(Action::Redrive, 1), digest(Action::Redrive, 1));
    assert_ne!(digest(Action::Redrive, 1), digest(Action::Redrive, 2));
    assert_ne!(digest(Action::Redrive, 1), digest(Action::Reprocess, 1));
}
