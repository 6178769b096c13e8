//! Looks for the orders of a view: among the open ones, all of which are read, and then through those that are
//! over, by how and when they ended, with so many requests and no more. What is found comes with the place at
//! which to look further.

use std::collections::{HashSet, VecDeque};

use domain::{OrderId, Timestamp};
use operations::Projection;
use operations::filter::Filter;
use operations::sort::{Place, Sort};
use read_models::{Ended, OpenPart, ReadModels, Reference, Referred};

use crate::view::View;
use crate::{Console, Failed};

/// So many requests go into looking for orders: a page makes at most 25, and there is a page around them.
const REQUESTS: usize = 20;
/// Of these, so many go into the open orders at most: with ten thousand of them two for each of their eight parts.
const FOR_OPEN: usize = 16;
/// So many open orders are read with one request. A megabyte, which is the most, would take too much of the time
/// that a request has to be read on so small a machine. For the same reason one request comes after the other.
const OPEN_AT_A_TIME: usize = 700;
/// So many orders that are over are read with one request.
const AT_A_TIME: usize = 250;
/// So many references of a customer are read with one, and their orders with another.
const REFERENCES: usize = 100;
/// What took no more requests than this may be asked again and again by a page that follows.
const CHEAP: usize = 12;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Looked {
    /// The open ones in order, then those that are over.
    pub(crate) found: Vec<Projection>,
    /// Where to look further.
    pub(crate) next: Option<String>,
    /// How many orders that are over were looked through.
    pub(crate) over: usize,
    /// What these were looked through to.
    pub(crate) reached: Option<Timestamp>,
    /// Whether there are more open orders than are read for one page.
    pub(crate) more_open: bool,
    /// Open orders of which nothing is known yet that this version can read.
    pub(crate) blanks: usize,
    /// Orders that are over and do not say which articles are in them, where that is asked.
    pub(crate) unknown: usize,
    /// So many requests it took.
    pub(crate) requests: usize,
}

impl Looked {
    pub(crate) fn is_cheap(&self) -> bool {
        self.requests <= CHEAP
    }

    fn left(&self) -> usize {
        REQUESTS.saturating_sub(self.requests)
    }
}

/// Where to look further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Among the open orders, after this place.
    Open(Option<Place>),
    /// Among those that are over.
    Over {
        /// In which span of time.
        span: usize,
        /// In which streams, and there after what.
        streams: Vec<(usize, Option<String>)>,
    },
}

impl Cursor {
    /// `None` if the text is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('~');
        if parts.next()? == "open" {
            let place = parts.next()?.parse().ok()?;
            return parts.next().is_none().then_some(Self::Open(Some(place)));
        }
        let mut parts = text.strip_prefix("over~")?.split('~');
        let span = parts.next()?.parse().ok()?;
        let stream = |part: &str| {
            let (index, place) = part.split_once(':')?;
            let place = Some(place).filter(|place| !place.is_empty());
            let fits = place.is_none_or(is_place);
            let index = index.parse().ok()?;
            fits.then(|| (index, place.map(str::to_owned)))
        };
        let streams = parts.map(stream).collect::<Option<_>>()?;
        Some(Self::Over { span, streams })
    }

    fn text(&self) -> String {
        match self {
            Self::Open(place) => {
                let place = place.as_ref().map(Place::to_string);
                format!("open~{}", place.unwrap_or_default())
            }
            Self::Over { span, streams } => {
                let streams = streams.iter().map(|(index, place)| {
                    let place = place.as_deref().unwrap_or_default();
                    format!("~{index}:{place}")
                });
                format!("over~{span}{}", streams.collect::<String>())
            }
        }
    }
}

/// A time and an order, as the read models write them.
fn is_place(text: &str) -> bool {
    text.split_once(['.', '#']).is_some_and(|(at, order_id)| {
        at.parse::<i64>().is_ok() && order_id.parse::<OrderId>().is_ok()
    })
}

fn time_of(place: &str) -> Timestamp {
    let at = place
        .split(['.', '#'])
        .next()
        .and_then(|at| at.parse().ok());
    at.and_then(|at| Timestamp::from_millisecond(at).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Orders that are over in one order of time, read a part at a time.
#[derive(Debug)]
struct Stream {
    index: usize,
    source: Source,
    read: VecDeque<Read>,
    /// After what to go on once what was read is looked through.
    after: Option<String>,
    /// After what somebody else has to go on.
    place: Option<String>,
    /// Whether nothing comes after what was read.
    is_last: bool,
}

#[derive(Debug)]
enum Source {
    Ended(Ended),
    Referred(Referred),
}

#[derive(Debug)]
struct Read {
    at: Timestamp,
    place: String,
    /// Not one that is open or cannot be read.
    order: Option<Projection>,
}

impl Stream {
    fn of((index, source): (usize, Source)) -> Self {
        Self {
            index,
            source,
            read: VecDeque::new(),
            after: None,
            place: None,
            is_last: false,
        }
    }

    fn wants_more(&self) -> bool {
        self.read.is_empty() && !self.is_last
    }

    const fn cost(&self) -> usize {
        match self.source {
            Source::Ended(_) => 1,
            Source::Referred(_) => 2,
        }
    }

    async fn read_on(&mut self, read_models: &ReadModels) -> Result<(), Failed> {
        let after = self.after.as_deref();
        match &self.source {
            Source::Ended(ended) => {
                let page = read_models.ended_orders(ended, after, AT_A_TIME);
                let (orders, next) = page.await?;
                self.read.extend(orders.into_iter().map(|order| Read {
                    at: order.since,
                    place: Ended::place(&order),
                    order: Some(order),
                }));
                self.is_last = next.is_none();
                self.after = next;
            }
            Source::Referred(referred) => {
                let page = read_models.referred(referred, after, REFERENCES);
                let page = page.await?;
                self.is_last = page.len() < REFERENCES;
                self.after = page.last().map(|last| last.place.clone());
                let ids: Vec<OrderId> = page.iter().map(|found| found.order_id.clone()).collect();
                let orders = match ids.as_slice() {
                    [] => Vec::new(),
                    ids => read_models.projections(ids).await?,
                };
                let mut orders = orders.into_iter().peekable();
                self.read.extend(page.into_iter().map(|found| {
                    let is_it = |order: &Projection| order.order_id == found.order_id;
                    let order = orders.next_if(is_it);
                    Read {
                        at: time_of(&found.place),
                        place: found.place,
                        order: order.filter(Projection::is_over),
                    }
                }));
            }
        }
        if self.read.is_empty() {
            // Nothing that this version can read.
            self.place.clone_from(&self.after);
        }
        Ok(())
    }

    fn take(&mut self) -> Option<Read> {
        let read = self.read.pop_front()?;
        self.place = Some(read.place.clone());
        Some(read)
    }
}

/// The streams in which the orders of a filter that are over are.
fn sources(filter: &Filter, sort: Sort, span: (Timestamp, Timestamp)) -> Vec<(usize, Source)> {
    let ends = filter.ends();
    let oldest_first = sort.is_oldest_first();
    let sources: Vec<Source> = match &filter.customer {
        _ if ends.is_empty() => Vec::new(),
        // All that a customer has ordered is found at once.
        Some(customer) => Reference::keys(customer.as_str())
            .into_iter()
            .map(|key| {
                Source::Referred(Referred {
                    reference: Reference::Customer,
                    key,
                    oldest_first,
                })
            })
            .collect(),
        None => ends
            .into_iter()
            .map(|status| {
                Source::Ended(Ended {
                    status,
                    from: span.0,
                    to: span.1,
                    oldest_first,
                })
            })
            .collect(),
    };
    sources.into_iter().enumerate().collect()
}

impl Console {
    /// At most `rows` orders of a view, from a place on. `None` if there is no such place.
    pub(crate) async fn look(
        &self,
        view: &View,
        from: Option<&str>,
        rows: usize,
        now: Timestamp,
    ) -> Result<Option<Looked>, Failed> {
        let cursor = match from {
            Some(text) => match Cursor::read(text) {
                Some(cursor) => cursor,
                None => return Ok(None),
            },
            None => Cursor::Open(None),
        };
        let mut looked = Looked::default();
        let (span, streams) = match cursor {
            Cursor::Open(after) => {
                self.look_among_open(view, after.as_ref(), &mut looked, now)
                    .await?;
                if looked.found.len() > rows {
                    looked.found.truncate(rows);
                    let last = looked.found.last().map(|last| view.sort().place(last));
                    looked.next = Some(Cursor::Open(last).text());
                    return Ok(Some(looked));
                }
                (0, None)
            }
            Cursor::Over { span, streams } => (span, Some(streams)),
        };
        self.look_through_over(view, span, streams, rows, &mut looked, now)
            .await?;
        Ok(Some(looked))
    }

    async fn look_among_open(
        &self,
        view: &View,
        after: Option<&Place>,
        looked: &mut Looked,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let sort = view.sort();
        let is_after = |order: &Projection| {
            after.is_none_or(|after| sort.compare(after, &sort.place(order)).is_lt())
        };
        let mut parts = OpenPart::all();
        while let Some(part) = parts.pop() {
            if looked.requests == FOR_OPEN {
                looked.more_open = true;
                break;
            }
            looked.requests += 1;
            let read = self.read_models.open_part(part, Some(OPEN_AT_A_TIME));
            let (open, rest) = read.await?;
            looked.blanks += open.blanks.len();
            let wanted = open.projections.into_iter();
            let wanted = wanted.filter(|order| view.filter.matches(order, now) && is_after(order));
            looked.found.extend(wanted);
            parts.extend(rest);
        }
        sort.sort(&mut looked.found);
        Ok(())
    }

    /// Goes through the streams as one, in the order of time.
    async fn look_through_over(
        &self,
        view: &View,
        span: usize,
        begun: Option<Vec<(usize, Option<String>)>>,
        rows: usize,
        looked: &mut Looked,
        now: Timestamp,
    ) -> Result<(), Failed> {
        let (filter, sort) = (&view.filter, view.sort());
        let open = looked.found.len();
        // One that has just ended may still be in the index of open ones.
        let known = looked.found.iter();
        let mut seen: HashSet<OrderId> = known.map(|order| order.order_id.clone()).collect();
        let mut begun = begun;
        let mut spans = filter.ended(now);
        if filter.customer.is_some() {
            spans.truncate(1);
        }
        let count = spans.len();
        'spans: for (number, span) in spans.into_iter().enumerate().skip(span) {
            let mut streams: Vec<Stream> = sources(filter, sort, span)
                .into_iter()
                .map(Stream::of)
                .collect();
            if let Some(begun) = begun.take() {
                streams.retain_mut(|stream| {
                    let mut begun = begun.iter();
                    let begun = begun.find(|(index, _)| *index == stream.index);
                    if let Some((_, place)) = begun {
                        stream.after.clone_from(place);
                        stream.place.clone_from(place);
                    }
                    begun.is_some()
                });
            }
            loop {
                let wanting = streams.iter().filter(|stream| stream.wants_more());
                let cost: usize = wanting.map(Stream::cost).sum();
                let is_full = looked.found.len() >= rows;
                if is_full || cost > looked.left() {
                    streams.retain(|stream| !stream.read.is_empty() || !stream.is_last);
                    let is_over = streams.is_empty() && number + 1 == count;
                    looked.next = (!is_over).then(|| further(number, &streams).text());
                    break 'spans;
                }
                looked.requests += cost;
                for stream in streams.iter_mut().filter(|stream| stream.wants_more()) {
                    stream.read_on(&self.read_models).await?;
                }
                if streams.iter().any(Stream::wants_more) {
                    continue;
                }
                let Some(first) = first(&mut streams, sort) else {
                    continue 'spans;
                };
                looked.reached = Some(first.at);
                let Some(mut order) = first.order else {
                    continue;
                };
                looked.over += 1;
                if filter.sku.is_some() && order.skus.is_empty() {
                    looked.unknown += 1;
                }
                if order.customer_id.is_none() {
                    // Found by it, though an earlier version did not write it.
                    order.customer_id.clone_from(&filter.customer);
                }
                if filter.matches(&order, now) && seen.insert(order.order_id.clone()) {
                    looked.found.push(order);
                }
            }
        }
        if let Some(over) = looked.found.get_mut(open..) {
            sort.sort(over);
        }
        Ok(())
    }
}

/// Where somebody else goes on: in the streams of this span that have something left, or in the next span.
fn further(span: usize, streams: &[Stream]) -> Cursor {
    let places = streams
        .iter()
        .map(|stream| (stream.index, stream.place.clone()))
        .collect::<Vec<_>>();
    Cursor::Over {
        span,
        streams: places,
    }
}

/// Takes the order that is first by time off its stream; off each, if several have it.
fn first(streams: &mut [Stream], sort: Sort) -> Option<Read> {
    let heads = streams.iter().filter_map(|stream| {
        let head = stream.read.front()?;
        Some((head.at, head.place.clone()))
    });
    let (_, place) = if sort.is_oldest_first() {
        heads.min()
    } else {
        heads.max()
    }?;
    let mut first = None;
    for stream in streams {
        if stream.read.front().is_some_and(|head| head.place == place) {
            first = first.or(stream.take());
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nonsense_is_none() {
        let begun = vec![
            (0, Some("1795428000000.ord-1".to_owned())),
            (3, None),
            (1, Some("001795428000000#Ord_2".to_owned())),
        ];
        for cursor in [
            Cursor::Open("USD.1000.ord-1".parse().ok()),
            Cursor::Over {
                span: 2,
                streams: begun,
            },
            Cursor::Over {
                span: 0,
                streams: Vec::new(),
            },
        ] {
            let text = cursor.text();
            assert_eq!(Cursor::read(&text), Some(cursor), "{text}");
        }
        for nonsense in [
            "",
            "open",
            "open~",
            "open~.1.ord-1~x",
            "over",
            "over~",
            "over~x",
            "over~0~",
            "over~0~0",
            "over~0~x:1.ord-1",
            "over~0~0:x.ord-1",
            "over~0~0:1.",
            "failed~closed~17.ord-1",
        ] {
            assert_eq!(Cursor::read(nonsense), None, "{nonsense}");
        }
    }
}
