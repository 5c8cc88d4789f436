//! A request's body into one that comes back where whoever was asked took nothing of it.

use crate::forward::body::RequestBody;
use crate::forward::lent::Lent;

/// The body of one try.
pub(super) enum Loan {
    /// There is none.
    Empty,
    /// It waits for the word that it is wanted; until then it can be taken back.
    Lent(Lent),
}

impl Loan {
    /// Lends it out.
    pub(super) fn of(body: RequestBody) -> Self {
        match body {
            RequestBody::Empty => Self::Empty,
            body => Self::Lent(Lent::of(body)),
        }
    }

    /// The side that is sent.
    pub(super) fn lend(&self) -> RequestBody {
        match self {
            Self::Empty => RequestBody::Empty,
            Self::Lent(lent) => RequestBody::Lent(lent.clone()),
        }
    }

    /// All of it; nothing where some of it was taken.
    pub(super) fn take_back(self, expects: bool) -> Option<RequestBody> {
        match self {
            Self::Empty => Some(RequestBody::Empty),
            Self::Lent(lent) => {
                let mut whole = lent.take_back()?;
                whole.forget_expectation();
                if expects {
                    whole.expect_continue();
                }
                Some(whole)
            }
        }
    }
}
