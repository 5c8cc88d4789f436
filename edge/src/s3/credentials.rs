//! Three mounted files into the one who signs.

use std::fmt;

use edge_contract::{Mounted, S3Credentials};

use crate::mounts::Secret;

/// Who signs requests to S3.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The id of the key.
    pub access_key_id: String,
    /// The key.
    pub secret_access_key: String,
    /// Beside a key that is lent for a while.
    pub session_token: Option<String>,
}

impl Credentials {
    /// Reads the three at every request, so that a new key needs no restart. None: the id or the key is not there.
    pub fn of(named: &S3Credentials, read: impl Fn(&Mounted) -> Option<Secret>) -> Option<Self> {
        // None of them holds a blank, and it does not matter who added one.
        let text = |secret: Secret| std::str::from_utf8(secret.bytes()).map(|text| text.trim().to_owned()).ok();
        let read = |file: &Mounted| read(file).and_then(text).filter(|text| !text.is_empty());
        Some(Self {
            access_key_id: read(&named.access_key_id)?,
            secret_access_key: read(&named.secret_access_key)?,
            session_token: read(&named.session_token),
        })
    }
}

/// Without the secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_key_id, session_token, .. } = self;
        let is_lent = session_token.is_some();
        f.debug_struct("Credentials").field("access_key_id", access_key_id).field("is_lent", &is_lent).finish()
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::MountedKind;

    use super::*;

    fn file(key: &str) -> Mounted {
        Mounted { kind: MountedKind::Secret, name: "s3".into(), key: key.into(), field: "spec.origins[0].s3".into() }
    }

    fn found(files: &[(&str, &str)]) -> Option<Credentials> {
        let named =
            S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("token") };
        let read = |file: &Mounted| {
            files.iter().find(|(key, _)| *key == file.key).map(|(_, text)| Secret::of(text.as_bytes()))
        };
        Credentials::of(&named, read)
    }

    #[test]
    fn a_key_and_its_id_are_needed_and_a_token_is_not() {
        let whole = found(&[("id", "AKIA\n"), ("key", " s3cr3t "), ("token", "t\n")]).expect("is there");
        assert_eq!((&*whole.access_key_id, &*whole.secret_access_key), ("AKIA", "s3cr3t"));
        assert_eq!(whole.session_token.as_deref(), Some("t"));
        for token in [&[][..], &[("token", "\n")]] {
            let lasting = found(&[&[("id", "AKIA"), ("key", "s3cr3t")], token].concat()).expect("is there");
            assert_eq!(lasting.session_token, None);
        }
        for part in [&[("id", "AKIA")][..], &[("key", "s3cr3t"), ("token", "t")], &[("id", " "), ("key", "s3cr3t")]] {
            assert_eq!(found(part), None, "{part:?}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!("{:?}", found(&[("id", "AKIA"), ("key", "s3cr3t"), ("token", "t0ken")]));
        assert!(printed.contains("AKIA") && !printed.contains("s3cr3t") && !printed.contains("t0ken"), "{printed}");
    }
}
