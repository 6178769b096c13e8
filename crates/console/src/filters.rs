//! The form of a filter, what of it is set, and views that are ready made.

use domain::{ErrorName, Status};
use operations::ProcessState;
use operations::filter::{Field, Invalid};
use operations::sort::{Sort, SortBy};

use crate::request::PageRequest;
use crate::view::{View, link};
use crate::words;

/// What is around a list that can be looked through.
#[derive(Debug)]
pub(crate) struct Filters {
    /// Whether the form is shown at once.
    pub(crate) open: bool,
    pub(crate) list: String,
    pub(crate) inputs: Vec<Input>,
    pub(crate) statuses: Vec<Check>,
    pub(crate) wrong_status: Vec<String>,
    pub(crate) states: Vec<Check>,
    pub(crate) wrong_state: Vec<String>,
    pub(crate) sorts: Vec<Check>,
    pub(crate) errors: Vec<&'static str>,
    /// What is wrong with the address and has no field.
    pub(crate) wrong: Vec<String>,
    /// What is set: in words, and the view without it.
    pub(crate) set: Vec<(String, String)>,
    pub(crate) views: Vec<(&'static str, String)>,
    pub(crate) here: String,
    pub(crate) csv: String,
    /// What there is to say of what was looked through.
    pub(crate) notes: Vec<String>,
}

/// Something to write into.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) value: String,
    pub(crate) wrong: Vec<String>,
}

/// Something to choose.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) word: String,
    pub(crate) text: String,
    pub(crate) checked: bool,
}

const INPUTS: [(Field, &str, &str); 10] = [
    (
        Field::ReceivedFrom,
        "Received from",
        "UTC, such as 2026-11-24 or 2026-11-24T10:00:00Z",
    ),
    (
        Field::ReceivedTo,
        "Received to",
        "that day or moment included",
    ),
    (Field::Within, "Received within", "such as 30m, 24h or 7d"),
    (
        Field::AmountFrom,
        "Amount from",
        "such as 12.50, and a currency",
    ),
    (Field::AmountTo, "Amount to", "that amount included"),
    (Field::Currency, "Currency", "such as USD"),
    (
        Field::Error,
        "Error",
        "of the failure, or the task's last one",
    ),
    (Field::Sku, "Article", "its SKU"),
    (Field::Customer, "Customer", "the shop's id of them"),
    (Field::Attempt, "Attempt, at least", "such as 2"),
];

/// Views that are asked for often.
const VIEWS: [(&str, &str); 6] = [
    ("Received in the last 24 hours", "within=24h"),
    ("Failed in the last 24 hours", "status=failed&within=24h"),
    (
        "Need a person, largest first",
        "list=need-a-person&sort=-amount",
    ),
    (
        "Need a person, first deadline first",
        "list=need-a-person&sort=deadline",
    ),
    ("In review, longest first", "status=in_review&sort=since"),
    ("Second attempts and later", "attempt=2"),
];

impl Filters {
    /// For a view, with what was found wrong with the address.
    pub(crate) fn of(request: &PageRequest, view: Option<&View>, wrong: &[Invalid]) -> Self {
        let given = |name: &str| -> Vec<&str> {
            let pairs = request.pairs().iter();
            let of = pairs.filter(|(of, value)| of == name && !value.is_empty());
            of.map(|(_, value)| value.as_str()).collect()
        };
        let why = |name: &str| -> Vec<String> {
            let of = wrong.iter().filter(|invalid| invalid.name == name);
            of.map(|invalid| invalid.why.clone()).collect()
        };
        let (statuses, states) = (given("status").join(","), given("state").join(","));
        let has = |given: &str, word: &str| {
            let mut given = given.split(',').map(str::trim);
            given.any(|given| given.eq_ignore_ascii_case(word))
        };
        let sort = given("sort").first().copied().unwrap_or_default();
        let fields = INPUTS.map(|(field, ..)| field.as_str());
        let fields = fields.iter().chain(&["status", "state"]);
        let fields: Vec<&str> = fields.copied().collect();
        let apart = wrong
            .iter()
            .filter(|of| !fields.contains(&of.name.as_str()));
        let pairs = view.map(View::pairs).unwrap_or_default();
        Self {
            open: !wrong.is_empty(),
            list: given("list")
                .first()
                .copied()
                .unwrap_or_default()
                .to_owned(),
            inputs: INPUTS
                .into_iter()
                .map(|(field, label, hint)| Input {
                    name: field.as_str(),
                    label,
                    hint,
                    value: given(field.as_str())
                        .first()
                        .copied()
                        .unwrap_or_default()
                        .to_owned(),
                    wrong: why(field.as_str()),
                })
                .collect(),
            statuses: Status::ALL
                .iter()
                .map(|status| Check {
                    word: status.to_string(),
                    text: words::status(*status).to_owned(),
                    checked: has(&statuses, status.as_str()),
                })
                .collect(),
            wrong_status: why("status"),
            states: ProcessState::ALL
                .iter()
                .map(|state| Check {
                    word: state.to_string(),
                    text: state.to_string(),
                    checked: has(&states, state.as_str()),
                })
                .collect(),
            wrong_state: why("state"),
            sorts: sorts(sort),
            errors: ErrorName::ALL.iter().map(|error| error.as_str()).collect(),
            wrong: apart.map(|invalid| invalid.why.clone()).collect(),
            set: set(&pairs),
            views: VIEWS
                .into_iter()
                .map(|(text, query)| (text, format!("orders?{query}")))
                .collect(),
            here: link("orders", &pairs),
            csv: link("orders.csv", &pairs),
            notes: Vec::new(),
        }
    }
}

/// Each part of a view in words, and the view without it.
fn set(pairs: &[(&'static str, String)]) -> Vec<(String, String)> {
    let parts = pairs.iter().enumerate().map(|(at, (name, value))| {
        let value = match Status::from_word(value) {
            Some(status) if *name == Field::Status.as_str() => words::status(status),
            _ => value.as_str(),
        };
        let label = INPUTS.iter().find(|(field, ..)| field.as_str() == *name);
        let label = label.map_or(*name, |(_, label, _)| *label);
        let text = match *name {
            "sort" => format!("sorted by {value}"),
            _ => format!("{}: {value}", label.to_lowercase()),
        };
        let mut others = pairs.to_vec();
        others.remove(at);
        (text, link("orders", &others))
    });
    parts.collect()
}

fn sorts(chosen: &str) -> Vec<Check> {
    let mut sorts = vec![Check {
        word: String::new(),
        text: "As usual".to_owned(),
        checked: chosen.is_empty(),
    }];
    for by in SortBy::ALL {
        for descending in first_way(*by) {
            let sort = Sort {
                by: *by,
                descending,
            };
            sorts.push(Check {
                word: sort.to_string(),
                text: words::sort(sort).to_owned(),
                checked: sort.to_string() == chosen,
            });
        }
    }
    sorts
}

/// Both ways, the one first that is asked for more often.
const fn first_way(by: SortBy) -> [bool; 2] {
    match by {
        SortBy::Received | SortBy::Amount => [true, false],
        SortBy::Since | SortBy::Deadline => [false, true],
    }
}

/// A head of the table.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) text: &'static str,
    pub(crate) class: &'static str,
    /// The list sorted by this.
    pub(crate) link: Option<String>,
    /// How it is sorted by this now.
    pub(crate) sorted: Option<&'static str>,
}

/// The heads of the table; those that one can sort by are links if there is a view to sort.
pub(crate) fn heads(view: Option<&View>) -> Vec<Head> {
    let by = |by| Some(by);
    let heads = [
        ("Order", "", None),
        ("Status", "", None),
        ("State", "", None),
        ("Since", "", by(SortBy::Since)),
        ("Health", "", None),
        ("Waits for", "", None),
        ("Incident", "", None),
        ("Deadline", "", by(SortBy::Deadline)),
        ("Amount", "num", by(SortBy::Amount)),
        ("Received", "", by(SortBy::Received)),
    ];
    let head = |(text, class, by): (_, _, Option<SortBy>)| {
        let now = view.and_then(|view| view.sort);
        let now = now.filter(|now| Some(now.by) == by);
        let next = by.map(|by| Sort {
            by,
            descending: now.map_or(first_way(by)[0], |now| !now.descending),
        });
        Head {
            text,
            class,
            link: view.zip(next).map(|(view, next)| view.sorted(next).link()),
            sorted: now.map(|now| {
                if now.descending {
                    "descending"
                } else {
                    "ascending"
                }
            }),
        }
    };
    heads.map(head).into()
}

#[cfg(test)]
mod tests {
    use operations::filter::Filter;

    use super::*;

    #[test]
    fn every_view_that_is_ready_made_is_one() {
        for (text, query) in VIEWS {
            let pairs: Vec<(&str, &str)> = query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .collect();
            let filter = pairs.iter().copied().filter(|(name, _)| *name != "sort");
            assert!(
                Filter::parse(filter).is_ok_and(|filter| !filter.is_empty()),
                "{text}"
            );
            for (_, sort) in pairs.iter().filter(|(name, _)| *name == "sort") {
                assert!(sort.parse::<Sort>().is_ok(), "{text}");
            }
        }
    }

    #[test]
    fn a_head_turns_the_order_that_its_list_is_in() {
        let view = View {
            sort: "-amount".parse().ok(),
            ..View::of_status(Status::Failed)
        };
        let heads = heads(Some(&view));
        let amount = heads.iter().find(|head| head.text == "Amount");
        let amount = amount.expect("a head");
        assert_eq!(amount.sorted, Some("descending"));
        assert_eq!(
            amount.link.as_deref(),
            Some("orders?status=failed&sort=amount")
        );
        let since = heads.iter().find(|head| head.text == "Since");
        let since = since.expect("a head");
        assert_eq!(since.sorted, None);
        assert_eq!(
            since.link.as_deref(),
            Some("orders?status=failed&sort=since")
        );
    }
}
