//! Words that stand in Secrets and may stand nowhere else, and a Distribution that wants something of each of those.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tests::product::distribution;

/// The Secrets in which the words stand; the last one is the origin's own.
pub const SECRETS: [&str; 5] = ["shop-token", "shop-s3", "shop-identity", "shop-authority", ORIGIN];

/// What the origin shows of itself over TLS, and by whom it wants whoever asks to be vouched for.
const ORIGIN: &str = "shop-origin-tls";

/// A path for each origin that wants something of them, and one of an object that a bucket refuses.
pub const PATHS: [&str; 6] = ["/page", "/things/a", "/403", "/verified/a", "/proven/a", "/mutual/a"];

/// Shorter lines may stand anywhere by chance.
const LONG_ENOUGH: usize = 16;

/// Words, each with what it is; and the Secrets that hold them.
pub struct Marked {
    pub words: Vec<(&'static str, String)>,
    pub manifest: String,
}

/// An authority, and what it vouches for.
pub struct Vouched {
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// What stands in Secrets for TLS, PEM.
struct ForTls<'a> {
    authority: &'a str,
    certificate: &'a str,
    key: &'a str,
}

impl Vouched {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signs");
        Self { authority }
    }

    /// A certificate for this name and its key, PEM.
    fn is(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            CertificateParams::new(vec![name.to_owned()]).expect("a name").signed_by(&key, &self.authority);
        (certificate.expect("signs").pem(), key.serialize_pem())
    }

    /// The Secret of the origin in this namespace.
    pub fn of_origin(&self, namespace: &str) -> String {
        let (certificate, key) = self.is(&format!("shop-origin.{namespace}.svc"));
        let data = json!({ "tls.crt": certificate, "tls.key": key, "ca.crt": self.authority.pem() });
        secret(ORIGIN, "Opaque", &data)
    }
}

impl Marked {
    /// What an edge can use, with an origin that the same authority vouches for.
    pub fn sound(vouched: &Vouched) -> Self {
        let (certificate, key) = vouched.is("edge.example.com");
        let authority = vouched.authority.pem();
        let mut words = plain("m4rk");
        // Each line of a key is as secret as the next.
        let lines = |text: &str| {
            let lines = text.lines().filter(|line| !line.starts_with('-') && line.len() >= LONG_ENOUGH);
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        words.extend(lines(&key).into_iter().map(|line| ("the client's key", line)));
        words.extend(lines(&certificate).into_iter().map(|line| ("the client's certificate", line)));
        words.extend(lines(&authority).into_iter().map(|line| ("the authority", line)));
        let for_tls = ForTls { authority: &authority, certificate: &certificate, key: &key };
        Self { manifest: manifest(&words, &for_tls), words }
    }

    /// What is of no use to it, for a reason that could be told with a part of it.
    pub fn broken() -> Self {
        let mut words = plain("m4rk\nbr0ken");
        let [certificate, key] = ["bTRyay1jZXJ0", "bTRyay1rZXk9"].map(str::to_owned);
        let pem = |kind: &str, text: &str| format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n");
        let [certificate_pem, key_pem] = [pem("CERTIFICATE", &certificate), pem("PRIVATE KEY", &key)];
        let for_tls = ForTls { authority: &certificate_pem, certificate: &certificate_pem, key: &key_pem };
        let manifest = manifest(&words, &for_tls);
        // What could be told are its lines.
        words = words.iter().flat_map(|(name, word)| word.lines().map(|line| (*name, line.to_owned()))).collect();
        words.extend([("the client's certificate", certificate), ("the client's key", key)]);
        Self { words, manifest }
    }
}

/// Words that need no form.
fn plain(word: &str) -> Vec<(&'static str, String)> {
    ["token", "access key id", "secret access key", "session token"]
        .map(|name| (name, format!("{word}-of-{}", name.replace(' ', "-"))))
        .to_vec()
}

fn secret(name: &str, kind: &str, data: &Value) -> String {
    let meta = json!({ "name": name });
    json!({ "apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": meta, "stringData": data }).to_string()
}

fn manifest(words: &[(&'static str, String)], for_tls: &ForTls<'_>) -> String {
    let word = |name: &str| words.iter().find(|(found, _)| *found == name).map(|(_, word)| word.clone());
    let [token, s3, identity, authority, _] = SECRETS;
    let credentials = json!({ "accessKeyId": word("access key id"), "secretAccessKey": word("secret access key"),
        "sessionToken": word("session token") });
    [
        secret(token, "Opaque", &json!({ "token": word("token") })),
        secret(s3, "Opaque", &credentials),
        secret(identity, "kubernetes.io/tls", &json!({ "tls.crt": for_tls.certificate, "tls.key": for_tls.key })),
        secret(authority, "Opaque", &json!({ "ca.crt": for_tls.authority })),
    ]
    .join("\n---\n")
}

/// A Distribution that uses them all. Its buckets are the sample origin, which believes every signature and refuses what it is told to.
pub fn shop(namespace: &str) -> Value {
    let store = format!("http://shop-origin.{namespace}.svc.cluster.local");
    let bucket = |name: &str, bucket: &str| {
        json!({ "name": name, "s3": { "bucket": bucket, "region": "eu-west-1", "endpoint": store,
            "credentialsSecretRef": { "name": "shop-s3" } } })
    };
    distribution(|spec| {
        let token = json!({ "name": "X-Origin-Token", "secretKeyRef": { "name": "shop-token", "key": "token" } });
        spec["origins"][0]["headers"] = json!([token]);
        let secure = |name: &str, port: u16, tls: Value| json!({ "name": name, "service": { "name": "shop-origin", "port": port }, "tls": tls });
        let (by, of) = (json!({ "name": "shop-authority" }), json!({ "name": "shop-identity" }));
        let others = [
            bucket("things", "things"),
            bucket("refusing", "status"),
            // Each alone, because what is wrong with the one is told before the other is looked at.
            secure("verified", 80, json!({ "caSecretRef": by })),
            secure("proven", 80, json!({ "clientCertificateSecretRef": of })),
            secure("mutual", 443, json!({ "caSecretRef": by, "clientCertificateSecretRef": of })),
        ];
        spec["origins"].as_array_mut().expect("a list").extend(others);
        spec["behaviors"] = json!([
            { "pathPattern": "/things/*", "origin": "things" },
            { "pathPattern": "/403", "origin": "refusing" },
            { "pathPattern": "/verified/*", "origin": "verified" },
            { "pathPattern": "/proven/*", "origin": "proven" },
            { "pathPattern": "/mutual/*", "origin": "mutual" },
        ]);
    })
}

/// What has the sample origin speak TLS beside, once its Secret is there: patches of its Deployment and of its Service.
pub fn speaking_tls() -> [Value; 2] {
    const FOLDER: &str = "/var/run/tls";
    let container = json!({
        "name": "origin",
        "args": ["--content=v1", "--tls-listen=0.0.0.0:8443", format!("--tls-folder={FOLDER}")],
        "ports": [{ "name": "https", "containerPort": 8443 }],
        "volumeMounts": [{ "name": "tls", "mountPath": FOLDER, "readOnly": true }],
    });
    let volume = json!({ "name": "tls", "secret": { "secretName": ORIGIN } });
    let template = json!({ "spec": { "containers": [container], "volumes": [volume] } });
    let port = json!({ "name": "https", "port": 443, "targetPort": "https" });
    [json!({ "spec": { "template": template } }), json!({ "spec": { "ports": [port] } })]
}
