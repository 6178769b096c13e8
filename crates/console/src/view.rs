//! What an address asks for: a filter and an order of the rows. An address is all there is to a view, so that it
//! can be kept and sent to somebody.

use std::str::FromStr as _;

use domain::Status;
use operations::filter::{Filter, Invalid};
use operations::snapshot::List;
use operations::sort::Sort;

use crate::request::PageRequest;

/// What is in an address besides a filter.
const OTHERS: [&str; 4] = ["sort", "cursor", "snapshot", "page"];

/// A filter and an order of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) filter: Filter,
    /// As usual, if it is not asked for.
    pub(crate) sort: Option<Sort>,
}

/// A view that a snapshot and its lists answer, without looking through orders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plain {
    /// All orders, or those of a status.
    Status(Option<Status>),
    /// A list.
    List(List),
}

impl View {
    pub(crate) fn of(request: &PageRequest) -> Result<Self, Vec<Invalid>> {
        let pairs = request.pairs();
        let filter = Filter::parse(
            pairs
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .filter(|(name, _)| !OTHERS.contains(name)),
        );
        let sorts: Vec<&str> = pairs
            .iter()
            .filter(|(name, value)| name == "sort" && !value.is_empty())
            .map(|(_, value)| value.as_str())
            .collect();
        let sort = match sorts.as_slice() {
            [] => Ok(None),
            [sort] => Sort::from_str(sort).map(Some),
            _ => Err("This is given more than once; give it once.".to_owned()),
        };
        let sort = sort.map_err(|why| Invalid {
            name: "sort".to_owned(),
            why,
        });
        match (filter, sort) {
            (Ok(filter), Ok(sort)) => Ok(Self { filter, sort }),
            (Err(invalid), Ok(_)) => Err(invalid),
            (Ok(_), Err(of_sort)) => Err(vec![of_sort]),
            (Err(mut invalid), Err(of_sort)) => {
                invalid.push(of_sort);
                Err(invalid)
            }
        }
    }

    /// All of one status.
    pub(crate) fn of_status(status: Status) -> Self {
        let filter = Filter {
            statuses: [status].into(),
            ..Filter::default()
        };
        Self { filter, sort: None }
    }

    /// All of one list.
    pub(crate) fn of_list(list: List) -> Self {
        let filter = Filter {
            list: Some(list),
            ..Filter::default()
        };
        Self { filter, sort: None }
    }

    pub(crate) fn plain(&self) -> Option<Plain> {
        if self.sort.is_some() {
            return None;
        }
        let filter = &self.filter;
        if let Some(list) = &filter.list {
            let alone = Self::of_list(list.clone()).filter;
            return (*filter == alone).then(|| Plain::List(list.clone()));
        }
        let status = filter.statuses.first().copied();
        let alone = status.map_or_else(Filter::default, |status| Self::of_status(status).filter);
        (*filter == alone).then_some(Plain::Status(status))
    }

    pub(crate) fn sort(&self) -> Sort {
        self.sort.unwrap_or_default()
    }

    pub(crate) fn sorted(&self, sort: Sort) -> Self {
        Self {
            filter: self.filter.clone(),
            sort: Some(sort),
        }
    }

    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = self.filter.pairs();
        pairs.extend(self.sort.map(|sort| ("sort", sort.to_string())));
        pairs
    }

    /// Its address, relative to the page's root.
    pub(crate) fn link(&self) -> String {
        link("orders", &self.pairs())
    }

    /// The address of what comes after a place.
    pub(crate) fn link_after(&self, cursor: String) -> String {
        let mut pairs = self.pairs();
        pairs.push(("cursor", cursor));
        link("orders", &pairs)
    }
}

/// A path with a query of these pairs.
pub(crate) fn link(path: &str, pairs: &[(&'static str, String)]) -> String {
    if pairs.is_empty() {
        return path.to_owned();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    format!("{path}?{}", query.finish())
}

/// What is wrong with a cursor that none of our pages has given.
pub(crate) fn no_such_place() -> Invalid {
    Invalid {
        name: "cursor".to_owned(),
        why: "There is no such place to look further from. Begin anew, without it.".to_owned(),
    }
}
