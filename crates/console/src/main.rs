//! `console`: the operators' page and its API.

use console::{Config, Console};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    Console::connect(Config::from_env()?).await?.serve().await
}
