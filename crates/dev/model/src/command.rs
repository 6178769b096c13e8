//! What `make model` runs and prints.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use memory::Bug;

use crate::scopes::{PLANTED, SCOPES, Scope};
use crate::{Explored, OneOrder};

/// A scope that takes longer than this is too large for a laptop.
const PATIENCE: Duration = Duration::from_mins(15);
/// How often there is a word on how far it is.
const EVERY: Duration = Duration::from_secs(20);

/// Explores every interleaving of one order's steps, customer, operators and monitor, with the shipped code.
#[derive(Debug, clap::Parser)]
pub struct Command {
    /// On so many threads. On one, the way to a broken rule is the shortest.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Only the scopes in whose name this is.
    #[arg(long, default_value = "")]
    scope: String,
    /// The bugs that are planted, each with the shortest way in which it shows, instead of the shipped code.
    #[arg(long)]
    bugs: bool,
}

impl Command {
    /// Does it.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let is_well = if self.bugs {
            PLANTED
                .iter()
                .filter(|(bug, scope)| !show_bug(*bug, scope))
                .count()
                == 0
        } else {
            self.explore()
        };
        if is_well {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    fn explore(&self) -> bool {
        let began = Instant::now();
        let (mut is_well, mut unique) = (true, 0);
        for scope in SCOPES
            .iter()
            .filter(|scope| scope.name.contains(&self.scope))
        {
            println!("{}", scope.name);
            let explored = explored(scope, self.threads);
            unique += explored.unique;
            println!("{}", summary(scope, &explored));
            show(&explored);
            is_well &= scope.is_shown_by(&explored);
        }
        let minutes = began.elapsed().as_secs_f64() / 60.0;
        let memory = peak_mib().map_or(String::new(), |mib| format!(", {mib} MiB at most"));
        println!("{unique} states in {minutes:.1} minutes{memory}");
        is_well
    }
}

fn explored(scope: &Scope, threads: usize) -> Explored {
    let began = Instant::now();
    let said = std::sync::Mutex::new(began);
    let progress = |unique: usize, depth: usize| {
        let Ok(mut said) = said.lock() else { return };
        if said.elapsed() >= EVERY {
            *said = Instant::now();
            let a_minute = unique as u64 * 60 / began.elapsed().as_secs().max(1);
            println!("  {unique} states, {a_minute} a minute, {depth} moves deep");
        }
    };
    let model = OneOrder::new(scope.bounds, None);
    model.explore(threads, PATIENCE, progress)
}

fn summary(scope: &Scope, explored: &Explored) -> String {
    let Explored { unique, depth, .. } = explored;
    let least = scope.at_least;
    let word = match (explored.is_exhausted, scope.is_shown_by(explored)) {
        (true, true) => "all of it".to_owned(),
        (true, false) => format!("too few: there were {least}"),
        (false, _) => "not all of it".to_owned(),
    };
    format!("  {unique} states, {depth} moves deep, {word}")
}

fn show_bug(bug: Bug, scope: &Scope) -> bool {
    println!("{bug:?}");
    let explored = OneOrder::new(scope.bounds, Some(bug));
    show(&explored.explore(1, PATIENCE, |_, _| {}))
}

/// Whether there is a broken rule to show.
fn show(explored: &Explored) -> bool {
    for (rule, way) in &explored.broken {
        println!("  broken: {rule}");
        for line in way {
            println!("    {line}");
        }
    }
    !explored.broken.is_empty()
}

/// As Linux tells; nothing where it does not.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024)
}
