//! `ship`: books the shipment of an order, and cancels it.

use ship::{Action, Config, Ship};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let ship = &Ship::connect(Config::from_env()?).await?;
    let (handle, answer) = (|task| ship.handle(task), |ask| ship.answer(ask));
    step::run_with_books(handle, answer, Action::is_in_confidence).await
}
