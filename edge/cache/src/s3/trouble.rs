//! The answer in which S3 refuses something into what is wrong, in words for whoever can mend it.

use http::StatusCode;

/// What is read of a body to find the code of an error: S3 names it first.
pub const ENOUGH: usize = 4096;

/// The longest code or region that is taken for one.
const LONGEST: usize = 64;

/// Whom an error concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concerns {
    /// Who asked for this object: it says nothing of the others.
    Viewer,
    /// Who configured the origin: it will not go away by itself.
    Owner,
    /// Who runs S3.
    Store,
}

/// What S3 has something against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The id of the key.
    AccessKeyId,
    /// The key.
    SecretAccessKey,
    /// What stands beside a key that is lent.
    SessionToken,
}

/// What S3 says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The status of its answer.
    pub status: StatusCode,
    /// S3's word for it, if its answer has one.
    pub code: Option<String>,
    /// The region where the bucket is, if its answer names one.
    pub region: Option<String>,
}

/// A code, the word for it in `Cache-Status`, and what it says.
type Row = (&'static str, &'static str, &'static str);

/// By whom they concern.
const ROWS: [(Concerns, &[Row]); 3] = [
    (
        Concerns::Viewer,
        &[
            ("NoSuchKey", "s3-no-such-key", "there is no such object"),
            ("NoSuchVersion", "s3-no-such-key", "there is no such version of the object"),
            ("MethodNotAllowed", "s3-method", "S3 does not do this with an object"),
            ("PreconditionFailed", "s3-precondition", "a condition of the request does not hold"),
            ("InvalidRange", "s3-range", "the object has no such range"),
            ("MissingContentLength", "s3-length-required", "S3 takes no upload whose length is not said before it"),
            ("KeyTooLongError", "s3-key-too-long", "a key holds at most 1,024 bytes"),
            ("InvalidURI", "s3-key", "a key is UTF-8"),
            ("AccessDenied", "s3-access-denied", ACCESS_DENIED),
            ("InvalidObjectState", "s3-archived", "the object is archived and must be restored before it can be read"),
        ],
    ),
    (
        Concerns::Owner,
        &[
            ("NoSuchBucket", "s3-no-such-bucket", "there is no such bucket at this endpoint"),
            ("NotSignedUp", "s3-unknown-access-key", "the account of the access key has no S3"),
            ("InvalidAccessKeyId", "s3-unknown-access-key", "S3 does not know the access key id"),
            ("SignatureDoesNotMatch", "s3-wrong-secret", "the secret access key is not the one of this access key id"),
            ("ExpiredToken", "s3-expired-token", "the session token has expired"),
            ("TokenRefreshRequired", "s3-expired-token", "the session token has to be renewed"),
            ("InvalidToken", "s3-invalid-token", "the session token is missing, or not the one of this key"),
            ("RequestTimeTooSkewed", "s3-clock", TOO_SKEWED),
            ("AuthorizationHeaderMalformed", WRONG_REGION, "requests are signed for another region"),
            ("PermanentRedirect", WRONG_REGION, "the bucket is to be asked at another endpoint"),
            ("TemporaryRedirect", WRONG_REGION, "the bucket is to be asked at another endpoint for now"),
        ],
    ),
    (
        Concerns::Store,
        &[("SlowDown", "s3-busy", "S3 asks for fewer requests"), ("InternalError", "s3-failed", "S3 failed")],
    ),
];

const ACCESS_DENIED: &str =
    "the key may not do this; or there is no such object, which S3 says only to keys that may s3:ListBucket";
const TOO_SKEWED: &str = "the clocks of this edge and of S3 are more than fifteen minutes apart";
const WRONG_REGION: &str = "s3-wrong-region";

impl Trouble {
    /// Reads the beginning of a body; `header` is what `x-amz-bucket-region` says.
    pub fn read(status: StatusCode, header: Option<&str>, body: &[u8]) -> Self {
        let word = |name: &str| element(body, name).filter(|word| is_word(word)).map(ToOwned::to_owned);
        let region = header.filter(|region| is_word(region)).map(ToOwned::to_owned).or_else(|| word("Region"));
        Self { status, code: word("Code"), region }
    }

    /// The word for `Cache-Status` and logs.
    pub fn detail(&self) -> &'static str {
        self.row().1.1
    }

    /// Whom it concerns.
    pub fn concerns(&self) -> Concerns {
        self.row().0
    }

    /// Which of the credentials is to be mended, if it is one of them.
    pub fn fault(&self) -> Option<Fault> {
        match self.detail() {
            "s3-unknown-access-key" => Some(Fault::AccessKeyId),
            "s3-wrong-secret" => Some(Fault::SecretAccessKey),
            "s3-expired-token" | "s3-invalid-token" => Some(Fault::SessionToken),
            _ => None,
        }
    }

    /// Whether S3 has looked at the object: it does so for nobody whom it does not believe.
    pub fn believes_who_asks(&self) -> bool {
        let of_the_object = ["NoSuchKey", "NoSuchVersion", "PreconditionFailed", "InvalidRange", "InvalidObjectState"];
        self.code.as_deref().is_some_and(|code| of_the_object.contains(&code))
    }

    /// What is wrong, in a sentence.
    pub fn message(&self) -> String {
        let (_, (_, detail, message)) = self.row();
        let code = self.code.as_deref().filter(|code| known(code).is_none());
        match (&self.region, code) {
            (Some(region), _) if detail == WRONG_REGION => format!("{message}: the bucket is in {region}"),
            (_, Some(code)) => format!("{message}: {code}"),
            _ => message.to_owned(),
        }
    }

    fn row(&self) -> (Concerns, Row) {
        // HEAD has no body to name a code in.
        self.code.as_deref().and_then(known).unwrap_or(match self.status.as_u16() {
            300..400 => (Concerns::Owner, ("", WRONG_REGION, "the bucket is to be asked at another endpoint")),
            403 => (Concerns::Viewer, ("", "s3-access-denied", "S3 forbids it")),
            404 => (Concerns::Viewer, ("", "s3-no-such-key", "there is no such object")),
            400..500 => (Concerns::Viewer, ("", "s3-refused", "S3 refuses it")),
            _ => (Concerns::Store, ("", "s3-failed", "S3 failed")),
        })
    }
}

fn known(code: &str) -> Option<(Concerns, Row)> {
    ROWS.iter().find_map(|(concerns, rows)| Some((*concerns, *rows.iter().find(|row| row.0 == code)?)))
}

/// What stands between the first `<name>` and the `<` behind it.
fn element<'a>(body: &'a [u8], name: &str) -> Option<&'a str> {
    let open = format!("<{name}>");
    let at = body.windows(open.len()).position(|window| window == open.as_bytes())?;
    let rest = body.get(at + open.len()..)?;
    let end = rest.iter().take(LONGEST + 1).position(|byte| *byte == b'<')?;
    std::str::from_utf8(rest.get(..end)?).ok()
}

/// What may be told on: nothing that could be a name of somebody's, or an escape of a terminal.
fn is_word(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.len() <= LONGEST && text.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn body(code: &str, rest: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Bucket shop, key \
             secret.txt</Message>{rest}<RequestId>4442587FB7D0A2F9</RequestId></Error>"
        )
    }

    fn trouble(status: u16, header: Option<&str>, body: &str) -> Trouble {
        Trouble::read(StatusCode::from_u16(status).expect("is one"), header, body.as_bytes())
    }

    #[test]
    fn who_is_told_of_an_object_was_believed() {
        let table = [
            (404, "NoSuchKey", true),
            (412, "PreconditionFailed", true),
            (404, "NoSuchBucket", false),
            (403, "AccessDenied", false),
            (403, "InvalidAccessKeyId", false),
            (404, "Strange", false),
        ];
        for (status, code, expect) in table {
            assert_eq!(trouble(status, None, &body(code, "")).believes_who_asks(), expect, "{code}");
        }
        assert!(!trouble(404, None, "").believes_who_asks());
    }

    #[test]
    fn each_thing_that_can_be_wrong_has_a_word_and_a_sentence_of_its_own() {
        use Concerns::{Owner, Store, Viewer};
        let table = [
            (404, "NoSuchKey", "s3-no-such-key", Viewer),
            (404, "NoSuchBucket", "s3-no-such-bucket", Owner),
            (403, "AccessDenied", "s3-access-denied", Viewer),
            (403, "InvalidAccessKeyId", "s3-unknown-access-key", Owner),
            (403, "SignatureDoesNotMatch", "s3-wrong-secret", Owner),
            (400, "ExpiredToken", "s3-expired-token", Owner),
            (400, "InvalidToken", "s3-invalid-token", Owner),
            (403, "RequestTimeTooSkewed", "s3-clock", Owner),
            (400, "AuthorizationHeaderMalformed", "s3-wrong-region", Owner),
            (301, "PermanentRedirect", "s3-wrong-region", Owner),
            (503, "SlowDown", "s3-busy", Store),
        ];
        let mut messages = HashSet::new();
        for (status, code, detail, concerns) in table {
            let found = trouble(status, None, &body(code, ""));
            assert_eq!((found.detail(), found.concerns()), (detail, concerns), "{code}");
            assert!(messages.insert(found.message()), "{code}");
        }
    }

    #[test]
    fn no_code_stands_twice() {
        let mut codes = HashSet::new();
        for (code, ..) in ROWS.iter().flat_map(|(_, rows)| *rows) {
            assert!(codes.insert(code), "{code}");
        }
    }

    #[test]
    fn a_wrong_region_says_which_is_right() {
        let said = |header, body: &str| trouble(400, header, body).message();
        let malformed = body("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>");
        assert_eq!(said(None, &malformed), "requests are signed for another region: the bucket is in eu-west-1");
        assert!(trouble(301, Some("eu-west-1"), "").message().ends_with(": the bucket is in eu-west-1"));
        assert!(!said(None, &body("NoSuchKey", "<Region>eu-west-1</Region>")).contains("eu-west-1"));
    }

    #[test]
    fn what_s3_has_against_credentials_is_said_of_the_one_that_is_at_fault() {
        for (code, fault) in [
            ("InvalidAccessKeyId", Some(Fault::AccessKeyId)),
            ("NotSignedUp", Some(Fault::AccessKeyId)),
            ("SignatureDoesNotMatch", Some(Fault::SecretAccessKey)),
            ("ExpiredToken", Some(Fault::SessionToken)),
            ("InvalidToken", Some(Fault::SessionToken)),
            ("AccessDenied", None),
            ("RequestTimeTooSkewed", None),
        ] {
            assert_eq!(trouble(403, None, &body(code, "")).fault(), fault, "{code}");
        }
    }

    #[test]
    fn without_a_code_the_status_speaks() {
        for (status, detail) in [
            (301, "s3-wrong-region"),
            (307, "s3-wrong-region"),
            (403, "s3-access-denied"),
            (404, "s3-no-such-key"),
            (405, "s3-refused"),
            (500, "s3-failed"),
        ] {
            assert_eq!(trouble(status, None, "<html>").detail(), detail, "{status}");
        }
    }

    #[test]
    fn a_code_that_nobody_knows_is_told_as_it_is() {
        assert_eq!(trouble(400, None, &body("NewInSpring", "")).message(), "S3 refuses it: NewInSpring");
        for odd in ["a b", "\u{1b}[2J", "", "ü", &"x".repeat(65)] {
            assert_eq!(trouble(400, None, &body(odd, "")).code, None, "{odd:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_told_of_any_body_is_a_word(body: Vec<u8>, status in 300_u16..600, inside in "(<Code>)?(<Region>)?\\PC{0,70}(</)?") {
            let status = StatusCode::from_u16(status).expect("is one");
            for bytes in [&body[..], inside.as_bytes()] {
                let found = Trouble::read(status, None, bytes);
                prop_assert!([&found.code, &found.region].into_iter().flatten().all(|word| is_word(word)));
                prop_assert!(found.message().is_ascii());
            }
        }
    }
}
