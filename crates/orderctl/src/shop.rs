//! A shop to be connected to: the real front door on a port of its own, an embedded DynamoDB, and a double
//! of Step Functions.

use std::collections::HashMap;

use actions::Actions;
use domain::OrderId;
use intake::Intake;
use serde_json::json;
use tests::{
    Database, STATE_MACHINE, StepFunctions, database, document, sdk_config, step_functions,
};
use workflow::Workflow;

use crate::connection::Connection;

pub(crate) struct Shop {
    pub(crate) database: Database,
    pub(crate) step_functions: StepFunctions,
    pub(crate) connection: Connection,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (database, step_functions) = (database().await, step_functions());
        let config = sdk_config(&step_functions.url);
        let workflow = Workflow::new(&config, STATE_MACHINE);
        let front_door = Intake::new(database.store.clone(), workflow.clone()).router();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(axum::serve(listener, front_door).into_future());
        let (store, read_models) = (database.store.clone(), database.read_models.clone());
        let steps = ["charge", "ship", "notify"].map(|step| (step.to_owned(), step.to_owned()));
        let steps = HashMap::from(steps);
        let actions = Actions::new(&config, store.clone(), read_models.clone(), workflow, steps);
        let intake = format!("http://{address}");
        let connection = Connection::new(config, actions, store, read_models, intake);
        Self {
            connection: connection.expect("a connection"),
            database,
            step_functions,
        }
    }

    /// An order that was validated, with its execution like that.
    pub(crate) async fn validated(&self, order: &str, execution: &str) -> OrderId {
        self.database.validated(&document(order)).await;
        self.ended(order, execution);
        id(order)
    }

    pub(crate) fn ended(&self, order: &str, execution: &str) {
        let told = json!({"status": execution});
        self.step_functions.tells(&format!("{order}-1"), told);
    }
}

pub(crate) fn id(order: &str) -> OrderId {
    order.parse().expect("an order id")
}
