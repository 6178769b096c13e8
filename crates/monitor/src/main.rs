//! `monitor`: where every order is, what it needs, and what can be mended without a person.

use monitor::{Config, Monitor};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let monitor = Monitor::connect(Config::from_env()?).await?;
    monitor.serve().await
}
