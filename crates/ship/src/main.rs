//! `ship`: books the shipment of an order, and cancels it.

use ship::{Config, Ship};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let ship = &Ship::connect(Config::from_env()?).await?;
    step::run_with_books(|task| ship.handle(task), |ask| ship.answer(ask)).await
}
