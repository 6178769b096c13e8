//! What `make year` runs and prints.

use std::process::ExitCode;
use std::time::Instant;

use crate::{Broken, Fault, Options, Outcome, year};

/// A year of orders through the shipped code, with everything that goes wrong in one, judged by the providers'
/// books.
#[derive(Debug, clap::Parser)]
pub struct Command {
    /// The same seed is the same year.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many orders come.
    #[arg(long, default_value_t = 10_000)]
    orders: u64,
    /// In so many days.
    #[arg(long, default_value_t = 365)]
    days: u64,
    /// In so many shops, each a year of its own on a thread of its own.
    #[arg(long, default_value_t = 2)]
    shops: u64,
    /// Only these orders come, and their story is told.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// What does not go wrong.
    #[arg(long, value_delimiter = ',')]
    without: Vec<Fault>,
    /// Compare each answer of the database in memory with that of the embedded DynamoDB. Slower.
    #[arg(long)]
    checked: bool,
    /// Tell a broken rule as it is, without looking for a shorter story.
    #[arg(long)]
    no_shrink: bool,
}

/// What has to happen in a year that is worth its name.
const MUST_HAPPEN: [&str; 33] = [
    "AWS answers lost",
    "AWS requests late",
    "AWS requests lost",
    "AWS requests throttled",
    "cancellations accepted",
    "cancellations refused",
    "captures",
    "crashes",
    "documents sent twice",
    "events late",
    "events lost",
    "events twice",
    "executions failed",
    "executions stopped",
    "executions stuck in an undo",
    "executions succeeded",
    "functions called twice",
    "labels that were used",
    "labels voided",
    "mails that could not be sent",
    "notices to operators",
    "operators: approve",
    "operators: redrive",
    "operators: reject",
    "operators: reprocess",
    "operators: resend",
    "operators: settle",
    "payments declined",
    "provider answers lost",
    "provider requests in an outage",
    "provider requests late",
    "provider requests lost",
    "shipments refused",
];

/// A year with fewer orders or days need not have everything.
const A_YEAR: (u64, u64) = (6_000, 365);

impl Command {
    /// Does it.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let options = self.options();
        let began = Instant::now();
        let outcome = year(&options, &|progress| {
            let took = began.elapsed().as_secs();
            println!(
                "  {took:>4} s  shop {}  day {:>3}  {:>6} orders, {} at work",
                progress.shop, progress.day, progress.orders, progress.running
            );
        });
        for line in &outcome.story {
            println!("  {line}");
        }
        Self::print(&outcome);
        println!(
            "{} orders in {:.1} s, {} requests to AWS, {} MiB at most",
            outcome.ends.values().sum::<u64>(),
            began.elapsed().as_secs_f64(),
            outcome.calls,
            peak_mib().map_or_else(|| "?".to_owned(), |peak| peak.to_string()),
        );
        println!("seed {}, trace {:016x}", self.seed, outcome.hash);
        let missing = self.missing(&outcome);
        for what in &missing {
            println!("never happened: {what}");
        }
        if let Some(first) = outcome.broken.first() {
            println!("BROKEN: {} rules", outcome.broken.len());
            for broken in outcome.broken.iter().take(20) {
                println!("  {}: {}", broken.order, broken.rule);
            }
            if !self.no_shrink && self.only.is_empty() && !first.order.is_empty() {
                Self::shrink(&options, first);
            }
            return ExitCode::FAILURE;
        }
        if missing.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn options(&self) -> Options {
        Options {
            seed: self.seed,
            orders: self.orders,
            days: self.days,
            shops: self.shops,
            only: self.only.iter().cloned().collect(),
            without: self.without.iter().copied().collect(),
            bug: None,
            is_checked: self.checked,
            tells: !self.only.is_empty(),
        }
    }

    fn print(outcome: &Outcome) {
        println!();
        for (what, times) in &outcome.tally {
            println!("{times:>10}  {what}");
        }
        println!();
        for (end, orders) in &outcome.ends {
            println!("{orders:>10}  {end}");
        }
    }

    fn missing(&self, outcome: &Outcome) -> Vec<&'static str> {
        let is_a_year = self.orders >= A_YEAR.0 && self.days >= A_YEAR.1;
        if !is_a_year || !self.without.is_empty() || !self.only.is_empty() {
            return Vec::new();
        }
        let happened = |what: &&&str| !outcome.tally.contains_key(**what);
        MUST_HAPPEN.iter().filter(happened).copied().collect()
    }

    /// Looks for a shorter way to the same: only that order, then fewer things that go wrong.
    fn shrink(options: &Options, broken: &Broken) {
        let Some((shorter, outcome)) = shrunk(options, broken) else {
            println!("It does not happen without the other orders: replay it as it is.");
            return;
        };
        println!("the shortest story of it:");
        for line in &outcome.story {
            println!("  {line}");
        }
        println!("{}", replay(&shorter));
    }
}

/// The command that shows it again.
#[must_use]
pub fn replay(options: &Options) -> String {
    let only: Vec<&str> = options.only.iter().map(String::as_str).collect();
    let mut command = format!(
        "cargo run --profile year --bin year -- --seed {} --orders {} --days {} --shops {}",
        options.seed, options.orders, options.days, options.shops
    );
    if !only.is_empty() {
        command = format!("{command} --only {}", only.join(","));
    }
    let without: Vec<String> = options.without.iter().map(Fault::to_string).collect();
    if !without.is_empty() {
        command = format!("{command} --without {}", without.join(","));
    }
    command
}

/// The fewest things that have to go wrong for an order to break a rule by itself, and what happens then. `None` if
/// it does not without the others.
#[must_use]
pub fn shrunk(options: &Options, broken: &Broken) -> Option<(Options, Outcome)> {
    let mut shorter = Options {
        only: [broken.order.clone()].into(),
        tells: true,
        ..options.clone()
    };
    let breaks = |options: &Options| {
        let outcome = year(options, &|_| {});
        let mut all = outcome.broken.iter();
        let rule = |broken: &Broken| broken.rule.split(';').next().map(str::to_owned);
        let again = all.any(|other| other.order == broken.order && rule(other) == rule(broken));
        again.then_some(outcome)
    };
    let mut outcome = breaks(&shorter)?;
    for fault in <Fault as clap::ValueEnum>::value_variants() {
        let mut fewer = shorter.clone();
        if fewer.without.insert(*fault)
            && let Some(still) = breaks(&fewer)
        {
            (shorter, outcome) = (fewer, still);
        }
    }
    Some((shorter, outcome))
}

/// The most memory that this process had, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}
