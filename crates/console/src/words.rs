//! How things are said on the page.

use domain::{Status, Timestamp};
use operations::advice::{Action, Responsible};
use operations::bulk::Control;
use operations::holds::{HeldFor, Lapses};
use operations::sort::{Sort, SortBy};
use operations::trend::Flow;
use operations::{Health, Incident, Problem, Projection};

/// A moment: for machines, and for people who look at it today.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) iso: String,
    pub(crate) text: String,
    pub(crate) ago: String,
}

impl Moment {
    pub(crate) fn of(at: Timestamp, now: Timestamp) -> Self {
        let iso = at.to_string();
        let same_day = iso.get(..10) == now.to_string().get(..10);
        let clock = clock(at);
        let text = if same_day {
            clock
        } else {
            format!(
                "{} {}",
                iso.get(..10).unwrap_or_default(),
                clock.get(..5).unwrap_or_default()
            )
        };
        Self {
            text,
            ago: distance(at, now),
            iso: format!("{at:.3}"),
        }
    }

    pub(crate) fn maybe(at: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        at.map(|at| Self::of(at, now))
    }
}

/// `1 orphan`, `3 orphans`.
pub(crate) fn orphans(count: usize) -> String {
    match count {
        1 => "1 orphan".to_owned(),
        count => format!("{count} orphans"),
    }
}

/// `12:03:05`, in UTC.
pub(crate) fn clock(at: Timestamp) -> String {
    let iso = format!("{at:.0}");
    iso.get(11..19).unwrap_or_default().to_owned()
}

/// `3 min ago`, `in 2 h`.
pub(crate) fn distance(at: Timestamp, now: Timestamp) -> String {
    let ms = now.duration_since(at).as_millis();
    let span = span(ms.unsigned_abs());
    if ms >= 0 {
        format!("{span} ago")
    } else {
        format!("in {span}")
    }
}

/// So many milliseconds: `0.4 s`, `12 s`, `3 min`, `2 h 5 min`, `4 d`.
pub(crate) fn span(ms: u128) -> String {
    let (s, min, h) = (ms / 1000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..10_000 => format!("{s}.{} s", ms % 1000 / 100),
        10_000..120_000 => format!("{s} s"),
        120_000..7_200_000 => format!("{min} min"),
        7_200_000..172_800_000 => format!("{h} h {} min", min % 60),
        _ => format!("{} d", h / 24),
    }
}

/// With a capital and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).chain(['.']).collect()
}

/// Which way money moved.
pub(crate) const fn flow(flow: Flow) -> &'static str {
    match flow {
        Flow::Authorized => "authorised",
        Flow::Captured => "captured",
        Flow::Voided => "voided",
        Flow::Refunded => "refunded",
    }
}

/// For how long money has been held.
pub(crate) const fn held_for(held_for: HeldFor) -> &'static str {
    match held_for {
        HeldFor::UnderAnHour => "for less than 1 h",
        HeldFor::UnderADay => "for 1 to 24 h",
        HeldFor::UnderThreeDays => "for 1 to 3 days",
        HeldFor::Longer => "for 3 days or longer",
    }
}

/// When a hold lapses.
pub(crate) const fn lapses(lapses: Lapses) -> &'static str {
    match lapses {
        Lapses::Now => "no longer relied on",
        Lapses::WithinSixHours => "lapses within 6 h",
        Lapses::WithinADay => "lapses in 6 to 24 h",
        Lapses::WithinThreeDays => "lapses in 1 to 3 days",
        Lapses::Later => "lapses in more than 3 days",
        Lapses::Never => "taken, and to be given back",
    }
}

/// `1 order`, `2 orders`.
pub(crate) fn orders(count: usize) -> String {
    if count == 1 {
        "1 order".to_owned()
    } else {
        format!("{count} orders")
    }
}

pub(crate) const fn status(status: Status) -> &'static str {
    match status {
        Status::Received => "received",
        Status::Validated => "validated",
        Status::InReview => "in review",
        Status::Authorized => "authorised",
        Status::Shipped => "shipped",
        Status::Completed => "completed",
        Status::Rejected => "rejected",
        Status::Cancelled => "cancelled",
        Status::Failed => "failed",
        Status::NeedsAttention => "needs attention",
    }
}

/// An order of rows.
pub(crate) const fn sort(sort: Sort) -> &'static str {
    match (sort.by, sort.descending) {
        (SortBy::Received, true) => "Received, latest first",
        (SortBy::Received, false) => "Received, earliest first",
        (SortBy::Since, false) => "Since, longest first",
        (SortBy::Since, true) => "Since, shortest first",
        (SortBy::Amount, true) => "Amount, largest first",
        (SortBy::Amount, false) => "Amount, smallest first",
        (SortBy::Deadline, false) => "Deadline, nearest first",
        (SortBy::Deadline, true) => "Deadline, furthest first",
    }
}

/// A tone of the style sheet: a colour and a shape.
pub(crate) const fn tone(status: Status) -> &'static str {
    match status {
        Status::Completed => "ok",
        Status::Received | Status::Validated | Status::Authorized | Status::Shipped => "info",
        Status::InReview => "warn",
        Status::Rejected | Status::Cancelled => "off",
        Status::Failed | Status::NeedsAttention => "bad",
    }
}

pub(crate) const fn health(health: Health) -> &'static str {
    match health {
        Health::OnTrack => "on track",
        Health::AtRisk => "at risk",
        Health::Overdue => "overdue",
    }
}

pub(crate) const fn health_tone(health: Health) -> &'static str {
    match health {
        Health::OnTrack => "ok",
        Health::AtRisk => "warn",
        Health::Overdue => "bad",
    }
}

pub(crate) const fn incident(incident: Incident) -> &'static str {
    match incident {
        Incident::Unfinished => "Ended before everything was done",
        Incident::OutcomeUnknown => "Nobody knows what came of it",
        Incident::ProviderDiffers => "A provider sees it otherwise",
        Incident::RefundFailed => "A refund has failed",
        Incident::Disputed => "The customer disputes the payment",
        Incident::MessageNotSent => "The customer was not told",
        Incident::NotStarted => "Accepted and not started",
        Incident::ReviewOverdue => "Nobody decided in time",
        Incident::HoldLapsing => "The hold is about to lapse",
        Incident::Overdue => "In a state for too long",
        Incident::KeepsFailing => "Keeps failing",
    }
}

pub(crate) fn problem(problem: Problem) -> String {
    match problem {
        Problem::Incident(incident) => self::incident(incident).to_owned(),
        Problem::Reversed(error) => format!("Failed and reversed: {error}"),
    }
}

pub(crate) const fn problem_tone(problem: Problem) -> &'static str {
    match problem {
        Problem::Incident(
            Incident::Unfinished
            | Incident::OutcomeUnknown
            | Incident::ProviderDiffers
            | Incident::RefundFailed
            | Incident::Disputed,
        ) => "bad",
        Problem::Incident(_) => "warn",
        Problem::Reversed(_) => "off",
    }
}

pub(crate) const fn responsible(responsible: Responsible) -> &'static str {
    match responsible {
        Responsible::Customer => "the customer",
        Responsible::Operator => "an operator",
        Responsible::Provider => "whoever runs the provider",
        Responsible::Developer => "a developer",
    }
}

/// What an action is called on a button.
pub(crate) const fn verb(action: Action) -> &'static str {
    match action {
        Action::Approve => "Approve",
        Action::Reject => "Reject",
        Action::Cancel => "Cancel",
        Action::Redrive => "Redrive",
        Action::Restart => "Restart",
        Action::Reprocess => "Reprocess",
        Action::Resend => "Resend",
        Action::Resolve => "Resolve",
        Action::Settle => "Settle",
        Action::GiveBack => "Give back",
    }
}

/// What happens then.
pub(crate) const fn consequence(action: Action) -> &'static str {
    action.consequence()
}

/// What becomes of a bulk then.
pub(crate) const fn then(control: Control) -> &'static str {
    match control {
        Control::Pause => "no further order is begun until somebody resumes it",
        Control::Resume => "further orders are begun",
        Control::Stop => "no further order is begun",
    }
}

/// Whether it takes something away that cannot be had back.
pub(crate) const fn is_dangerous(action: Action) -> bool {
    match action {
        // A parcel or a payment that is written off stays so.
        Action::Reject | Action::Cancel | Action::Settle => true,
        Action::Approve
        | Action::Redrive
        | Action::Restart
        | Action::Reprocess
        | Action::Resend
        | Action::Resolve
        | Action::GiveBack => false,
    }
}

/// What an order waits for, or how often it was tried.
pub(crate) fn waits(projection: &Projection, now: Timestamp) -> String {
    match &projection.retry {
        Some(retry) => {
            let next = retry.next(now);
            format!("{} of {}, {next}: {}", retry.failed, retry.of, retry.why())
        }
        None if projection.state.is_none() => String::new(),
        None => projection.waits_for().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_shown_as_people_say_them() {
        let shown: Vec<String> = [400, 12_000, 200_000, 7_500_000, 400_000_000]
            .map(span)
            .into();
        assert_eq!(shown, ["0.4 s", "12 s", "3 min", "2 h 5 min", "4 d"]);
    }

    #[test]
    fn moments_of_another_day_have_the_day() {
        let now: Timestamp = "2026-11-24T12:03:05.123Z".parse().expect("a time");
        let earlier: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
        assert_eq!(Moment::of(now, now).text, "12:03:05");
        assert_eq!(Moment::of(earlier, now).text, "2026-11-23 10:00");
        assert_eq!(Moment::of(earlier, now).ago, "26 h 3 min ago");
    }
}
