//! The payment provider and the carrier, embedded: faults to plant, and what really happened.

use reqwest::Client;
use serde_json::{Value, json};

/// A sandbox of this test's own, on a port of its own. It ends with the test's runtime.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Its base URL: for both adapters.
    pub url: String,
    http: Client,
}

/// Starts the sandbox.
pub async fn sandbox() -> Sandbox {
    let server = sandbox::Server::bind(&sandbox::Config { port: 0 })
        .await
        .expect("a free port");
    let url = server.url();
    tokio::spawn(server.run());
    Sandbox {
        url,
        // It speaks no TLS; reading the machine's certificates would take most of a short test.
        http: Client::builder()
            .tls_certs_only([])
            .build()
            .expect("a client"),
    }
}

impl Sandbox {
    /// Plants a fault that hits one call, for whichever order.
    pub async fn plant(&self, provider: &str, operation: &str, mode: &str) {
        let fault =
            json!({"provider": provider, "operation": operation, "mode": mode, "order_id": "*"});
        self.plant_fault(&fault).await;
    }

    /// Plants a fault that hits whatever is found of payments at once, for whichever order: a list and a
    /// search.
    pub async fn plant_finds(&self, mode: &str) {
        let fault = json!({"provider": "payment", "operation": "find", "mode": mode,
            "order_id": "*", "times": 2, "delay_ms": if mode == "hide" { 600_000 } else { 0 }});
        self.plant_fault(&fault).await;
    }

    /// Plants an `error` with this status that hits one call, for whichever order.
    pub async fn plant_status(&self, provider: &str, operation: &str, status: u16) {
        let fault = json!({"provider": provider, "operation": operation, "mode": "error",
            "status": status, "order_id": "*"});
        self.plant_fault(&fault).await;
    }

    /// Plants any fault.
    pub async fn plant_fault(&self, fault: &Value) {
        let request = self.http.post(format!("{}/_sandbox/faults", self.url));
        let answer = request.json(fault).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 201, "{fault}");
    }

    /// Forgets idempotency keys, as the payment provider does after a day.
    pub async fn forget_keys(&self) {
        let request = self.http.post(format!("{}/_sandbox/forget_keys", self.url));
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success());
    }

    /// Lets the order's holds run out, as the card networks do after days.
    pub async fn lapse(&self, order_id: &str) {
        let url = format!("{}/_sandbox/lapse?order_id={order_id}", self.url);
        let answer = self.http.post(url).send().await.expect("an answer");
        let lapsed: Value = answer.json().await.expect("an answer");
        assert_eq!(lapsed["lapsed"], json!(1), "the fault fired");
    }

    /// What came of the order's refunds that are pending: `succeeded` or `failed`.
    pub async fn settle(&self, order_id: &str, status: &str) {
        let url = format!(
            "{}/_sandbox/settle?order_id={order_id}&status={status}",
            self.url
        );
        let answer = self.http.post(url).send().await.expect("an answer");
        let settled: Value = answer.json().await.expect("an answer");
        assert_eq!(settled["settled"], json!(1), "the fault fired");
    }

    /// Something happens at the payment provider without anybody's doing: `dispute`, `refund_failed`.
    pub async fn happens(&self, order_id: &str, event: &str) {
        let body = json!({"order_id": order_id, "event": event});
        let happened = self.happens_as(body).await;
        assert_eq!(happened, json!({"happened": 1}), "{event}");
    }

    /// The same as the event's body says; how many there were.
    pub async fn happens_as(&self, mut body: Value) -> Value {
        let request = self.http.post(format!("{}/_sandbox/events", self.url));
        body["provider"] = json!("payment");
        let answer = request.json(&body).send().await.expect("an answer");
        answer.json().await.expect("an answer")
    }

    /// Does something at the payment provider that is none of this system's doing, as somebody does in
    /// its dashboard, or the shop's checkout: `path` is the API's, below `/v1`.
    pub async fn in_dashboard(&self, path: &str, form: &[(&str, &str)]) -> Value {
        let request = self.http.post(format!("{}/v1/{path}", self.url));
        let request = request.bearer_auth("sk_test_dashboard").form(form);
        let answer = request.send().await.expect("an answer");
        let status = answer.status();
        let body = answer.json().await.expect("JSON");
        assert!(status.is_success(), "{path}: {body}");
        body
    }

    /// A payment as the provider shows it.
    pub async fn payment(&self, reference: &str) -> Value {
        let request = self
            .http
            .get(format!("{}/v1/payment_intents/{reference}", self.url));
        let request = request.bearer_auth("sk_test_dashboard");
        let answer = request.send().await.expect("an answer");
        answer.json().await.expect("a payment")
    }

    /// An order document's `payment` by this method, which a customer has saved.
    pub async fn saved(&self, method: &str) -> Value {
        let customer = self.in_dashboard("customers", &[]).await;
        json!({"method": method, "customer": customer["id"]})
    }

    /// The token of a method that works once.
    pub async fn single(&self) -> String {
        let form = [("type", "card"), ("card[token]", "tok_visa")];
        let method = self.in_dashboard("payment_methods", &form).await;
        method["id"].as_str().expect("an id").to_owned()
    }

    /// What the shop's checkout has made and the customer confirmed: a payment that holds so much.
    pub async fn checked_out(&self, amount: &str, more: &[(&str, &str)]) -> String {
        let mut form = vec![
            ("amount", amount),
            ("currency", "usd"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
            ("capture_method", "manual"),
        ];
        form.retain(|(name, _)| !more.iter().any(|(other, _)| name == other));
        form.extend(more);
        let intent = self.in_dashboard("payment_intents", &form).await;
        intent["id"].as_str().expect("an id").to_owned()
    }

    /// Voids a label, as somebody does in the carrier's dashboard.
    pub async fn void_label(&self, label: &str) {
        let request = self
            .http
            .put(format!("{}/v2/labels/{label}/void", self.url));
        let answer = request.header("API-Key", "TEST_sandbox").send().await;
        assert!(answer.expect("an answer").status().is_success());
    }

    /// Does something with a shipment or a label, as somebody else with the carrier's API does: `path` is below
    /// `/v2`. What it answers.
    pub async fn at_carrier(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}/v2/{path}", self.url));
        let request = request.header("API-Key", "TEST_sandbox").json(body);
        let answer = request.send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        let text = answer.text().await.expect("an answer");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Everything that happened at the providers.
    pub async fn ledger(&self) -> Value {
        let request = self.http.get(format!("{}/_sandbox/ledger", self.url));
        let answer = request.send().await.expect("an answer");
        answer.json().await.expect("a ledger")
    }

    /// The kinds of effects that happened, one entry for each effect: `["authorizations", "voids"]`.
    pub async fn effects(&self) -> Vec<&'static str> {
        const KINDS: [&str; 6] = [
            "authorizations",
            "captures",
            "voids",
            "refunds",
            "shipments",
            "cancelled_shipments",
        ];
        let ledger = self.ledger().await;
        KINDS
            .into_iter()
            .flat_map(|kind| {
                let effects = ledger[kind].as_array().expect("a list");
                std::iter::repeat_n(kind, effects.len())
            })
            .collect()
    }

    /// The planted faults that fired, in their order: `["authorize lose_response"]`.
    pub async fn fired(&self) -> Vec<String> {
        let ledger = self.ledger().await;
        let fired = ledger["faults_fired"].as_array().expect("a list");
        let text = |fault: &Value, field: &str| {
            fault[field]
                .as_str()
                .map(str::to_owned)
                .expect("a fault's field")
        };
        fired
            .iter()
            .map(|fault| format!("{} {}", text(fault, "operation"), text(fault, "mode")))
            .collect()
    }
}
