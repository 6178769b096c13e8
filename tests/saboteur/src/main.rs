#![doc = include_str!("../README.md")]

mod plan;

use plan::sabotaged;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let function = step::env::required("AWS_LAMBDA_FUNCTION_NAME")?;
    match function.rsplit('-').next() {
        Some("validate") => {
            let config = validate::Config::from_env()?;
            let validate = &validate::Validate::connect(config).await?;
            step::run(|task| sabotaged(task, |task| validate.handle(task))).await
        }
        Some("charge") => {
            let charge = &charge::Charge::connect(charge::Config::from_env()?).await?;
            step::run(|task| sabotaged(task, |task| charge.handle(task))).await
        }
        Some("ship") => {
            let ship = &ship::Ship::connect(ship::Config::from_env()?).await?;
            step::run(|task| sabotaged(task, |task| ship.handle(task))).await
        }
        Some("notify") => {
            let notify = &notify::Notify::connect(notify::Config::from_env()?).await;
            step::run(|task| sabotaged(task, |task| notify.handle(task))).await
        }
        Some(_) | None => Err(step::InitError::new(format!("{function} is no step"))),
    }
}
