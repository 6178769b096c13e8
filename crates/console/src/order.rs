//! An order: its journey, its money, and what can be done about it.

use actions::{Attribution, Fate, Reason, Refused, possible, warning};
use axum::http::header::{CACHE_CONTROL, REFERRER_POLICY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use domain::ports::Record;
use domain::view::refused_undo;
use domain::{
    Actor, AuditEvent, Changes, Event, OrderId, OrderState, PaymentStatus, Settlement,
    ShipmentStatus, StatusView, Timestamp,
};
use operations::advice::{self, Action};
use operations::{ProcessState, Projection, Retry};
use read_models::Row;
use tracing::info;
use workflow::Described;

use crate::answer::{live, page, see_other, with_cookie, with_flash};
use crate::frame::Frame;
use crate::list::encoded;
use crate::modify::is_modifiable;
use crate::operator::Operator;
use crate::problems::{ProblemView, problems};
use crate::request::{ASKED, PageRequest};
use crate::timeline::{History, Part, timeline};
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// So many attempts' executions are asked for their histories, the latest.
const HISTORIES: usize = 5;

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
    may_act: bool,
    may_modify: bool,
    actions: Vec<Offer>,
    refused: Vec<(&'static str, String)>,
    timeline: Vec<Part>,
    payment: &'static str,
    money: Vec<(&'static str, String)>,
    payment_id: &'a str,
    shipment: &'static str,
    carrier: String,
    tracking: String,
    label: Vec<(&'static str, String)>,
    has_document: bool,
    country: String,
    message: &'static str,
    lines: Vec<(&'a str, u32, String)>,
    sums: Vec<(&'static str, String)>,
    links: Vec<(&'static str, String)>,
    commands: Vec<String>,
    execution_arn: String,
    raw: String,
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
    /// What is wrong with the reason. Empty if nothing is.
    complaint: String,
    /// Where a restart can begin. None for other actions.
    starts: Vec<Start>,
    /// What an order can be settled as. None for other actions.
    settlements: &'static [Settlement],
}

/// What an action needs besides a reason, as it was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs<'a> {
    /// Where a restart begins.
    pub(crate) from: Option<&'a str>,
    /// What a restart changes.
    pub(crate) changes: Option<&'a Changes>,
    /// What an order is settled as.
    pub(crate) settled_as: Option<&'a str>,
}

/// A state from which a new attempt can go on, or why it cannot.
#[derive(Debug)]
struct Start {
    from: &'static str,
    /// Where the last attempt stopped.
    usual: bool,
    why_not: Option<String>,
    effects: Vec<(&'static str, String)>,
}

impl Start {
    fn of(offer: actions::Offer, state: &OrderState) -> Self {
        let fate = |fate| match fate {
            Fate::Kept(what) => format!("kept: {what}"),
            Fate::Again(what) => format!("done again: {what}"),
            Fate::ToDo => "still to be done".to_owned(),
        };
        let effects = offer.effects.into_iter();
        Self {
            from: offer.from.as_str(),
            usual: ProcessState::of(state).is_some_and(|(at, _)| at == offer.from),
            why_not: offer.possible.err(),
            effects: effects
                .map(|(of, what)| (of.as_str(), fate(what)))
                .collect(),
        }
    }
}

/// What the page of an order is made of.
#[derive(Clone, Copy)]
struct Shown<'a> {
    record: &'a Record,
    projection: Option<&'a Projection>,
    described: &'a Described,
    view: &'a StatusView,
    /// Which try of its task it is at, as its history tells just now, if that was read.
    retry: Option<&'a Retry>,
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
        let histories = self.histories(&record).await;
        let retry = match histories.last() {
            Some((_, history)) => self.rules.retry(history),
            None => projection
                .as_ref()
                .and_then(|projection| projection.retry.clone()),
        };
        let arn = self.workflow.execution_arn(&record.state);
        let view = StatusView::of(&record, described.execution.status, arn.clone(), now);
        let of = Shown {
            record: &record,
            projection: projection.as_ref(),
            described: &described,
            view: &view,
            retry: retry.as_ref(),
        };
        let mut shown = self.order_page(request, operator, &of, now);
        shown.timeline = timeline(&record, &view, &histories, now);
        Ok(live(request, &shown))
    }

    /// What the executions of the latest attempts tell, the latest attempt last. Only they know of tries that
    /// failed; without them the page still has all that is kept.
    async fn histories(&self, record: &Record) -> Vec<History> {
        let attempts: Vec<&OrderState> = record.earlier.iter().chain([&record.state]).collect();
        let latest = attempts.len().saturating_sub(HISTORIES);
        let asked = attempts[latest..].iter().map(async |state| {
            let history = self.workflow.history(state).await.ok()?;
            Some((state.attempt, history))
        });
        futures_util::future::join_all(asked)
            .await
            .into_iter()
            .flatten()
            .collect()
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
            retry,
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
            problems: problems(record, projection, view, retry, now),
            may_act: operator.may_act,
            may_modify: is_modifiable(state, now),
            actions: offers,
            refused,
            timeline: Vec::new(),
            payment: view.payment.status.as_str(),
            money: money(state, view),
            payment_id: state.held_payment().unwrap_or_default(),
            shipment: view.shipment.status.as_str(),
            carrier: view.shipment.carrier.clone().unwrap_or_default(),
            tracking: view.shipment.tracking_number.clone().unwrap_or_default(),
            label: label(view),
            has_document: operator.may_act
                && record.personal.is_some()
                && view.shipment.status == ShipmentStatus::Booked,
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

    /// `GET /orders/{id}/label`: leads to the label's document at the carrier, and keeps nothing of the way there.
    pub(crate) async fn label(
        &self,
        operator: &Operator,
        order_id: &OrderId,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let (by, how) = (&operator.name, "opened on the page");
        let document = self.actions.label_document(order_id, by, how, now);
        let mut response = see_other(&document.await?);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        Ok(response)
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
        let typed = request.field("reason").unwrap_or_default();
        let ask = |reason: &str| {
            // A page of its own to be asked on: one that answers a form is an error on the way back to it.
            let path = format!("orders/{order_id}/{action}");
            let there = see_other(&format!("{}{path}", request.root));
            let asked = encoded(&format!("{path} {reason}"));
            with_cookie(there, ASKED, &asked, 600)
        };
        let Ok(reason) = typed.parse::<Reason>() else {
            // Enough of it to be shortened.
            let kept: String = typed.trim().chars().take(Reason::LONGEST + 50).collect();
            return Ok(ask(&kept));
        };
        if request.field("confirmed") != Some("yes") {
            let (record, described) = self.actions.inspect(order_id).await?;
            return Ok(match possible(action, &record, &described, now) {
                Ok(()) => ask(reason.as_str()),
                Err(why) => {
                    let quicker = quicker(action, &record, &described);
                    not_done(request, order_id, quicker, &why, now)
                }
            });
        }
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let needs = Needs {
            from: request.field("from"),
            changes: None,
            settled_as: request.field("as"),
        };
        let done = match self.act_with(action, order_id, needs, who).await {
            Ok(done) => done,
            Err(Refused::NotPossible(why)) => {
                let (mut record, described) = self.actions.inspect(order_id).await?;
                // A cancellation is noted before it is refused.
                let is_ours =
                    |entry: &AuditEvent| entry.at.as_millisecond() == now.as_millisecond();
                record.audit.retain(|entry| !is_ours(entry));
                let quicker = quicker(action, &record, &described);
                return Ok(not_done(request, order_id, quicker, &why, now));
            }
            Err(refused) => return Err(refused.into()),
        };
        let there = see_other(&format!("{}orders/{order_id}", request.root));
        let verb = words::verb(action);
        Ok(with_flash(there, &format!("{verb}: {done}.")))
    }

    /// Does it; a restart begins in the state that was chosen, a new attempt has these changes, and an order is
    /// settled as what was chosen.
    pub(crate) async fn act_with(
        &self,
        action: Action,
        order_id: &OrderId,
        needs: Needs<'_>,
        who: Attribution<'_>,
    ) -> Result<String, Refused> {
        let Needs {
            from,
            changes,
            settled_as,
        } = needs;
        if let (Action::Settle, Some(settled_as)) = (action, settled_as) {
            let settlement = Settlement::from_word(settled_as);
            let why = "an order cannot be settled as that";
            let settlement = settlement.ok_or_else(|| Refused::NotPossible(why.to_owned()))?;
            return self.actions.settle(order_id, settlement, who).await;
        }
        if action == Action::Reprocess {
            return self.actions.reprocess(order_id, changes, who).await;
        }
        if action != Action::Restart {
            return self.actions.act(action, order_id, who).await;
        }
        let from = from.map(|name| {
            let why = "the process has no such state to begin in";
            ProcessState::from_word(name).ok_or_else(|| Refused::NotPossible(why.to_owned()))
        });
        let from = from.transpose()?;
        self.actions.restart(order_id, from, changes, who).await
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
            return Ok(with_flash(there, &told));
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
            consequence: action.consequence(),
            dangerous: words::is_dangerous(action),
            attempt: state.attempt,
            status: words::status(view.status),
            tone: words::tone(view.status),
            authorized: view.payment.authorized.to_string(),
            captured: view.payment.captured.to_string(),
            warning: warning(action, &record),
            reason: &reason,
            complaint: match reason.parse::<Reason>() {
                Ok(_) => String::new(),
                Err(invalid) => invalid.to_string(),
            },
            starts: if action == Action::Restart {
                // Where it stopped comes first.
                let offers = actions::offers(&record, &described, now).into_iter().rev();
                offers.map(|offer| Start::of(offer, state)).collect()
            } else {
                Vec::new()
            },
            settlements: if action == Action::Settle {
                Settlement::possible(state).unwrap_or_default()
            } else {
                &[]
            },
        };
        Ok(page(StatusCode::OK, &shown))
    }
}

/// Who was quicker, what they did and when, if that is why an action is not possible any more. A note alone is no
/// deed: what it announces may have been refused.
fn quicker<'a>(
    action: Action,
    record: &'a Record,
    described: &Described,
) -> Option<(&'static str, &'a AuditEvent)> {
    const APPROVED: (Event, &str) = (Event::Approved, "the order was approved");
    const REJECTED: (Event, &str) = (Event::Rejected, "the order was rejected");
    const CANCELLED: (Event, &str) = (Event::Cancelled, "the order was cancelled");
    const GIVEN_UP: (Event, &str) = (Event::MessageGivenUp, "its message was given up");
    let state = &record.state;
    let is_decided = state
        .review
        .as_ref()
        .is_some_and(|of| of.decision.is_some());
    let at_work = !described.execution.status.has_ended();
    let deeds: &[(Event, &'static str)] = match action {
        Action::Approve | Action::Reject if is_decided => &[APPROVED, REJECTED],
        Action::Approve | Action::Reject | Action::Cancel if state.cancel.is_some() => &[CANCELLED],
        Action::Cancel if is_decided => &[REJECTED],
        Action::Redrive if at_work => &[(Event::RedriveRequested, "the order was redriven")],
        Action::Restart if at_work => &[(Event::RestartRequested, "the order was restarted")],
        Action::Approve | Action::Reject | Action::Cancel | Action::Redrive | Action::Restart => {
            &[]
        }
        Action::Reprocess => &[(Event::ReprocessRequested, "the order was reprocessed")],
        Action::Resend => &[
            (Event::ResendRequested, "its message was sent again"),
            GIVEN_UP,
        ],
        Action::Settle => &[(Event::Settled, "the order was settled")],
        Action::GiveBack => &[(Event::GiveBackRequested, "the money was given back")],
        Action::Resolve => &[
            (Event::ResolveRequested, "the providers were asked"),
            GIVEN_UP,
        ],
    };
    let done = record.audit.iter().filter_map(|entry| {
        let (_, what) = deeds.iter().find(|(event, _)| *event == entry.event)?;
        matches!(entry.by, Actor::Operator(_)).then_some((*what, entry))
    });
    done.max_by_key(|(_, entry)| entry.at)
}

/// Back on the order, which says why nothing was done.
fn not_done(
    request: &PageRequest,
    order_id: &OrderId,
    quicker: Option<(&'static str, &AuditEvent)>,
    why: &str,
    now: Timestamp,
) -> Response {
    info!(why, "not possible");
    let there = see_other(&format!("{}orders/{order_id}", request.root));
    let told = match quicker {
        Some((what, AuditEvent { at, by, .. })) => {
            let ago = words::distance(*at, now);
            format!("Not done: {what} by {by}, {ago}; {why}.")
        }
        None => format!("Not done: {why}."),
    };
    with_flash(there, &told)
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
    let mut advised: Vec<Action> = incidents
        .filter_map(|incident| incident.advice().action)
        .collect();
    if advised.is_empty() {
        let failure = record.state.failure.as_ref();
        advised.extend(failure.and_then(|failure| advice::of_error(failure.error).action));
    }
    if refused_undo(&record.state).is_some() {
        // A redrive would come to the same.
        advised.insert(0, Action::Settle);
    }
    // What the most pressing trouble advises comes first.
    let rank = |action: &Action| {
        let mut advised = advised.iter();
        advised
            .position(|advised| advised == action)
            .unwrap_or(usize::MAX)
    };
    let (mut offers, mut refused) = (Vec::new(), Vec::new());
    for action in Action::ALL.iter().copied() {
        match possible(action, record, described, now) {
            Ok(()) => offers.push(Offer {
                word: action.as_str(),
                verb: words::verb(action),
                consequence: action.consequence(),
                recommended: rank(&action) < advised.len(),
                dangerous: words::is_dangerous(action),
            }),
            Err(why) => refused.push((words::verb(action), why)),
        }
    }
    offers.sort_by_key(|offer| Action::from_word(offer.word).map(|action| rank(&action)));
    (offers, refused)
}

/// What is known of the label, for whoever packs, and whoever calls the carrier. Noting it must not fail the
/// booking, so it may be missing.
fn label(view: &StatusView) -> Vec<(&'static str, String)> {
    let unknown = || "not recorded".to_owned();
    let Some(label) = &view.shipment.label else {
        let was_bought = view.shipment.tracking_number.is_some();
        return was_bought
            .then(|| ("Cost", unknown()))
            .into_iter()
            .collect();
    };
    let mut told = vec![(
        "Cost",
        label.cost.map_or_else(unknown, |cost| cost.to_string()),
    )];
    for parcel in &label.parcels {
        let weight = parcel.weight_g.map(|grams| format!("{grams} g"));
        let tracking = parcel.tracking.clone();
        let parts: Vec<String> = weight.into_iter().chain(tracking).collect();
        told.push(("Parcel", parts.join(", ")));
    }
    if let Some(request) = &label.request {
        told.push(("Carrier's request", request.clone()));
    }
    told
}

/// What moved of the order's money, in words that a person checks against the provider's dashboard.
fn money(state: &OrderState, view: &StatusView) -> Vec<(&'static str, String)> {
    let payment = &view.payment;
    let authorized = match payment.status {
        PaymentStatus::Unknown if payment.authorized.is_zero() => {
            format!("unknown, at most {}", state.total)
        }
        _ => payment.authorized.to_string(),
    };
    let mut money = vec![
        ("Authorised", authorized),
        ("Captured", payment.captured.to_string()),
    ];
    if payment.status == PaymentStatus::Voided {
        money.push(("Voided", payment.authorized.to_string()));
    } else {
        money.push(("Refunded", payment.refunded.to_string()));
    }
    money
}
