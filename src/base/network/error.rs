//! What is wrong with a description, in words that say where.

/// Why a description is not a network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum DescriptionError {
    /// A list of numbers has the wrong length for the sizes beside it.
    #[error("{what} holds {got} numbers, its sizes call for {expected}")]
    Length {
        /// The thing ("layer 3: conv weight").
        what: String,
        /// Numbers given.
        got: usize,
        /// Numbers called for.
        expected: usize,
    },
    /// Two parts do not fit together.
    #[error("{what} has {got} channels, {expected} are needed there")]
    Channels {
        /// The thing.
        what: String,
        /// Channels given.
        got: usize,
        /// Channels called for.
        expected: usize,
    },
    /// A size or a total is beyond what is accepted.
    #[error("{what} is {got}; at most {allowed} is accepted")]
    TooLarge {
        /// The thing.
        what: String,
        /// The value, "more than 2^64" when it does not fit a number.
        got: String,
        /// The bound.
        allowed: usize,
    },
    /// A value makes no sense.
    #[error("{what}: {why}")]
    Invalid {
        /// The thing.
        what: String,
        /// What is wrong with it and what is allowed.
        why: String,
    },
}

impl DescriptionError {
    /// A value that makes no sense: what is wrong with it and what is allowed.
    pub fn invalid(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            why: why.into(),
        }
    }

    /// Says where in the network the fault is.
    pub fn within(mut self, place: &str) -> Self {
        let (Self::Length { what, .. }
        | Self::Channels { what, .. }
        | Self::TooLarge { what, .. }
        | Self::Invalid { what, .. }) = &mut self;
        *what = format!("{place}: {what}");
        self
    }
}
