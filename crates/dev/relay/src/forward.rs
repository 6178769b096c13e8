//! The deployed half: an invocation goes on to the watch server.

use std::collections::BTreeMap;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

use crate::{DEADLINE, Error, REBUILT, environment_of};

/// Serves the function that it is deployed as.
pub(crate) async fn run() -> Result<(), Error> {
    let setting = |name: &str| std::env::var(name).map_err(|_| format!("{name} is missing"));
    let name = setting("AWS_LAMBDA_FUNCTION_NAME")?;
    let function = function_of(&name).to_owned();
    let server = setting("ORDERS_WATCH_URL")?;
    let folder = std::env::temp_dir().join("watched");
    std::fs::create_dir_all(&folder)?;
    let environment: BTreeMap<String, String> = std::env::vars().collect();
    std::fs::write(
        environment_of(&folder, &function),
        serde_json::to_vec(&environment)?,
    )?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = &format!("{server}/2015-03-31/functions/{function}/invocations");
    let client = &client;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Value>| {
        forward(client, url, event).await
    }))
    .await
}

/// The function of `orders-<environment>-<function>`, whose own name may have a hyphen; the environment of a
/// local stack has none.
fn function_of(deployed: &str) -> &str {
    deployed.splitn(3, '-').nth(2).unwrap_or(deployed)
}

async fn forward(
    client: &reqwest::Client,
    url: &str,
    event: LambdaEvent<Value>,
) -> Result<Value, Diagnostic> {
    loop {
        let request = client
            .post(url)
            .header(DEADLINE, event.context.deadline)
            .json(&event.payload);
        let answer = request.send().await.map_err(|error| {
            let text = format!("cargo lambda watch does not answer: {error}");
            raised("Relay.NoServer", text)
        })?;
        let fine = answer.status().is_success();
        let body: Value = answer.json().await.map_err(|error| {
            let text = format!("cargo lambda watch answered what is not JSON: {error}");
            raised("Relay.NoAnswer", text)
        })?;
        match (fine, body["errorType"].as_str()) {
            (true, _) => return Ok(body),
            // The new build answers. Doing a thing twice is what every function has to bear.
            (false, Some(REBUILT)) => (),
            (false, Some(name)) => {
                let message = body["errorMessage"].as_str().unwrap_or_default();
                return Err(raised(name, message.to_owned()));
            }
            (false, None) => return Err(raised("Relay.NoAnswer", body.to_string())),
        }
    }
}

fn raised(name: &str, message: String) -> Diagnostic {
    Diagnostic {
        error_type: name.to_owned(),
        error_message: message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_of_the_table_is_told_from_its_deployed_name() {
        let table = include_str!("../../../../terraform/functions.json");
        let table: BTreeMap<String, Value> = serde_json::from_str(table).expect("the table");
        assert!(table.contains_key("intake-queue"));
        for name in table.keys() {
            assert_eq!(function_of(&format!("orders-local-{name}")), name);
        }
    }
}
