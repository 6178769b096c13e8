//! The plots of the last hours: data for SVG that the template draws. Heights are of a field of 136 units above a
//! base line at 150.

use std::time::Duration;

use domain::{Class, Status, Timestamp};
use operations::ProcessState;
use operations::trend::{Counted, Counter, SPAN, span_of, took};

use crate::words::{clock, span};

const BASE: f64 = 150.0;
const HEIGHT: f64 = 136.0;

/// So many hours are shown.
pub(crate) const HOURS: i64 = 8;
const SPANS: usize = 32;

/// A rectangle.
#[derive(Debug)]
pub(crate) struct Bar {
    pub(crate) class: &'static str,
    pub(crate) x: String,
    pub(crate) y: String,
    pub(crate) height: String,
}

/// A line of the grid, with its number.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) y: String,
    pub(crate) text_y: String,
    pub(crate) value: u64,
}

/// A time below the plot.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) x: &'static str,
    pub(crate) anchor: &'static str,
    pub(crate) clock: String,
}

/// Counters over time.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) says: String,
    pub(crate) bars: Vec<Bar>,
    pub(crate) line: String,
    pub(crate) grid: Vec<Grid>,
    pub(crate) ticks: Vec<Tick>,
    /// From when, and each value.
    pub(crate) rows: Vec<(String, Vec<u64>)>,
}

/// How long orders were in a state.
#[derive(Debug)]
pub(crate) struct Took {
    pub(crate) state: &'static str,
    pub(crate) median: String,
    pub(crate) slow: String,
    pub(crate) median_width: String,
    pub(crate) slow_width: String,
    pub(crate) text_y: usize,
    pub(crate) bar_y: usize,
}

/// A time on the logarithmic scale.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) x: String,
    pub(crate) anchor: &'static str,
    pub(crate) text: &'static str,
}

/// The spans that are shown, with empty ones where nothing was counted.
fn spans(counted: &[Counted], now: Timestamp) -> Vec<Counted> {
    let last = span_of(now);
    let spans = (0..SPANS).rev().map(|back| {
        let from = last - SPAN * u32::try_from(back).unwrap_or(0);
        let found = counted.iter().find(|span| span.from == from);
        found.cloned().unwrap_or_else(|| Counted {
            from,
            ..Counted::default()
        })
    });
    spans.collect()
}

/// The next number that can be divided by three into round ones.
fn ceiling(largest: u64) -> u64 {
    let ceilings = [
        3, 6, 15, 30, 60, 150, 300, 600, 1500, 3000, 6000, 15_000, 30_000, 60_000, 150_000, 300_000,
    ];
    ceilings
        .into_iter()
        .find(|ceiling| largest <= *ceiling)
        .unwrap_or(largest.next_multiple_of(3))
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn height(value: u64, top: u64) -> f64 {
    HEIGHT * value as f64 / top.max(1) as f64
}

fn grid(top: u64) -> Vec<Grid> {
    let lines = [0, 1, 2, 3].map(|part| {
        let value = top / 3 * part;
        let y = BASE - height(value, top);
        Grid {
            y: format!("{y:.1}"),
            text_y: format!("{:.1}", y - 3.0),
            value,
        }
    });
    lines.into()
}

fn ticks(spans: &[Counted], now: Timestamp) -> Vec<Tick> {
    let from = spans.first().map_or(now, |span| span.from);
    let places = [
        ("5%", "start"),
        ("28.75%", "middle"),
        ("52.5%", "middle"),
        ("76.25%", "middle"),
        ("100%", "end"),
    ];
    let ticks = places
        .into_iter()
        .zip(0_u32..)
        .map(|((x, anchor), part)| Tick {
            x,
            anchor,
            clock: clock(from + SPAN * (part * 8))
                .get(..5)
                .unwrap_or_default()
                .to_owned(),
        });
    ticks.collect()
}

#[expect(clippy::cast_precision_loss, reason = "pixels")]
fn x_of(number: usize) -> String {
    format!("{:.2}%", 5.3 + 2.97 * number as f64)
}

/// Orders that came in, and that were completed.
pub(crate) fn throughput(counted: &[Counted], now: Timestamp) -> Plot {
    let spans = spans(counted, now);
    let values: Vec<[u64; 2]> = spans
        .iter()
        .map(|span| {
            [Counter::Received, Counter::Ended(Status::Completed)].map(|counter| span.of(counter))
        })
        .collect();
    let top = ceiling(values.iter().flatten().copied().max().unwrap_or(0));
    let bars = values.iter().enumerate().map(|(number, [received, _])| {
        let height = height(*received, top);
        Bar {
            class: "soft info",
            x: x_of(number),
            y: format!("{:.1}", BASE - height),
            height: format!("{height:.1}"),
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let points = values.iter().enumerate().map(|(number, [_, completed])| {
        format!(
            "{:.1},{:.1}",
            number as f64 + 0.5,
            BASE - height(*completed, top)
        )
    });
    let sum = |of: usize| values.iter().map(|value| value[of]).sum::<u64>();
    Plot {
        says: format!(
            "Orders received and completed in each quarter of an hour of the last {HOURS} hours: \
             {} received, {} completed.",
            sum(0),
            sum(1)
        ),
        bars: bars.collect(),
        line: points.collect::<Vec<_>>().join(" "),
        grid: grid(top),
        ticks: ticks(&spans, now),
        rows: rows(&spans, &values),
    }
}

fn rows<const N: usize>(spans: &[Counted], values: &[[u64; N]]) -> Vec<(String, Vec<u64>)> {
    let rows = spans.iter().zip(values).map(|(span, values)| {
        let from = clock(span.from).get(..5).unwrap_or_default().to_owned();
        (from, values.to_vec())
    });
    rows.collect()
}

/// Orders that were reversed, by who can mend it.
pub(crate) fn failures(counted: &[Counted], now: Timestamp) -> Plot {
    const STACKED: [Class; 3] = [Class::Customer, Class::Dependency, Class::System];
    const CLASSES: [&str; 3] = ["tone off", "hatched", "tone bad"];
    let spans = spans(counted, now);
    let values: Vec<[u64; 3]> = spans
        .iter()
        .map(|span| STACKED.map(|class| span.of(Counter::Reversed(class))))
        .collect();
    let top = ceiling(
        values
            .iter()
            .map(|value| value.iter().sum())
            .max()
            .unwrap_or(0),
    );
    let mut bars = Vec::new();
    for (number, value) in values.iter().enumerate() {
        let mut y = BASE;
        for (class, count) in CLASSES.into_iter().zip(value) {
            let height = height(*count, top);
            if *count > 0 {
                bars.push(Bar {
                    class,
                    x: x_of(number),
                    y: format!("{:.1}", y - height),
                    // A line between what is on top of each other.
                    height: format!("{:.1}", (height - 1.0).max(1.0)),
                });
            }
            y -= height;
        }
    }
    let sum = |of: usize| values.iter().map(|value| value[of]).sum::<u64>();
    Plot {
        says: format!(
            "Orders reversed in each quarter of an hour of the last {HOURS} hours, by class: \
             customer {}, dependency {}, system {}.",
            sum(0),
            sum(1),
            sum(2)
        ),
        bars,
        line: String::new(),
        grid: grid(top),
        ticks: ticks(&spans, now),
        rows: rows(&spans, &values),
    }
}

// From a twentieth of a second to an hour.
const SHORTEST_MS: f64 = 50.0;
const LONGEST_MS: f64 = 3_600_000.0;

fn width(ms: f64) -> f64 {
    let part = (ms.max(SHORTEST_MS) / SHORTEST_MS).ln() / (LONGEST_MS / SHORTEST_MS).ln();
    part.min(1.0) * 100.0
}

/// The times on the scale.
pub(crate) fn marks() -> Vec<Mark> {
    let marks = [
        (100.0, "0.1 s"),
        (1000.0, "1 s"),
        (10_000.0, "10 s"),
        (60_000.0, "1 min"),
        (600_000.0, "10 min"),
        (LONGEST_MS, "1 h"),
    ];
    let marks = marks.map(|(ms, text)| Mark {
        x: format!("{:.2}%", width(ms)),
        anchor: if ms < LONGEST_MS { "middle" } else { "end" },
        text,
    });
    marks.into()
}

/// How long orders were in each state of the forward way that no person decides about.
pub(crate) fn times(counted: &[Counted]) -> Vec<Took> {
    let states = [
        ProcessState::ValidateOrder,
        ProcessState::ChargePayment,
        ProcessState::ShipOrder,
        ProcessState::CapturePayment,
        ProcessState::NotifyCustomer,
    ];
    #[expect(clippy::cast_precision_loss, reason = "pixels")]
    let wide = |took: Duration| format!("{:.2}%", width(took.as_millis() as f64));
    let states = states.into_iter().enumerate().map(|(number, state)| {
        let found = took(counted, state);
        let shown =
            |of: usize| found.map_or_else(|| "–".to_owned(), |found| span(found[of].as_millis()));
        let width = |of: usize| found.map_or_else(|| "0".to_owned(), |found| wide(found[of]));
        Took {
            state: state.as_str(),
            median: shown(0),
            slow: shown(1),
            median_width: width(0),
            slow_width: width(1),
            text_y: 12 + 30 * number,
            bar_y: 16 + 30 * number,
        }
    });
    states.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_each_quarter_of_an_hour_whether_or_not_something_was_counted() {
        let now: Timestamp = "2026-11-24T12:03:05Z".parse().expect("a time");
        let counted = Counted {
            from: span_of(now),
            values: [
                (Counter::Received, 4),
                (Counter::Ended(Status::Completed), 2),
            ]
            .into(),
        };
        let plot = throughput(&[counted], now);
        assert_eq!((plot.bars.len(), plot.rows.len()), (SPANS, SPANS));
        assert_eq!(plot.rows[31], ("12:00".to_owned(), vec![4, 2]));
        assert_eq!(plot.grid[3].value, 6);
        assert_eq!(plot.ticks[0].clock, "04:15");
        assert!(
            plot.says.contains("4 received, 2 completed"),
            "{}",
            plot.says
        );
    }

    #[test]
    fn classes_stand_on_top_of_each_other() {
        let now: Timestamp = "2026-11-24T12:03:05Z".parse().expect("a time");
        let values = [
            (Counter::Reversed(Class::Customer), 1),
            (Counter::Reversed(Class::System), 2),
        ];
        let counted = Counted {
            from: span_of(now),
            values: values.into(),
        };
        let plot = failures(&[counted], now);
        let bars: Vec<_> = plot
            .bars
            .iter()
            .map(|bar| (bar.class, bar.y.as_str()))
            .collect();
        assert_eq!(bars, [("tone off", "104.7"), ("tone bad", "14.0")]);
    }
}
