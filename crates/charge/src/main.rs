//! `charge`: holds, takes and gives back the customer's money.

use charge::{Charge, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), step::InitError> {
    step::init_tracing();
    let charge = &Charge::connect(Config::from_env()?).await?;
    let (handle, answer) = (|task| charge.handle(task), |ask| charge.answer(ask));
    step::run_with_books(handle, answer, |_| false).await
}
