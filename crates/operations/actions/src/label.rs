//! The document of an order's label, for whoever packs.

use domain::ports::Orders as _;
use domain::{Actor, AuditEvent, Event, OrderId, Timestamp};

use crate::{Actions, Refused};

impl Actions {
    /// Where the document of the order's label is to be had for the moment. Who asked is on record first: it has the
    /// customer's name and address, and whoever has the answer reads them. It MUST NOT be logged or kept. `how` it was
    /// opened goes on record, too.
    ///
    /// # Errors
    /// If there is no such order, its personal data were erased, it has no label that can be used, or something does not answer.
    pub async fn label_document(
        &self,
        order_id: &OrderId,
        by: &str,
        how: &str,
        at: Timestamp,
    ) -> Result<String, Refused> {
        let record = self.store.load(order_id).await?;
        let record = record.ok_or_else(|| Refused::NotFound(order_id.clone()))?;
        if record.personal.is_none() {
            let text = "the order's personal data were erased, and its label shows them".to_owned();
            return Err(Refused::NotPossible(text));
        }
        let mut answer = self.call("ship", "document", &record).await?;
        let serde_json::Value::String(document) = answer["document"].take() else {
            let text = "the order has no label that can be used".to_owned();
            return Err(Refused::NotPossible(text));
        };
        let by = Actor::Operator(by.to_owned());
        let opened = AuditEvent::new(at, Event::LabelOpened, by, how);
        self.store.note(order_id, &opened).await?;
        Ok(document)
    }
}
