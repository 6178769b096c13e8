#![doc = include_str!("../README.md")]

mod answer;
mod config;
mod connection;
mod control;
mod exchange;
mod faults;
mod idempotency;
mod ledger;
mod notices;
mod shipstation;
mod stripe;
mod world;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

pub use config::Config;

use connection::{Connection, Connections};
use world::Shared;

/// Above any request that the adapters send (a label request is about 2 KB).
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// A sandbox that holds its port; it answers once run.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Takes the port on loopback.
    ///
    /// # Errors
    /// When the port is in use, named in the message.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, config.port));
        let listener = TcpListener::bind(wanted).await.map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on {wanted}: {error}"))
        })?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The base URL, without a trailing slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until the future is dropped. Each run starts with an empty ledger.
    ///
    /// # Errors
    /// When the listener fails for good.
    pub async fn run(self) -> io::Result<()> {
        let shared = Shared::default();
        shared.lock().base_url = self.url();
        let service = routes(shared).into_make_service_with_connect_info::<Connection>();
        axum::serve(Connections::new(self.listener), service).await
    }

    /// Serves until SIGTERM or Ctrl-C. Calls that a fault keeps hanging are not waited for.
    ///
    /// # Errors
    /// When the listener fails, or a signal handler cannot be installed.
    pub async fn run_until_terminated(self) -> io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            served = self.run() => served,
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        }
    }
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .merge(stripe::routes())
        .merge(shipstation::routes())
        .merge(control::routes())
        .merge(notices::routes())
        .fallback(control::unknown_path)
        .method_not_allowed_fallback(control::unknown_path)
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(shared)
}
