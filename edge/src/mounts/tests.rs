//! The rules of mounted files, in a folder as the kubelet writes it.

use std::fs;
use std::os::unix::fs::symlink;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use edge_contract::{MountedKind, Origin, OriginHeader, OriginHeaderValue, S3, S3Credentials};
use http::Request;

use super::*;
use crate::clock::Clock;
use crate::forward::body::RequestBody;
use crate::s3::{self, credentials::Credentials};
use crate::secret_fields;

/// A volume whose content changes all at once. It is gone with its test.
struct Volume {
    folder: PathBuf,
    turn: usize,
}

impl Volume {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("kubefront-mounts-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("is created");
        symlink("..data/secret", folder.join("secret")).expect("is linked");
        Self { folder, turn: 0 }
    }

    /// From now on the keys of Secret `shop` are these.
    fn turn(&mut self, keys: &[(&str, &[u8])]) {
        self.turn += 1;
        let name = format!("..{}", self.turn);
        let secret = self.folder.join(&name).join("secret/shop");
        fs::create_dir_all(&secret).expect("is created");
        for (key, value) in keys {
            fs::write(secret.join(key), value).expect("is written");
        }
        symlink(&name, self.folder.join("..next")).expect("is linked");
        fs::rename(self.folder.join("..next"), self.folder.join(TURNED)).expect("is turned");
    }

    /// Its files, of which these are named.
    fn naming(&self, keys: &[&str]) -> Mounts {
        let mounts = Mounts::below(self.folder.clone(), Observing::default());
        let files: Vec<Mounted> = keys.iter().map(|key| file(key)).collect();
        mounts.hold(files.iter().map(|mounted| Reference { mounted, purpose: Purpose::FieldValue }));
        mounts
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn file(key: &str) -> Mounted {
    Mounted { kind: MountedKind::Secret, name: "shop".into(), key: key.into(), field: format!("spec.{key}") }
}

fn told(mounts: &Mounts) -> Vec<(String, String)> {
    mounts.inner.observing.now().references.iter().map(|state| (state.field.clone(), state.message.clone())).collect()
}

#[test]
fn a_file_is_read_or_it_is_said_why_not() {
    let mut volume = Volume::new();
    let longest = vec![b'x'; 64 * 1024 + 1];
    volume.turn(&[("token", b"t0ken\n"), ("empty", b""), ("fits", &longest[1..]), ("large", &longest)]);
    for mounts in [volume.naming(&["token", "empty", "fits", "large", "none"]), volume.naming(&[])] {
        assert_eq!(mounts.read(&file("token")).expect("is there").bytes(), b"t0ken\n");
        assert_eq!(mounts.read(&file("fits")).expect("is there").bytes().len(), 64 * 1024);
        assert_eq!(mounts.read(&file("empty")), Err(MountError::Empty));
        assert_eq!(mounts.read(&file("large")), Err(MountError::TooLarge));
        assert_eq!(mounts.read(&file("none")), Err(MountError::Missing));
    }
}

#[test]
fn a_value_that_changed_is_told_and_one_that_did_not_is_not() {
    let mut volume = Volume::new();
    volume.turn(&[("token", b"one")]);
    let mounts = volume.naming(&["token"]);
    assert!(!mounts.look(), "nothing has changed");
    volume.turn(&[("token", b"one")]);
    assert!(!mounts.look(), "another file with the same content");
    assert_eq!(mounts.generation(), 0);
    volume.turn(&[("token", b"two")]);
    assert_eq!(mounts.read(&file("token")).expect("is there").bytes(), b"one", "until the next look");
    assert!(mounts.look());
    assert_eq!((mounts.generation(), mounts.read(&file("token")).expect("is there").bytes()), (1, &b"two"[..]));
    volume.turn(&[]);
    assert!(mounts.look(), "one that goes has changed too");
    assert_eq!((mounts.generation(), mounts.read(&file("token"))), (2, Err(MountError::Missing)));
}

#[test]
fn what_is_missing_is_told_until_it_is_there() {
    let mut volume = Volume::new();
    volume.turn(&[]);
    let mounts = volume.naming(&["token"]);
    let expect = "Secret shop has no key token, or there is no such Secret in this namespace: create it; edges see it within two minutes";
    assert_eq!(told(&mounts), [("spec.token".to_owned(), expect.to_owned())]);
    volume.turn(&[("token", b"here")]);
    mounts.look();
    assert_eq!(told(&mounts), []);
}

#[test]
fn what_may_be_missing_is_no_fault_but_an_empty_file_is() {
    let mut volume = Volume::new();
    volume.turn(&[]);
    let mounts = volume.naming(&[]);
    let token = file("token");
    mounts.hold([Reference { mounted: &token, purpose: Purpose::SessionToken }].into_iter());
    assert_eq!(told(&mounts), []);
    volume.turn(&[("token", b"")]);
    mounts.look();
    assert_eq!(
        told(&mounts),
        [("spec.token".to_owned(), "key token of Secret shop is empty: give it a value".to_owned())]
    );
}

#[test]
fn a_field_value_is_one_line_that_is_never_printed() {
    let mut volume = Volume::new();
    volume.turn(&[("token", b"t0ken one\n"), ("lines", b"a\nb"), ("blank", b" \n"), ("latin", b"caf\xe9")]);
    let mounts = volume.naming(&["token", "lines", "blank", "latin"]);
    assert!(!format!("{mounts:?}").contains("t0ken"), "{mounts:?}");
    let value = mounts.field_value(&file("token")).expect("is one");
    assert_eq!((value.as_bytes(), format!("{value:?}").as_str()), (&b"t0ken one"[..], "Sensitive"));
    let why = "is of no use: it is not one line of visible ASCII characters";
    let expect = [
        ("blank", "key blank of Secret shop is empty: give it a value".to_owned()),
        ("latin", format!("key latin of Secret shop {why}")),
        ("lines", format!("key lines of Secret shop {why}")),
    ];
    assert_eq!(told(&mounts), expect.clone().map(|(key, message)| (format!("spec.{key}"), message)));
    for (key, _) in expect {
        mounts.field_value(&file(key)).expect_err(key);
    }
}

/// Whatever code may panic with in hand: the message of a panic is logged.
#[test]
fn a_panic_over_a_request_on_its_way_and_all_that_signs_it_tells_nothing_that_is_mounted() {
    let mut volume = Volume::new();
    let words = ["m4rk-token", "m4rk-id", "m4rk-key", "m4rk-session"];
    volume.turn(&[
        ("token", words[0].as_bytes()),
        ("id", words[1].as_bytes()),
        ("key", words[2].as_bytes()),
        ("session", words[3].as_bytes()),
    ]);
    let mounts = volume.naming(&["token", "id", "key", "session"]);
    let named =
        S3Credentials { access_key_id: file("id"), secret_access_key: file("key"), session_token: file("session") };
    let credentials = Credentials::of(&named, |file| mounts.line(file)).expect("are there");
    let s3 = S3 { region: "eu-west-1".into(), credentials: Some(named) };
    let token = OriginHeader { name: "x-token".into(), value: OriginHeaderValue::ValueFrom(file("token")) };
    let origin = Origin { headers: vec![token], s3: Some(s3.clone()), ..Origin::plain("app", "app.test") };
    let mut request = Request::get("/a").body(RequestBody::Empty).expect("is one");
    secret_fields::set(request.headers_mut(), &origin, &mounts).expect("is there");
    s3::sign(&s3, &mut request, &mounts, Clock::standing().now()).expect("signs");
    assert!(request.headers().values().any(|value| value == words[0]), "it is set");
    let panicking = || panic!("{:?} {origin:?} {mounts:?} {credentials:?}", request.headers());
    let message = std::panic::catch_unwind(AssertUnwindSafe(panicking)).expect_err("it panics");
    let message = message.downcast_ref::<String>().expect("is text");
    assert!(message.contains("x-token") && message.contains("authorization"), "{message}");
    assert!(words.iter().all(|word| !message.contains(word)), "{message}");
}

#[test]
fn a_complaint_of_whoever_uses_a_value_holds_until_the_value_changes_or_it_is_taken_back() {
    let mut volume = Volume::new();
    volume.turn(&[("ca", b"one")]);
    let mounts = volume.naming(&["ca"]);
    let complaint = [("spec.ca".to_owned(), "not PEM".to_owned())];
    mounts.report(&file("ca"), "not PEM");
    assert!(!mounts.look());
    assert_eq!(told(&mounts), complaint);
    let again = file("ca");
    mounts.hold([Reference { mounted: &again, purpose: Purpose::FieldValue }].into_iter());
    assert_eq!(told(&mounts), complaint, "the same value under another configuration");
    volume.turn(&[("ca", b"two")]);
    mounts.look();
    assert_eq!(told(&mounts), []);
    mounts.report(&file("ca"), "not PEM");
    mounts.clear(&file("ca"));
    assert_eq!(told(&mounts), []);
    mounts.report(&file("other"), "not PEM");
    assert_eq!(told(&mounts), [], "nobody names it");
}

#[test]
fn a_look_never_mixes_two_states_of_a_volume() {
    let mut volume = Volume::new();
    volume.turn(&[("crt", b"0"), ("key", b"0")]);
    let mounts = volume.naming(&["crt", "key"]);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 0..100 {
                let value = turn.to_string();
                volume.turn(&[("crt", value.as_bytes()), ("key", value.as_bytes())]);
            }
            is_over.store(true, Ordering::Release);
        });
        while !is_over.load(Ordering::Acquire) {
            mounts.look();
            assert_eq!(mounts.read(&file("crt")), mounts.read(&file("key")));
        }
    });
}
