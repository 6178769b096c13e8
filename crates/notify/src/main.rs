//! `notify`: messages to customers and operators.

use notify::{Config, Notify};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let notify = &Notify::connect(Config::from_env()?).await;
    step::run(|task| notify.handle(task)).await
}
