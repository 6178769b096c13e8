//! Who is asking.

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operator {
    /// What their actions are kept under.
    pub(crate) name: String,
    /// Whether they may act, or only look.
    pub(crate) may_act: bool,
    /// Whether they can sign out: on a laptop nobody has signed in.
    pub(crate) signs_out: bool,
}
