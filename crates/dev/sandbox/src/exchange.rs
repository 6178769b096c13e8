//! The way of every provider call: idempotency key, fault, effect, answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Query, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::sync::futures::OwnedNotified;

use crate::answer::{Answer, Dialect};
use crate::connection::Connection;
use crate::faults::{Fault, Mode, Target};
use crate::idempotency::{Keyed, Known};
use crate::world::{Shared, World};

/// What the provider decides on a call that it carries out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    AsUsual,
    /// A planted `decline`.
    No,
    /// A planted `pending`: of a refund or an authorisation.
    Pending,
    /// A planted `fail`: only of a refund.
    Fails,
    /// A planted `refuse_for_good`: only of a cancellation.
    Used,
    /// A planted `challenge`: the bank asks the customer something.
    Asks,
    /// A planted `hide`: what was made since is not found.
    Hides(Timestamp),
}

impl Verdict {
    /// Whether what was made then is found.
    pub(crate) fn sees(self, made_at: Timestamp) -> bool {
        match self {
            Self::No => false,
            Self::Hides(since) => made_at < since,
            Self::AsUsual | Self::Pending | Self::Fails | Self::Used | Self::Asks => true,
        }
    }
}

/// A request as received, before a provider makes sense of it.
pub(crate) struct Received {
    pub(crate) shared: Shared,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// Or the status that refused it (413 above the limit).
    pub(crate) body: Result<Bytes, StatusCode>,
    connection: Option<Connection>,
}

impl FromRequest<Shared> for Received {
    type Rejection = Infallible;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Infallible> {
        let method = request.method().clone();
        let uri = request.uri().clone();
        let headers = request.headers().clone();
        let connection = request
            .extensions()
            .get::<ConnectInfo<Connection>>()
            .map(|info| info.0.clone());
        let body = Bytes::from_request(request, shared)
            .await
            .map_err(|rejection| rejection.into_response().status());
        Ok(Self {
            shared: shared.clone(),
            method,
            uri,
            headers,
            body,
            connection,
        })
    }
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// `None` when it cannot be decoded.
    pub(crate) fn query(&self) -> Option<Vec<(String, String)>> {
        let query = Query::try_from_uri(&self.uri);
        query.ok().map(|Query(pairs)| pairs)
    }

    /// Carries a valid call out, with whatever fault is planted for it.
    pub(crate) async fn carry_out<Act>(
        self,
        dialect: Dialect,
        target: Target,
        keyed: Option<Keyed>,
        act: Act,
    ) -> Response
    where
        Act: FnOnce(&mut World, Verdict) -> Answer + Send + 'static,
    {
        // On a task of its own: a provider finishes what it has begun, also when the client has
        // given up waiting and its connection is gone.
        let exchanged = tokio::spawn(exchange(self.shared, dialect, target, keyed, act)).await;
        if let Ok(Some(answer)) = exchanged {
            return answer.into_response();
        }
        if let Some(connection) = self.connection {
            connection.cut();
        }
        // Never reaches anybody: writing it is what resets the connection.
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

/// `None` is no answer at all.
async fn exchange<Act>(
    shared: Shared,
    dialect: Dialect,
    target: Target,
    keyed: Option<Keyed>,
    act: Act,
) -> Option<Answer>
where
    Act: FnOnce(&mut World, Verdict) -> Answer,
{
    let mut admitted = match admit(&mut shared.lock(), dialect, &target, keyed) {
        Ok(admitted) => admitted,
        Err(answer) => return Some(answer),
    };
    let Some((fault, reset)) = admitted.fault.take() else {
        return admitted.run(&shared, Verdict::AsUsual, act);
    };
    let pause = async {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(fault.delay_ms)) => {}
            () = reset => {}
        }
    };
    match fault.mode {
        Mode::Error => {
            pause.await;
            Some((dialect.planted)(&fault))
        }
        Mode::Refuse => {
            pause.await;
            None
        }
        Mode::LoseResponse => {
            admitted.run(&shared, Verdict::AsUsual, act);
            pause.await;
            None
        }
        Mode::Delay | Mode::Late => {
            pause.await;
            admitted.run(&shared, Verdict::AsUsual, act)
        }
        Mode::Challenge => {
            pause.await;
            admitted.run(&shared, Verdict::Asks, act)
        }
        Mode::Hide => {
            let since = Timestamp::now() - Duration::from_millis(fault.delay_ms);
            admitted.run(&shared, Verdict::Hides(since), act)
        }
        Mode::Decline => {
            pause.await;
            admitted.run(&shared, Verdict::No, act)
        }
        Mode::Pending => {
            pause.await;
            admitted.run(&shared, Verdict::Pending, act)
        }
        Mode::Fail => {
            pause.await;
            admitted.run(&shared, Verdict::Fails, act)
        }
        Mode::RefuseForGood => {
            pause.await;
            admitted.run(&shared, Verdict::Used, act)
        }
    }
}

/// A call that may proceed.
struct Admitted {
    generation: u64,
    keyed: Option<Keyed>,
    replay: Option<Answer>,
    /// With what ends its delay early.
    fault: Option<(Fault, OwnedNotified)>,
}

fn admit(
    world: &mut World,
    dialect: Dialect,
    target: &Target,
    keyed: Option<Keyed>,
) -> Result<Admitted, Answer> {
    let known = keyed
        .as_ref()
        .map_or(Known::New, |keyed| world.keys.look_up(keyed));
    let replay = match known {
        Known::New => None,
        Known::Stored(answer) => Some(answer.with_header("idempotent-replayed", "true")),
        Known::InFlight => return Err((dialect.key_in_use)()),
        Known::OtherRequest => return Err((dialect.key_of_another_request)()),
    };
    let fault = world
        .faults
        .take(target, replay.is_some())
        .map(|(fault, fired)| {
            world.ledger.faults_fired.push(fired);
            fault
        });
    if let (Some(keyed), None) = (&keyed, &replay) {
        match fault.as_ref().map(|fault| (fault.mode, fault)) {
            Some((Mode::Error, fault)) if fault.stored => {
                let answer = (dialect.planted)(fault);
                world.keys.store(keyed, answer);
            }
            Some((Mode::Error | Mode::Refuse, _)) => {}
            Some((
                Mode::LoseResponse
                | Mode::Delay
                | Mode::Late
                | Mode::Decline
                | Mode::Challenge
                | Mode::Hide
                | Mode::Pending
                | Mode::Fail
                | Mode::RefuseForGood,
                _,
            ))
            | None => world.keys.begin(keyed),
        }
    }
    Ok(Admitted {
        generation: world.generation(),
        keyed,
        replay,
        fault: fault.map(|fault| (fault, world.next_reset())),
    })
}

impl Admitted {
    fn run<Act>(self, shared: &Shared, verdict: Verdict, act: Act) -> Option<Answer>
    where
        Act: FnOnce(&mut World, Verdict) -> Answer,
    {
        let mut world = shared.lock();
        if world.generation() != self.generation {
            return None;
        }
        if let Some(answer) = self.replay {
            return Some(answer);
        }
        let answer = act(&mut world, verdict);
        if let Some(keyed) = &self.keyed {
            world.keys.store(keyed, answer.clone());
        }
        Some(answer)
    }
}
