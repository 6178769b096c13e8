//! What is around every page.

use domain::Timestamp;

use operations::snapshot::Snapshot;

use crate::Console;
use crate::assets;
use crate::operator::Operator;
use crate::request::PageRequest;
use crate::words::clock;

/// A snapshot that is older than this is told to be.
const STALE_S: i64 = 150;

/// What is around every page.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing of its own on the page"
)]
pub(crate) struct Frame<'a> {
    pub(crate) root: &'a str,
    pub(crate) assets: &'static str,
    pub(crate) environment: &'a str,
    pub(crate) title: String,
    pub(crate) here: &'static str,
    /// Whether somebody is signed in.
    pub(crate) inside: bool,
    pub(crate) operator: &'a str,
    pub(crate) signs_out: bool,
    pub(crate) query: &'a str,
    pub(crate) as_of_iso: String,
    pub(crate) as_of: String,
    pub(crate) is_stale: bool,
    pub(crate) polls: bool,
    pub(crate) flash: Option<String>,
}

impl<'a> Frame<'a> {
    /// For somebody who is signed in; `snapshot` if the page shows its numbers.
    pub(crate) fn of(
        console: &'a Console,
        request: &'a PageRequest,
        operator: &'a Operator,
        snapshot: Option<&Snapshot>,
        now: Timestamp,
    ) -> Self {
        let as_of = snapshot.map_or(now, |snapshot| snapshot.at);
        Self {
            root: &request.root,
            assets: assets::tag(),
            environment: &console.environment,
            title: String::new(),
            here: match request.path.split('/').next() {
                Some("") | None => "home",
                Some("bulk") => "bulks",
                Some("finance" | "finance.csv") => "finance",
                Some("runbook") => "runbook",
                Some(_) => "orders",
            },
            inside: true,
            operator: &operator.name,
            signs_out: operator.signs_out,
            query: request.query("q").unwrap_or_default(),
            as_of_iso: format!("{as_of:.3}"),
            as_of: clock(as_of),
            is_stale: now.duration_since(as_of).as_secs() > STALE_S,
            polls: true,
            flash: request.flash(),
        }
    }

    /// For anybody.
    pub(crate) fn outside(root: &'a str) -> Self {
        Self {
            root,
            assets: assets::tag(),
            environment: "",
            title: String::new(),
            here: "",
            inside: false,
            operator: "",
            signs_out: false,
            query: "",
            as_of_iso: String::new(),
            as_of: String::new(),
            is_stale: false,
            polls: false,
            flash: None,
        }
    }

    pub(crate) fn titled(self, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// A page that stays as it is until somebody does something.
    pub(crate) fn still(self) -> Self {
        Self {
            polls: false,
            ..self
        }
    }

    /// A link to the home page: an empty one would lead to where the reader is.
    pub(crate) fn home(&self) -> &str {
        if self.root.is_empty() {
            "./"
        } else {
            self.root
        }
    }
}
