use clap::Parser;

/// What can be chosen at start. There is no host: the sandbox is for this machine only.
#[derive(Clone, Debug, Parser)]
#[command(version, about)]
pub struct Config {
    /// Port on loopback; 0 takes a free one, named in the line printed at start
    #[arg(long, env = "SANDBOX_PORT", default_value_t = 4570)]
    pub port: u16,
}
