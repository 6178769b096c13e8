//! `sandbox`: the payment and the carrier provider, for development.

use clap::Parser;
use sandbox::{Config, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let server = Server::bind(&Config::parse()).await?;
    println!("sandbox listening on {}", server.url());
    server.run_until_terminated().await
}
