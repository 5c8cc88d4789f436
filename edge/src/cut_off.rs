//! How a response ended, and why, into the word that the access log has for it.

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it went out.
    Complete,
    /// Not all of it.
    Cut(CutOff),
}

/// Why not all of a response went out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutOff {
    /// Its viewer has left.
    ViewerLeft,
    /// Its viewer took nothing of it for too long.
    ViewerSlow,
    /// The origin ended the connection, or the stream, before its end.
    OriginReset,
    /// Nothing more of it came from the origin for too long.
    OriginSilent,
    /// What came from the origin is malformed, or not as long as its head says.
    OriginMalformed,
    /// In a tunnel no byte passed for too long.
    Idle,
    /// This edge ends, and has waited for it as long as it may.
    Drain,
}

impl CutOff {
    /// The word for logs.
    pub fn word(self) -> &'static str {
        match self {
            Self::ViewerLeft => "viewer-left",
            Self::ViewerSlow => "viewer-slow",
            Self::OriginReset => "origin-reset",
            Self::OriginSilent => "origin-silent",
            Self::OriginMalformed => "origin-malformed",
            Self::Idle => "idle",
            Self::Drain => "drain",
        }
    }
}

impl End {
    /// The word for why it is not complete.
    pub fn why(self) -> Option<&'static str> {
        if let Self::Cut(why) = self { Some(why.word()) } else { None }
    }
}
