//! An order as one row of a list.

use domain::{TaskError, Timestamp};
use operations::{ProcessState, Projection};

use crate::words::{self, Moment};

/// An order as one row of a list.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) tone: &'static str,
    pub(crate) state: &'static str,
    pub(crate) since: Moment,
    pub(crate) health: &'static str,
    pub(crate) health_tone: &'static str,
    pub(crate) is_over: bool,
    pub(crate) waits: String,
    pub(crate) incidents: Vec<&'static str>,
    pub(crate) error: String,
    pub(crate) amount: String,
    pub(crate) received: Moment,
    pub(crate) deadline: Option<Moment>,
}

impl Row {
    pub(crate) fn of(projection: &Projection, now: Timestamp) -> Self {
        let error = projection.error.map(TaskError::from);
        let error = projection.last_error.clone().or(error);
        Self {
            id: projection.order_id.to_string(),
            status: words::status(projection.status),
            tone: words::tone(projection.status),
            state: projection
                .state
                .or(projection.failed_in)
                .map_or("", ProcessState::as_str),
            since: Moment::of(projection.since, now),
            health: words::health(projection.health),
            health_tone: words::health_tone(projection.health),
            is_over: projection.state.is_none(),
            waits: words::waits(projection, now),
            incidents: projection
                .incidents
                .keys()
                .map(|incident| words::incident(*incident))
                .collect(),
            error: error.map(String::from).unwrap_or_default(),
            amount: projection.total.to_string(),
            received: Moment::of(projection.received_at, now),
            deadline: Moment::maybe(projection.deadline, now),
        }
    }
}
