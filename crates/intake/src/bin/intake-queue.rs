//! `intake-queue`: orders in by queue.

use intake::{Config, Intake};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    Intake::connect(Config::from_env()?)
        .await
        .serve_queue()
        .await
}
