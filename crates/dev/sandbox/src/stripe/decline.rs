//! A bank's no.

/// What the issuer says, <https://docs.stripe.com/declines/codes>.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decline {
    pub(crate) code: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: &'static str,
}

pub(crate) const GENERIC_DECLINE: Decline = Decline {
    code: "card_declined",
    reason: "generic_decline",
    message: "Your card was declined.",
};

/// The bank wants to ask a customer who is not there.
pub(crate) const AUTHENTICATION_REQUIRED: Decline = Decline {
    code: "authentication_required",
    reason: "authentication_required",
    message: "Your card was declined. This transaction requires authentication.",
};
