//! What the SDK takes for its HTTP client.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::{Answer, Fate, Request, Wire};

/// No request gets there.
pub(crate) const ENDPOINT: &str = "http://wire";

/// One caller's end of the wire.
struct Connector {
    wire: Wire,
    caller: Arc<str>,
}

impl fmt::Debug for Connector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Connector({})", self.caller)
    }
}

pub(crate) fn client(wire: &Wire, caller: &str) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(Connector {
        wire: wire.clone(),
        caller: caller.into(),
    });
    http_client_fn(move |_, _| connector.clone())
}

fn lost() -> ConnectorError {
    ConnectorError::io("the connection broke".into())
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let path = request.uri().strip_prefix(ENDPOINT).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default();
        let target = request.headers().get("x-amz-target");
        let body = request.body().bytes().unwrap_or_default();
        let Some(read) = Request::read(self.caller.clone(), target, path, body) else {
            panic!("a request to a service that nobody knows: {path} {target:?}");
        };
        HttpConnectorFuture::new(exchange(self.wire.clone(), read))
    }
}

async fn exchange(wire: Wire, request: Request) -> Result<HttpResponse, ConnectorError> {
    let listener = {
        let mut ends = wire.ends();
        ends.calls += 1;
        ends.listener.clone()
    };
    let Some(listener) = listener else {
        return response(wire.ask(request).await);
    };
    match listener.before(&request).await {
        Fate::Arrives => {}
        Fate::Instead(answer) => return response(answer),
        Fate::Lost => return Err(lost()),
    }
    let answer = wire.ask(request.clone()).await;
    match listener.after(&request, &answer).await {
        Fate::Arrives => response(answer),
        Fate::Instead(other) => response(other),
        Fate::Lost => Err(lost()),
    }
}

fn response(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(answer.status);
    let status = status.map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}
