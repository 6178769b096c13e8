//! An order as one row of a list.

use domain::Timestamp;
use domain::watch::{Place, Watch};

use crate::words::{self, Moment};

/// An order as one row of a list.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) step: &'static str,
    pub(crate) since: Moment,
    pub(crate) health: &'static str,
    pub(crate) health_tone: &'static str,
    pub(crate) is_over: bool,
    pub(crate) waits: String,
    pub(crate) troubles: Vec<&'static str>,
    pub(crate) error: String,
    pub(crate) amount: String,
    pub(crate) received: Moment,
    pub(crate) deadline: Option<Moment>,
}

impl Row {
    pub(crate) fn of(watch: &Watch, now: Timestamp) -> Self {
        let error = watch.error.map(|error| error.as_str().to_owned());
        Self {
            id: watch.order_id.to_string(),
            status: words::status(watch.status),
            tone: words::tone(watch.status),
            step: watch.place.or(watch.failed_in).map_or("", Place::as_str),
            since: Moment::of(watch.since, now),
            health: words::health(watch.health),
            health_tone: words::health_tone(watch.health),
            is_over: watch.place.is_none(),
            waits: words::waits(watch, now),
            troubles: watch
                .troubles
                .keys()
                .map(|trouble| words::trouble(*trouble))
                .collect(),
            error: watch.last_error.clone().or(error).unwrap_or_default(),
            amount: watch.total.to_string(),
            received: Moment::of(watch.received_at, now),
            deadline: Moment::maybe(watch.deadline, now),
        }
    }
}
