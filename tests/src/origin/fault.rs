//! Turns a fault that was asked for into the bytes that show it. No HTTP library sends these on purpose, so they are
//! written to the socket by hand and the connection ends.

/// A way to break HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Reset,
    Close,
    LengthAboveBody,
    LengthBelowBody,
    TruncatedChunked,
    NotHttp,
}

impl Fault {
    /// The fault that a path and its query ask for.
    pub(super) fn asked_for(path: &str, query: &str) -> Option<Self> {
        match path {
            "/reset" => Some(Self::Reset),
            "/close" => Some(Self::Close),
            "/lying-length" if query.split('&').any(|word| word == "less") => Some(Self::LengthBelowBody),
            "/lying-length" => Some(Self::LengthAboveBody),
            "/truncated-chunked" => Some(Self::TruncatedChunked),
            "/not-http" => Some(Self::NotHttp),
            _ => None,
        }
    }

    /// What goes onto the wire before the connection ends.
    pub(super) fn bytes(self, read: u64, cache_control: &str) -> String {
        let body = format!("read {read}\n");
        let head = |framing: &str| {
            let control =
                if cache_control.is_empty() { String::new() } else { format!("Cache-Control: {cache_control}\r\n") };
            format!("HTTP/1.1 200 OK\r\nX-Read: {read}\r\n{control}{framing}\r\n\r\n")
        };
        match self {
            Self::Reset | Self::Close => String::new(),
            Self::LengthAboveBody => head(&format!("Content-Length: {}", body.len() + 1000)) + &body,
            // What follows could pass for a second response, to a reader that reuses the connection.
            Self::LengthBelowBody => {
                head(&format!("Content-Length: {}", body.len()))
                    + &body
                    + "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsmuggle"
            }
            Self::TruncatedChunked => head("Transfer-Encoding: chunked") + &format!("{:x}\r\n{body}\r\n", body.len()),
            Self::NotHttp => "220 mail.example.com ESMTP\r\n".to_owned(),
        }
    }
}
