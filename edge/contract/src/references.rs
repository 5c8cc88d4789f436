//! A site into the mounted files that it names.

use crate::{Mounted, Origin, OriginHeaderValue, Site};

/// A mounted file that a site names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The file.
    pub mounted: &'a Mounted,
    /// What it is for.
    pub purpose: Purpose,
}

/// What a mounted file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be sent in a header field.
    FieldValue,
    /// To verify whoever answers by.
    Authorities,
    /// To prove who asks.
    Certificate,
    /// To prove that the certificate is one's own.
    Key,
    /// To sign requests with.
    Credential,
    /// To be sent beside a signature, where there is one.
    SessionToken,
}

impl Purpose {
    /// Whether it is no fault that the file is not there.
    pub fn may_be_missing(self) -> bool {
        self == Self::SessionToken
    }

    /// Whether it has to be one line of what a header field may hold.
    pub fn is_line(self) -> bool {
        matches!(self, Self::FieldValue | Self::Credential | Self::SessionToken)
    }
}

impl Site {
    /// Every mounted file that it names, in the order of its origins. One that several fields name is there for each of them.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        self.origins.iter().flat_map(Origin::references)
    }
}

impl Origin {
    /// Every mounted file that it names.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        let of_headers = self.headers.iter().filter_map(|header| match &header.value {
            OriginHeaderValue::ValueFrom(mounted) => Some((mounted, Purpose::FieldValue)),
            OriginHeaderValue::Value(_) => None,
        });
        let authorities = self.tls.authorities.iter().map(|mounted| (mounted, Purpose::Authorities));
        let of_identity = self
            .tls
            .identity
            .iter()
            .flat_map(|identity| [(&identity.certificate, Purpose::Certificate), (&identity.key, Purpose::Key)]);
        let credentials = self.s3.iter().filter_map(|s3| s3.credentials.as_ref());
        let of_credentials = credentials.flat_map(|given| {
            [
                (&given.access_key_id, Purpose::Credential),
                (&given.secret_access_key, Purpose::Credential),
                (&given.session_token, Purpose::SessionToken),
            ]
        });
        let all = of_headers.chain(authorities).chain(of_identity).chain(of_credentials);
        all.map(|(mounted, purpose)| Reference { mounted, purpose })
    }
}

impl Mounted {
    /// Why it can be no file below a folder, if so: an edge follows no path that leads out of it.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { name, key, field, .. } = self;
        let is_plain = |part: &str| {
            let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            !part.is_empty() && part != "." && !part.starts_with("..") && part.bytes().all(is_legal)
        };
        (!is_plain(name) || !is_plain(key)).then(|| format!("{field}: {name:?} with key {key:?} is nothing to mount"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, MountedKind, OriginHeader, OriginTls, S3, S3Credentials};

    fn mounted(key: &str) -> Mounted {
        Mounted { kind: MountedKind::Secret, name: "shop".into(), key: key.into(), field: format!("spec.{key}") }
    }

    #[test]
    fn every_field_that_names_a_file_is_found() {
        let header = OriginHeaderValue::ValueFrom(mounted("header"));
        let origin = Origin {
            headers: vec![
                OriginHeader { name: "x-key".into(), value: header },
                OriginHeader::plain("x-plain", "is no reference"),
            ],
            tls: OriginTls {
                authorities: Some(mounted("ca")),
                identity: Some(Identity { certificate: mounted("crt"), key: mounted("key") }),
                ..OriginTls::default()
            },
            s3: Some(S3 {
                region: "eu".into(),
                credentials: Some(S3Credentials {
                    access_key_id: mounted("id"),
                    secret_access_key: mounted("secret"),
                    session_token: mounted("token"),
                }),
            }),
            ..Origin::plain("app", "app")
        };
        let site = Site { origins: vec![origin], ..Site::plain("uid", "default/shop") };
        let found: Vec<(&str, Purpose)> =
            site.references().map(|one| (one.mounted.key.as_str(), one.purpose)).collect();
        let expect = [
            ("header", Purpose::FieldValue),
            ("ca", Purpose::Authorities),
            ("crt", Purpose::Certificate),
            ("key", Purpose::Key),
            ("id", Purpose::Credential),
            ("secret", Purpose::Credential),
            ("token", Purpose::SessionToken),
        ];
        assert_eq!(found, expect);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        assert_eq!(mounted("tls.crt").fault(), None);
        assert_eq!(mounted(".dockerconfigjson").fault(), None);
        for key in ["", ".", "..", "..data", "../a", "a/b", "/a", "a b", "a\0"] {
            assert!(mounted(key).fault().is_some(), "{key:?}");
        }
        let fault = Mounted { name: "..".into(), ..mounted("a") }.fault();
        assert_eq!(fault.as_deref(), Some(r#"spec.a: ".." with key "a" is nothing to mount"#));
    }
}
