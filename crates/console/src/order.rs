//! An order: its journey, its money, and what can be done about it.

use actions::{Attribution, possible, warning};
use axum::http::StatusCode;
use axum::response::Response;
use domain::ports::Record;
use domain::{Event, OrderId, OrderState, Origin, StatusView, Timestamp};
use operations::Projection;
use operations::advice::{self, Action, Advice};
use read_models::Row;
use workflow::{Described, HistoryEvent};

use crate::answer::{live, page, see_other, with_cookie};
use crate::frame::Frame;
use crate::list::encoded;
use crate::operator::Operator;
use crate::request::{ASKED, FLASH, PageRequest};
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// A pause that is pointed out.
const LONG_MS: u128 = 60_000;

#[derive(askama::Template)]
#[template(path = "order.html")]
struct OrderPage<'a> {
    frame: Frame<'a>,
    id: &'a str,
    status: &'static str,
    tone: &'static str,
    amount: String,
    customer: &'a str,
    attempt: u32,
    received: Moment,
    problems: Vec<ProblemView>,
    retry: Option<String>,
    may_act: bool,
    actions: Vec<Offer>,
    refused: Vec<(&'static str, String)>,
    timeline: Vec<Part>,
    payment: &'static str,
    authorized: String,
    captured: String,
    refunded: String,
    payment_id: &'a str,
    shipment: &'static str,
    carrier: String,
    tracking: String,
    country: String,
    message: &'static str,
    lines: Vec<(&'a str, u32, String)>,
    sums: Vec<(&'static str, String)>,
    links: Vec<(&'static str, String)>,
    commands: Vec<String>,
    execution_arn: String,
    raw: String,
}

#[derive(Debug)]
struct ProblemView {
    tone: &'static str,
    title: String,
    meaning: &'static str,
    more: String,
    todo: &'static str,
    runbook: &'static str,
    who: &'static str,
}

impl ProblemView {
    fn of(tone: &'static str, title: String, more: String, advice: Advice) -> Self {
        Self {
            tone,
            title,
            meaning: advice.meaning,
            more,
            todo: advice.recommended_action,
            runbook: advice.runbook,
            who: words::responsible(advice.who),
        }
    }
}

/// An action that is possible now.
#[derive(Debug)]
struct Offer {
    word: &'static str,
    verb: &'static str,
    consequence: &'static str,
    recommended: bool,
    dangerous: bool,
}

/// The entries of one attempt.
#[derive(Debug)]
struct Part {
    attempt: u32,
    execution: String,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    at: Moment,
    gap: String,
    long: bool,
    origin: String,
    event: String,
    detail: String,
    tone: &'static str,
    person: bool,
}

#[derive(askama::Template)]
#[template(path = "confirm.html")]
struct Confirm<'a> {
    frame: Frame<'a>,
    id: &'a str,
    word: &'static str,
    verb: &'static str,
    consequence: &'static str,
    dangerous: bool,
    attempt: u32,
    status: &'static str,
    tone: &'static str,
    authorized: String,
    captured: String,
    warning: Option<&'static str>,
    reason: &'a str,
}

/// What the page of an order is made of.
#[derive(Clone, Copy)]
struct Shown<'a> {
    record: &'a Record,
    projection: Option<&'a Projection>,
    described: &'a Described,
    view: &'a StatusView,
}

impl Console {
    /// An order, what Step Functions says of its execution, and what operators know of it.
    pub(crate) async fn inspect(
        &self,
        order_id: &OrderId,
    ) -> Result<(Record, Described, Option<Projection>), Failed> {
        let (inspected, row) = tokio::join!(
            self.actions.inspect(order_id),
            self.read_models.order(order_id)
        );
        let (record, described) = inspected?;
        Ok((record, described, row?.and_then(Row::projection)))
    }

    pub(crate) async fn order(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (record, described, projection) = self.inspect(order_id).await?;
        let workflow = &self.workflow;
        // Only the history knows of tries that failed; without it the page still has all that is kept.
        let history = workflow.history(&record.state).await.unwrap_or_default();
        let arn = workflow.execution_arn(&record.state);
        let view = StatusView::of(&record, described.execution.status, arn.clone(), now);
        let of = Shown {
            record: &record,
            projection: projection.as_ref(),
            described: &described,
            view: &view,
        };
        let mut shown = self.order_page(request, operator, &of, now);
        shown.timeline = timeline(&record, &view, &history, now);
        // What is said once is not kept: a browser that goes back would show it again.
        Ok(if shown.frame.flash.is_some() {
            with_cookie(page(StatusCode::OK, &shown), FLASH, "", 0)
        } else {
            live(request, &shown)
        })
    }

    fn order_page<'a>(
        &'a self,
        request: &'a PageRequest,
        operator: &'a Operator,
        of: &Shown<'a>,
        now: Timestamp,
    ) -> OrderPage<'a> {
        let Shown {
            record,
            projection,
            described,
            view,
        } = *of;
        let state = &record.state;
        let id = state.order_id.as_str();
        let status = words::status(view.status);
        let (offers, refused) = offers(record, projection, described, now);
        let order = &record.order;
        let frame = Frame::of(self, request, operator, None, now).titled(format!("{id} {status}"));
        OrderPage {
            id,
            status,
            tone: words::tone(view.status),
            amount: state.total.to_string(),
            customer: state.customer_id.as_str(),
            attempt: state.attempt,
            received: Moment::of(
                record
                    .earlier
                    .first()
                    .map_or(state.received_at, |first| first.received_at),
                now,
            ),
            problems: problems(record, projection, view, now),
            retry: projection
                .and_then(|projection| projection.retry.as_ref())
                .map(|retry| {
                    let (failed, of, next) = (retry.failed, retry.of, retry.next(now));
                    format!(
                        "{}: {failed} of {of} tries have failed with {}; {next}.",
                        retry.state, retry.error
                    )
                }),
            may_act: operator.may_act,
            actions: offers,
            refused,
            timeline: Vec::new(),
            payment: view.payment.status.as_str(),
            authorized: view.payment.authorized.to_string(),
            captured: view.payment.captured.to_string(),
            refunded: view.payment.refunded.to_string(),
            payment_id: state.held_payment().unwrap_or_default(),
            shipment: view.shipment.status.as_str(),
            carrier: view.shipment.carrier.clone().unwrap_or_default(),
            tracking: view.shipment.tracking_number.clone().unwrap_or_default(),
            // The country is what an operator needs; the address is nobody's business here.
            country: match &record.personal {
                Some(personal) => personal.shipping_address.country.clone(),
                None => "erased".to_owned(),
            },
            message: view.notification.status.as_str(),
            lines: order
                .lines
                .iter()
                .map(|line| {
                    (
                        line.sku.as_str(),
                        line.quantity.get(),
                        line.unit_price.to_string(),
                    )
                })
                .collect(),
            sums: vec![
                ("Shipping", order.shipping_fee.to_string()),
                ("Tax", order.tax.to_string()),
                ("Total", order.total.to_string()),
            ],
            links: self.links(state, &view.workflow.execution_arn, described),
            commands: self.commands(state),
            execution_arn: view.workflow.execution_arn.clone(),
            raw: serde_json::to_string_pretty(state).unwrap_or_default(),
            frame,
        }
    }

    /// To AWS's own console.
    fn links(
        &self,
        state: &OrderState,
        arn: &str,
        described: &Described,
    ) -> Vec<(&'static str, String)> {
        let Some(console) = &self.aws_console_url else {
            return Vec::new();
        };
        let region = arn.split(':').nth(3).unwrap_or_default();
        let machine = arn.split(':').nth(6).unwrap_or_default();
        let mut links = vec![(
            "Execution",
            format!("{console}/states/home?region={region}#/v2/executions/details/{arn}"),
        )];
        if let Some(trace) = &described.trace_id {
            links.push((
                "Trace",
                format!("{console}/cloudwatch/home?region={region}#xray:traces/{trace}"),
            ));
        }
        // The console escapes what is behind the # twice, with $ for %.
        let group = format!("/aws/vendedlogs/states/{machine}").replace('/', "$252F");
        let order = state.order_id.as_str();
        links.push((
            "Log",
            format!(
                "{console}/cloudwatch/home?region={region}#logsV2:log-groups/log-group/{group}\
                 /log-events$3FfilterPattern$3D$2522{order}$2522"
            ),
        ));
        links
    }

    /// Where there is no console of AWS.
    fn commands(&self, state: &OrderState) -> Vec<String> {
        if self.aws_console_url.is_some() {
            return Vec::new();
        }
        let order = &state.order_id;
        vec![
            format!("make logs ORDER={order}"),
            format!("target/debug/orderctl status {order}"),
        ]
    }

    /// A form's action: asks for a yes first.
    pub(crate) async fn act(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        action: Action,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let reason = crate::reason(request.field("reason").unwrap_or_default())?;
        if request.field("confirmed") != Some("yes") {
            let (record, described) = self.actions.inspect(order_id).await?;
            possible(action, &record, &described, now).map_err(Failed::NotPossible)?;
            // A page of its own to be asked on: one that answers a form is an error on the way back to it.
            let path = format!("orders/{order_id}/{action}");
            let there = see_other(&format!("{}{path}", request.root));
            let asked = encoded(&format!("{path} {reason}"));
            return Ok(with_cookie(there, ASKED, &asked, 600));
        }
        let who = Attribution {
            by: &operator.name,
            reason,
            at: now,
        };
        let done = self.actions.act(action, order_id, who).await?;
        let there = see_other(&format!("{}orders/{order_id}", request.root));
        let verb = words::verb(action);
        Ok(with_cookie(
            there,
            FLASH,
            &encoded(&format!("{verb}: {done}.")),
            60,
        ))
    }

    /// Asks for the yes.
    pub(crate) async fn confirm(
        &self,
        request: &PageRequest,
        operator: &Operator,
        order_id: &OrderId,
        action: Action,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let Some(reason) = request.asked(&format!("orders/{order_id}/{action}")) else {
            return Ok(see_other(&format!("{}orders/{order_id}", request.root)));
        };
        let (record, described) = self.actions.inspect(order_id).await?;
        if let Err(why) = possible(action, &record, &described, now) {
            let there = see_other(&format!("{}orders/{order_id}", request.root));
            let told = format!("{} is not possible now: {why}.", words::verb(action));
            return Ok(with_cookie(there, FLASH, &encoded(&told), 60));
        }
        let state = &record.state;
        let arn = self.workflow.execution_arn(state);
        let view = StatusView::of(&record, described.execution.status, arn, now);
        let verb = words::verb(action);
        let shown = Confirm {
            frame: Frame::of(self, request, operator, None, now)
                .titled(format!("{verb} {order_id}?"))
                .still(),
            id: order_id.as_str(),
            word: action.as_str(),
            verb,
            consequence: words::consequence(action),
            dangerous: words::is_dangerous(action),
            attempt: state.attempt,
            status: words::status(view.status),
            tone: words::tone(view.status),
            authorized: view.payment.authorized.to_string(),
            captured: view.payment.captured.to_string(),
            warning: warning(action, &record),
            reason: &reason,
        };
        Ok(page(StatusCode::OK, &shown))
    }
}

/// What is possible now, the advised action first; and what is not, with the reason.
fn offers(
    record: &Record,
    projection: Option<&Projection>,
    described: &Described,
    now: Timestamp,
) -> (Vec<Offer>, Vec<(&'static str, String)>) {
    let incidents = projection.iter();
    let incidents = incidents.flat_map(|projection| projection.incidents.keys());
    let advised: Vec<Action> = incidents
        .filter_map(|incident| incident.advice().action)
        .collect();
    let by_error = record.state.failure.as_ref().filter(|_| advised.is_empty());
    let by_error = by_error.and_then(|failure| advice::of_error(failure.error).action);
    let (mut offers, mut refused) = (Vec::new(), Vec::new());
    for action in Action::ALL.iter().copied() {
        match possible(action, record, described, now) {
            Ok(()) => offers.push(Offer {
                word: action.as_str(),
                verb: words::verb(action),
                consequence: words::consequence(action),
                recommended: advised.contains(&action) || by_error == Some(action),
                dangerous: words::is_dangerous(action),
            }),
            Err(why) => refused.push((words::verb(action), why)),
        }
    }
    offers.sort_by_key(|offer| !offer.recommended);
    (offers, refused)
}

fn problems(
    record: &Record,
    projection: Option<&Projection>,
    view: &StatusView,
    now: Timestamp,
) -> Vec<ProblemView> {
    let mut problems = Vec::new();
    for (projection, incident) in projection.iter().flat_map(|projection| {
        let incidents = projection.incidents.keys();
        incidents.map(move |incident| (projection, incident))
    }) {
        let mut more = Vec::new();
        if let Some(error) = &projection.last_error {
            more.push(format!("The last try ended with {error}."));
        }
        let discrepancies = projection.discrepancies.iter();
        more.extend(discrepancies.map(|discrepancy| words::sentence(&discrepancy.to_string())));
        if !projection.held.is_zero() {
            let held = projection.held;
            more.push(format!("{held} of the customer's money is held."));
        }
        if let Some(deadline) = projection.deadline {
            let Moment { text, ago, .. } = Moment::of(deadline, now);
            more.push(format!("It gets worse at {text} UTC, {ago}."));
        }
        let title = words::incident(*incident).to_owned();
        problems.push(ProblemView::of(
            "bad",
            title,
            more.join(" "),
            incident.advice(),
        ));
    }
    if let Some(failure) = &record.state.failure {
        let title = format!("{}: {}", failure.error, failure.message);
        let tone = if view.failure.is_some() && failure.error.class() != domain::Class::Customer {
            "warn"
        } else {
            "off"
        };
        problems.push(ProblemView::of(
            tone,
            title,
            String::new(),
            advice::of_error(failure.error),
        ));
    }
    if view.status == domain::Status::InReview {
        let advice = advice::of_error(domain::ErrorName::ReviewRequired);
        let title = "Waits for a person's decision".to_owned();
        problems.push(ProblemView::of("warn", title, String::new(), advice));
    }
    problems
}

/// Tries of tasks that failed, the oldest first: when, in which state, and why.
fn tries(latest_first: &[HistoryEvent]) -> Vec<(Timestamp, String, String)> {
    let mut state = String::new();
    let mut tries = Vec::new();
    for event in latest_first.iter().rev() {
        match event {
            HistoryEvent::StateEntered { state: entered } => state.clone_from(entered),
            HistoryEvent::TryFailed { at, error } => {
                tries.push((*at, state.clone(), error.to_string()));
            }
            HistoryEvent::Other => {}
        }
    }
    tries
}

/// The latest attempt first; within it, the oldest entry first.
fn timeline(
    record: &Record,
    view: &StatusView,
    history: &[HistoryEvent],
    now: Timestamp,
) -> Vec<Part> {
    let attempts = record.earlier.iter().chain([&record.state]);
    let mut parts: Vec<(&OrderState, Vec<(Timestamp, Entry)>)> =
        attempts.map(|state| (state, Vec::new())).collect();
    let mut add = |at: Timestamp, entry: Entry| {
        let of = parts
            .iter()
            .rposition(|(state, _)| at >= state.received_at)
            .unwrap_or(0);
        if let Some((_, entries)) = parts.get_mut(of) {
            entries.push((at, entry));
        }
    };
    for entry in &view.timeline {
        let person = matches!(entry.step, Origin::Operator | Origin::Monitor);
        add(
            entry.at,
            Entry {
                at: Moment::of(entry.at, now),
                gap: String::new(),
                long: false,
                origin: entry.step.to_string(),
                event: entry.event.as_str().replace('_', " "),
                detail: entry.detail.clone().unwrap_or_default(),
                tone: tone(entry.event, person),
                person,
            },
        );
    }
    for (at, state, error) in tries(history) {
        add(
            at,
            Entry {
                at: Moment::of(at, now),
                gap: String::new(),
                long: false,
                origin: state,
                event: "a try failed".to_owned(),
                detail: error,
                tone: "warn",
                person: false,
            },
        );
    }
    let parts = parts.into_iter().rev().map(|(state, mut entries)| {
        entries.sort_by_key(|(at, _)| *at);
        let mut before: Option<Timestamp> = None;
        let entries = entries.into_iter().map(|(at, mut entry)| {
            if let Some(before) = before {
                let ms = at.duration_since(before).as_millis().unsigned_abs();
                entry.gap = format!("+{}", words::span(ms));
                entry.long = ms >= LONG_MS;
            }
            before = Some(at);
            entry
        });
        Part {
            attempt: state.attempt,
            execution: state.execution_name(),
            entries: entries.collect(),
        }
    });
    parts.collect()
}

fn tone(event: Event, person: bool) -> &'static str {
    match event {
        _ if person => "info",
        Event::Declined
        | Event::Refused
        | Event::CaptureRefused
        | Event::Reversing
        | Event::Failed
        | Event::Rejected
        | Event::Cancelled => "bad",
        Event::AuthorizeStarted
        | Event::BookStarted
        | Event::CaptureStarted
        | Event::NotifyStarted
        | Event::UnbookStarted
        | Event::ReverseStarted
        | Event::NotifyFailureStarted
        | Event::ReviewRequested
        | Event::CancelRequested
        | Event::RedriveRequested
        | Event::ReprocessRequested
        | Event::ResendRequested
        | Event::ResolveRequested => "warn",
        Event::Received
        | Event::Approved
        | Event::Validated
        | Event::Authorized
        | Event::Booked
        | Event::Captured
        | Event::CustomerNotified
        | Event::ShipmentCancelled
        | Event::NoShipmentToCancel
        | Event::NoPaymentToReverse
        | Event::Voided
        | Event::Refunded
        | Event::Completed
        | Event::MessageWaived
        | Event::MessageGivenUp
        | Event::Started
        | Event::Woken
        | Event::EndRecorded
        | Event::Resolved => "ok",
    }
}
