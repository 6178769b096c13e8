//! What a provider holds and no order's ledger accounts for, and the one thing to do about it.

use actions::{Attribution, Reason, Refused};
use axum::http::StatusCode;
use axum::response::Response;
use domain::Timestamp;
use domain::books::PostingKind;
use operations::{LetGo, Orphan};
use serde::Deserialize;
use serde_json::json;

use crate::answer::{page, see_other_told};
use crate::api::not_json;
use crate::frame::Frame;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::words::{self, Moment};
use crate::{Console, Failed};

/// One of them, on the home page and on its own.
#[derive(Debug)]
pub(crate) struct OrphanView {
    pub(crate) reference: String,
    pub(crate) kind: &'static str,
    /// Empty if the provider does not say.
    pub(crate) order: String,
    pub(crate) stands: String,
    pub(crate) made: Moment,
    pub(crate) found: Moment,
    pub(crate) asked: Option<AskedView>,
}

#[derive(Debug)]
pub(crate) struct AskedView {
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) ago: String,
}

impl OrphanView {
    pub(crate) fn of(orphan: &Orphan, now: Timestamp) -> Self {
        let posting = &orphan.posting;
        let order = posting.order_id.as_ref();
        Self {
            reference: posting.reference.clone(),
            kind: match posting.kind {
                PostingKind::Payment => "Payment",
                PostingKind::Label => "Label",
            },
            order: order.map_or_else(String::new, ToString::to_string),
            stands: posting.stands.to_string(),
            made: Moment::of(posting.made_at, now),
            found: Moment::of(orphan.found_at, now),
            asked: orphan.let_go.as_ref().map(|asked: &LetGo| AskedView {
                by: asked.by.clone(),
                reason: asked.reason.clone(),
                ago: words::distance(asked.at, now),
            }),
        }
    }
}

#[derive(askama::Template)]
#[template(path = "orphan.html")]
struct Shown<'a> {
    frame: Frame<'a>,
    orphan: OrphanView,
    consequence: &'static str,
    may_act: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    reason: String,
}

impl Console {
    /// One orphan, and the form to let go of it.
    pub(crate) async fn orphan(
        &self,
        request: &PageRequest,
        operator: &Operator,
        reference: &str,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        let orphan = self.standing(reference).await?;
        let shown = Shown {
            frame: Frame::of(self, request, operator, None, now)
                .titled(format!("Let go of {reference}?"))
                .still(),
            consequence: orphan.consequence(),
            orphan: OrphanView::of(&orphan, now),
            may_act: operator.may_act,
        };
        Ok(page(StatusCode::OK, &shown))
    }

    /// The form that was filled in.
    pub(crate) async fn let_go(
        &self,
        request: &PageRequest,
        operator: &Operator,
        reference: &str,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        self.standing(reference).await?;
        let own = format!("{}orphans/{reference}", request.root);
        let typed = request.field("reason").unwrap_or_default();
        let reason = match typed.parse::<Reason>() {
            Ok(reason) => reason,
            Err(invalid) => return Ok(see_other_told(&own, &invalid.to_string())),
        };
        if request.field("confirmed") != Some("yes") {
            return Ok(see_other_told(&own, "Not done: it was not confirmed."));
        }
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let told = match self.actions.let_go(reference, who).await {
            Ok(done) => format!("Let go of {reference}: {done}."),
            Err(Refused::NotPossible(why)) => format!("Not done: {why}."),
            Err(refused) => return Err(refused.into()),
        };
        let home = if request.root.is_empty() {
            "./"
        } else {
            &request.root
        };
        Ok(see_other_told(home, &told))
    }

    /// `GET /api/orphans`.
    pub(crate) async fn api_orphans(&self) -> Result<Response, Failed> {
        let orphans = self.read_models.orphans().await?;
        let body = json!({"orphans": orphans.iter().map(listed).collect::<Vec<_>>()});
        Ok(web::json(StatusCode::OK, &body))
    }

    /// `POST /api/orphans/{reference}/let-go` with `{"reason": "…"}`.
    pub(crate) async fn api_let_go(
        &self,
        request: &PageRequest,
        operator: &Operator,
        reference: &str,
        now: Timestamp,
    ) -> Result<Response, Failed> {
        if !request.is_json() {
            return Ok(not_json());
        }
        let body: Body = serde_json::from_slice(&request.body)
            .map_err(|_| Failed::Invalid("Send {\"reason\": \"…\"}.".to_owned()))?;
        let reason = crate::reason(&body.reason)?;
        self.standing(reference).await?;
        let who = Attribution {
            by: &operator.name,
            reason: &reason,
            at: now,
        };
        let done = self.actions.let_go(reference, who).await?;
        let body = json!({"reference": reference, "action": "let_go", "result": done});
        Ok(web::json(StatusCode::OK, &body))
    }

    /// It, if it stands still.
    async fn standing(&self, reference: &str) -> Result<Orphan, Failed> {
        let orphan = self.read_models.orphan(reference).await?;
        let orphan = orphan.filter(|orphan| orphan.over_at.is_none());
        orphan.ok_or(Failed::NotFound)
    }
}

fn listed(orphan: &Orphan) -> serde_json::Value {
    let posting = &orphan.posting;
    json!({
        "reference": posting.reference,
        "kind": posting.kind,
        "order_id": posting.order_id,
        "stands": posting.stands,
        "made_at": posting.made_at,
        "found_at": orphan.found_at,
        "seen_at": orphan.seen_at,
        "let_go": orphan.let_go,
    })
}
