//! Three mounted files into the one who signs.

use std::fmt;

use edge_contract::{Mounted, S3Credentials};

use crate::mounts::{MountError, Secret, Unusable};

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
    /// Reads the three at every request, so that a new key needs no restart. `line` gives a file as one line.
    pub fn of(named: &S3Credentials, line: impl Fn(&Mounted) -> Result<Secret, MountError>) -> Result<Self, Unusable> {
        // None of them holds a blank, and it does not matter who added one.
        let text = |secret: Secret| String::from_utf8_lossy(secret.line()).trim().to_owned();
        let read = |file: &Mounted| line(file).map(text);
        let needed = |file: &Mounted| read(file).map_err(|error| Unusable::of(file, error));
        Ok(Self {
            access_key_id: needed(&named.access_key_id)?,
            secret_access_key: needed(&named.secret_access_key)?,
            session_token: match read(&named.session_token) {
                Err(MountError::Missing) => None,
                token => Some(token.map_err(|error| Unusable::of(&named.session_token, error))?),
            },
        })
    }
}

/// Without any of it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use edge_contract::MountedKind;

    use super::*;

    fn file(key: &str) -> Mounted {
        Mounted { kind: MountedKind::Secret, name: "s3".into(), key: key.into(), field: "spec.origins[0].s3".into() }
    }

    fn found(files: &[(&str, &str)]) -> Result<Credentials, Unusable> {
        let named =
            S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("token") };
        let line = |file: &Mounted| match files.iter().find(|(key, _)| *key == file.key) {
            Some((_, "")) => Err(MountError::Empty),
            Some((_, text)) => Ok(Secret::of(text.as_bytes())),
            None => Err(MountError::Missing),
        };
        Credentials::of(&named, line)
    }

    #[test]
    fn a_key_and_its_id_are_needed_and_a_token_is_not() {
        let whole = found(&[("id", "AKIA\n"), ("key", " s3cr3t "), ("token", "t\n")]).expect("is there");
        assert_eq!((&*whole.access_key_id, &*whole.secret_access_key), ("AKIA", "s3cr3t"));
        assert_eq!(whole.session_token.as_deref(), Some("t"));
        let lasting = found(&[("id", "AKIA"), ("key", "s3cr3t")]).expect("is there");
        assert_eq!(lasting.session_token, None);
    }

    #[test]
    fn what_is_of_no_use_is_named_by_its_field_and_key() {
        let check = |files: &[(&str, &str)], expect: &str| {
            let unusable = found(files).expect_err(expect).to_string();
            assert!(unusable.starts_with("spec.origins[0].s3: ") && unusable.contains(expect), "{unusable}");
        };
        check(&[("id", "AKIA"), ("token", "t")], "Secret s3 has no key key,");
        check(&[("key", "s3cr3t"), ("token", "t")], "Secret s3 has no key id,");
        check(&[("id", ""), ("key", "s3cr3t")], "key id of Secret s3 is empty");
        check(&[("id", "AKIA"), ("key", "s3cr3t"), ("token", "")], "key token of Secret s3 is empty");
    }

    #[test]
    fn secrets_are_not_printed() {
        let printed = format!("{:?}", found(&[("id", "AKIA"), ("key", "s3cr3t"), ("token", "t0ken")]));
        assert_eq!(printed, "Ok(Credentials(…))");
    }
}
