//! `validate`: reserves an order's stock, and gives it back.

use validate::{Config, Validate};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let validate = &Validate::connect(Config::from_env()?).await?;
    step::run(|task| validate.handle(task)).await
}
