//! Stripe's idempotency layer, <https://docs.stripe.com/api/idempotent_requests>: the first answer
//! given under a key is given again to the same request, success or not, 500 included; another
//! request under that key is an error. Kept only once the endpoint has begun to work: a request
//! that fails validation, comes without a credential or meets another one in flight leaves nothing.

use std::collections::HashMap;

use crate::answer::Answer;

/// A key and the request that came with it: method, path and parameters.
#[derive(Clone, Debug)]
pub(crate) struct Keyed {
    pub(crate) key: String,
    pub(crate) request: String,
}

#[derive(Debug)]
pub(crate) enum Known {
    New,
    Stored(Answer),
    /// The first request with this key has no answer yet.
    InFlight,
    OtherRequest,
}

#[derive(Debug, Default)]
pub(crate) struct Keys(HashMap<String, Entry>);

#[derive(Debug)]
struct Entry {
    request: String,
    answer: Option<Answer>,
}

impl Keys {
    pub(crate) fn look_up(&self, keyed: &Keyed) -> Known {
        match self.0.get(&keyed.key) {
            None => Known::New,
            Some(entry) if entry.request != keyed.request => Known::OtherRequest,
            Some(Entry { answer: None, .. }) => Known::InFlight,
            Some(Entry {
                answer: Some(answer),
                ..
            }) => Known::Stored(answer.clone()),
        }
    }

    pub(crate) fn begin(&mut self, keyed: &Keyed) {
        self.put(keyed, None);
    }

    pub(crate) fn store(&mut self, keyed: &Keyed, answer: Answer) {
        self.put(keyed, Some(answer));
    }

    /// Stripe may drop a key once it is a day old; requests in flight keep theirs.
    pub(crate) fn forget(&mut self) {
        self.0.retain(|_, entry| entry.answer.is_none());
    }

    fn put(&mut self, keyed: &Keyed, answer: Option<Answer>) {
        let request = keyed.request.clone();
        self.0.insert(keyed.key.clone(), Entry { request, answer });
    }
}
