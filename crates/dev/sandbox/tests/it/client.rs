//! What the adapters send, and what a test asks the sandbox about.

use reqwest::{Client, RequestBuilder, Response};
use sandbox::{Config, Server};
use serde_json::{Value, json};

pub(crate) struct Sandbox {
    pub(crate) url: String,
    pub(crate) http: Client,
}

/// Status, body and whether it was a stored answer; an empty body is `null`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) replayed: bool,
}

impl Reply {
    async fn of(response: Response) -> Self {
        let status = response.status().as_u16();
        let replayed = response.headers().get("idempotent-replayed").is_some();
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self {
            status,
            body,
            replayed,
        }
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        let found = self.body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no {pointer} in {self:?}"))
    }
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        let server = Server::bind(&Config { port: 0 }).await.unwrap();
        let url = server.url();
        tokio::spawn(server.run());
        Self {
            url,
            http: Client::new(),
        }
    }

    /// `Err` when the connection broke off without an answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Reply, reqwest::Error> {
        Ok(Reply::of(request.send().await?).await)
    }

    pub(crate) fn payment_post(
        &self,
        path: &str,
        key: &str,
        form: &[(&str, &str)],
    ) -> RequestBuilder {
        let request = self.http.post(format!("{}/v1/{path}", self.url));
        request
            .bearer_auth("sk_test_local")
            .header("Idempotency-Key", key)
            .form(form)
    }

    pub(crate) fn payment_get(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let request = self.http.get(format!("{}/v1/{path}", self.url));
        request.bearer_auth("sk_test_local").query(query)
    }

    pub(crate) fn authorization(&self, order_id: &str, method: &str) -> RequestBuilder {
        self.authorization_of(order_id, method, "3098")
    }

    pub(crate) fn authorization_of(
        &self,
        order_id: &str,
        method: &str,
        amount: &str,
    ) -> RequestBuilder {
        let form = [
            ("amount", amount),
            ("currency", "usd"),
            ("payment_method", method),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
            ("capture_method", "manual"),
            ("metadata[order_id]", order_id),
            ("metadata[attempt]", "1"),
        ];
        self.payment_post("payment_intents", &format!("{order_id}-1-authorize"), &form)
    }

    /// An authorised intent's id.
    pub(crate) async fn authorized(&self, order_id: &str) -> String {
        let reply = self
            .send(self.authorization(order_id, "pm_card_visa"))
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.text("/id").to_owned()
    }

    pub(crate) fn capture(&self, intent: &str, key: &str, amount: &str) -> RequestBuilder {
        let path = format!("payment_intents/{intent}/capture");
        self.payment_post(&path, key, &[("amount_to_capture", amount)])
    }

    pub(crate) fn cancel(&self, intent: &str, key: &str) -> RequestBuilder {
        self.payment_post(&format!("payment_intents/{intent}/cancel"), key, &[])
    }

    pub(crate) fn refund(&self, intent: &str, key: &str, amount: &str) -> RequestBuilder {
        let form = [("payment_intent", intent), ("amount", amount)];
        self.payment_post("refunds", key, &form)
    }

    pub(crate) fn find(&self, order_id: &str) -> RequestBuilder {
        let query = format!("metadata['order_id']:'{order_id}' AND metadata['attempt']:'1'");
        self.payment_get("payment_intents/search", &[("query", &query)])
    }

    pub(crate) fn shipment(external_shipment_id: &str, postal_code: &str) -> Value {
        json!({ "shipment": {
            "carrier_id": "se-1",
            "service_code": "usps_priority_mail",
            "warehouse_id": "se-2",
            "external_shipment_id": external_shipment_id,
            "ship_to": {
                "name": "Ada Example", "phone": "555-0100", "address_line1": "1 Main St",
                "city_locality": "Springfield", "state_province": "IL",
                "postal_code": postal_code, "country_code": "US",
                "address_residential_indicator": "unknown"
            },
            "packages": [{ "weight": { "value": 500, "unit": "gram" } }]
        }})
    }

    pub(crate) fn booking_of(&self, body: &Value) -> RequestBuilder {
        let request = self.http.post(format!("{}/v2/labels", self.url));
        request.header("API-Key", "local").json(body)
    }

    /// The first step of the adapter's way: a shipment without a label.
    pub(crate) fn preparing(&self, external_shipment_id: &str) -> RequestBuilder {
        let shipment = Self::shipment(external_shipment_id, "62701");
        let body = json!({"shipments": [shipment["shipment"]]});
        let request = self.http.post(format!("{}/v2/shipments", self.url));
        request.header("API-Key", "local").json(&body)
    }

    /// The second: its label.
    pub(crate) fn booking_for(&self, shipment: &str) -> RequestBuilder {
        let url = format!("{}/v2/labels/shipment/{shipment}", self.url);
        let request = self.http.post(url).header("API-Key", "local");
        request.json(&json!({}))
    }

    pub(crate) fn carrier_put(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.http.put(format!("{}/v2/{path}", self.url));
        request.header("API-Key", "local").json(body)
    }

    pub(crate) fn booking(&self, external_shipment_id: &str) -> RequestBuilder {
        self.booking_of(&Self::shipment(external_shipment_id, "62701"))
    }

    pub(crate) fn carrier_get(&self, path: &str) -> RequestBuilder {
        let request = self.http.get(format!("{}/v2/{path}", self.url));
        request.header("API-Key", "local")
    }

    pub(crate) fn void_label(&self, label: &str) -> RequestBuilder {
        let request = self
            .http
            .put(format!("{}/v2/labels/{label}/void", self.url));
        request.header("API-Key", "local")
    }

    pub(crate) async fn plant(&self, fault: &Value) -> Reply {
        let request = self.http.post(format!("{}/_sandbox/faults", self.url));
        self.send(request.json(fault)).await.unwrap()
    }

    pub(crate) async fn control(&self, path: &str) -> Reply {
        let request = self.http.post(format!("{}/_sandbox/{path}", self.url));
        self.send(request).await.unwrap()
    }

    pub(crate) async fn ledger(&self, order_id: Option<&str>) -> Value {
        let request = self.http.get(format!("{}/_sandbox/ledger", self.url));
        let query = order_id.map(|id| ("order_id", id));
        self.send(request.query(&query.as_slice()))
            .await
            .unwrap()
            .body
    }

    /// How many effects of a kind there were.
    pub(crate) async fn count(&self, kind: &str) -> usize {
        self.ledger(None).await[kind].as_array().unwrap().len()
    }
}
