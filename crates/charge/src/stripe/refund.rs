//! What was given back of a payment, by this system or by somebody in the dashboard.

use domain::ports::ProviderError;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Refund {
    id: String,
    amount: u64,
    #[serde(default)]
    status: Option<String>,
}

/// How far a refund has come.
/// <https://docs.stripe.com/api/refunds/object#refund_object-status>
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The customer has the money, as far as the provider knows.
    Given,
    /// Nobody knows yet.
    UnderWay,
    /// The money is ours again.
    Failed,
}

impl Refund {
    fn standing(&self) -> Standing {
        match self.status.as_deref() {
            Some("succeeded") => Standing::Given,
            Some("failed" | "canceled") => Standing::Failed,
            // `pending`, `requires_action`, and what this version does not know.
            Some(_) | None => Standing::UnderWay,
        }
    }

    /// The reference of a refund that has just been asked for.
    pub(super) fn given(self) -> Result<String, ProviderError> {
        match self.standing() {
            Standing::Given => Ok(self.id),
            Standing::UnderWay => Err(under_way()),
            Standing::Failed => Err(ProviderError::Unknown("the refund has failed".to_owned())),
        }
    }
}

/// All refunds of one payment, newest first.
pub(super) struct Refunds(Vec<Refund>);

impl Refunds {
    pub(super) fn new(newest_first: Vec<Refund>) -> Self {
        Self(newest_first)
    }

    /// What is left to give back of `whole`. `None` if nothing is.
    ///
    /// # Errors
    /// [`ProviderError::Unknown`] while one is on its way: what comes of it has to be known first.
    pub(super) fn rest(&self, whole: u64) -> Result<Option<u64>, ProviderError> {
        let given = self.sum_given()?;
        Ok(whole.checked_sub(given).filter(|rest| *rest > 0))
    }

    /// How much went back, in all.
    ///
    /// # Errors
    /// As [`Self::rest`].
    pub(super) fn sum_given(&self) -> Result<u64, ProviderError> {
        let mut all = self.0.iter();
        if all.any(|one| one.standing() == Standing::UnderWay) {
            return Err(under_way());
        }
        Ok(self.amount_given())
    }

    /// How much the customer has back.
    pub(super) fn amount_given(&self) -> u64 {
        self.given().map(|one| one.amount).sum()
    }

    /// The reference of the one that made it whole.
    pub(super) fn last_given(&self) -> Result<String, ProviderError> {
        let last = self.given().next().map(|one| one.id.clone());
        last.ok_or_else(|| ProviderError::Defect("there was nothing to give back".to_owned()))
    }

    /// The key of the next one. The earlier ones, whoever made them and whatever came of them, are
    /// what tells it from those: a try that comes again finds as many.
    pub(super) fn next_key(&self, key: &str) -> String {
        match self.0.len() {
            0 => key.to_owned(),
            earlier => format!("{key}-{earlier}"),
        }
    }

    fn given(&self) -> impl Iterator<Item = &Refund> {
        self.0
            .iter()
            .filter(|one| one.standing() == Standing::Given)
    }
}

fn under_way() -> ProviderError {
    ProviderError::Unknown("a refund is still on its way".to_owned())
}
