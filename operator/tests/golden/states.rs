//! Every state that a Distribution or an Invalidation comes through into a file: the object as the operator leaves it, and what
//! kstatus is to say of it. `tests/kstatus` asks kstatus's own library.

use std::fs;
use std::path::{Path, PathBuf};

use crds::condition::ConditionType;
use crds::invalidation::{DistributionReference, InvalidationSpec, WaitingFor};
use crds::{Distribution, DistributionStatus, Invalidation, InvalidationStatus};
use edge_contract::{Epoch, OriginState, ReferenceState, Sequence};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use operator::conditions::{EdgesSeen, Judged, judge};
use operator::distribution::resolve::{Resolution, resolve};
use operator::invalidation::status::{self, Progress};
use serde::Serialize;
use serde_json::{Value, json};

use crate::case::Case;
use crate::{COMMAND, FOLDER, difference};

/// What kstatus says of an object, in its own words.
#[derive(Clone, Copy, Debug)]
enum Verdict {
    /// Work is under way, or nobody has looked at this generation yet: wait.
    InProgress,
    /// It is as its spec asks.
    Current,
    /// Waiting is in vain: only a new generation helps.
    Failed,
    /// It is being deleted.
    Terminating,
}

use Verdict::{Current, Failed, InProgress, Terminating};

/// A state: its name, what kstatus is to say, and the object.
type State = (&'static str, Verdict, Value);

#[test]
fn every_state_stands_in_a_file_with_what_kstatus_is_to_say() {
    let states = [distributions(), invalidations()].concat();
    let path = |name: &str| PathBuf::from(FOLDER).join("status").join(format!("{name}.yaml"));
    let differing: Vec<_> = states.iter().filter_map(|state| difference(&path(state.0), &print(state))).collect();
    assert!(
        differing.is_empty(),
        "these differ; look at them, and if they are right run `{COMMAND}`:\n{}",
        differing.join("\n")
    );
    let files = fs::read_dir(path("").with_file_name("")).expect("the folder is there");
    let files: Vec<_> = files.map(|file| file.expect("is read").path()).collect();
    let stale: Vec<_> = files.iter().filter(|file| !states.iter().any(|state| path(state.0) == **file)).collect();
    assert!(stale.is_empty(), "no state has these names, remove them: {stale:?}");
}

fn print((_, verdict, object): &State) -> String {
    let object = serde_saphyr::to_string(&json!({ "object": object })).expect("is plain data");
    format!("# Written by `{COMMAND}`.\nverdict: {verdict:?}\n{object}")
}

/// The object as users see it, without the spec: nobody judges by it.
fn shown(object: &impl Serialize) -> Value {
    let mut object = serde_json::to_value(object).expect("is plain data");
    object.as_object_mut().expect("an object").remove("spec");
    object
}

/// The object before any operator has seen it: its status is the schema's default.
fn unseen(mut object: Value) -> Value {
    let kind = |definition: &Value| definition["spec"]["names"]["kind"] == object["kind"];
    let definitions = crds::schema::definitions().into_iter();
    let definition = definitions.map(|it| serde_json::to_value(it).expect("is plain data")).find(kind);
    let schema = &definition.expect("is defined")["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    object["status"] = schema["properties"]["status"]["default"].clone();
    object
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("a time")
}

fn deleted(mut object: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = json!(at(60));
    object
}

/// The Distribution of a golden case, judged where two edges serve what they are told; `change` is what differs from that.
fn judged(case: &str, change: impl FnOnce(&mut Judged)) -> Distribution {
    let case = Case::read(&Path::new(FOLDER).join(format!("{case}.in.yaml")));
    let Resolution { resolved, findings } = resolve(&case.observed);
    let mut distribution = (*case.observed.distribution).clone();
    let mut judged = Judged {
        generation: distribution.metadata.generation.expect("has one"),
        serving: resolved.map(|resolved| resolved.generation),
        findings,
        edges: EdgesSeen { live: 2, acknowledged: 2, ..EdgesSeen::default() },
        content_version_complete: true,
        ..Judged::default()
    };
    change(&mut judged);
    let before = distribution.status.take().unwrap_or_default().conditions;
    distribution.status = Some(DistributionStatus {
        observed_generation: Some(judged.generation),
        conditions: judge(&judged, &before, &Time(at(0))),
        ..DistributionStatus::default()
    });
    distribution
}

fn distribution(case: &str, change: impl FnOnce(&mut Judged)) -> Value {
    shown(&judged(case, change))
}

fn distributions() -> Vec<State> {
    let sound = || distribution("minimal", |_| ());
    let mut edited = sound();
    edited["metadata"]["generation"] = json!(2);
    vec![
        ("distribution-unseen", InProgress, unseen(sound())),
        ("distribution-without-edges", InProgress, distribution("minimal", |it| it.edges = EdgesSeen::default())),
        ("distribution-being-programmed", InProgress, distribution("minimal", |it| it.edges.acknowledged = 1)),
        ("distribution-ready", Current, sound()),
        ("distribution-disabled", Current, distribution("disabled", |_| ())),
        ("distribution-edited-and-not-seen", InProgress, edited),
        ("distribution-being-deleted", Terminating, deleted(sound())),
        (
            "distribution-rolling",
            InProgress,
            distribution("minimal", |it| it.rolling = Some("pods of shop--default are being replaced".into())),
        ),
        (
            "distribution-not-written",
            InProgress,
            distribution("minimal", |it| it.failing = Some("could not apply Deployment web/shop--default".into())),
        ),
        (
            "distribution-without-an-edge-in-a-location",
            InProgress,
            distribution("two-locations", |it| it.edges.empty_locations.push("us".into())),
        ),
        (
            "distribution-refused-by-an-edge",
            InProgress,
            distribution("minimal", |it| it.edges.refused = Some(("shop--default-1".into(), "too new".into()))),
        ),
        (
            "distribution-removing-old-content",
            InProgress,
            distribution("minimal", |it| it.content_version_complete = false),
        ),
        // What the cluster may mend is waited for, whoever forgot it.
        ("distribution-waiting-for-a-service", InProgress, distribution("missing-service", |_| ())),
        ("distribution-whose-service-vanished", InProgress, distribution("vanished-service", |_| ())),
        ("distribution-waiting-for-an-address", InProgress, distribution("ingress-without-address", |_| ())),
        ("distribution-edited-to-a-missing-service", InProgress, distribution("broken-generation", |_| ())),
        ("distribution-mended-to-a-missing-service", InProgress, distribution("missing-over-mistake", |_| ())),
        ("distribution-whose-name-is-taken", InProgress, distribution("foreign-config-map", |_| ())),
        (
            "distribution-whose-secret-is-missing",
            InProgress,
            distribution("minimal", |it| {
                let lack = ReferenceState {
                    field: "spec.origins[app].headers[x-key].secretKeyRef".into(),
                    message: "Secret shop has no key token, or there is no such Secret in this namespace: create it; edges see it within two minutes".into(),
                };
                it.edges.reports.add(Some((&[lack], &[])));
            }),
        ),
        // What is stored is served on, and nobody but the origin's owner can mend it.
        (
            "distribution-whose-origin-does-not-answer",
            Current,
            distribution("minimal", |it| {
                let state = OriginState {
                    site: "uid".into(),
                    origin: "app".into(),
                    healthy: false,
                    message: "no connection to 10.0.0.7:8080".into(),
                };
                it.edges.reports.add(Some((&[], &[state])));
                it.edges.reports.add(Some((&[], &[])));
            }),
        ),
        // Its other names serve, and whoever holds the alias may never give it up.
        ("distribution-without-its-alias", Current, distribution("every-alias-lost", |_| ())),
        // Pods of origins come and go: what is stored is served meanwhile.
        (
            "distribution-whose-origin-has-no-endpoints",
            Current,
            distribution("endpoints-that-end", |it| {
                it.unhealthy_origins =
                    vec!["spec.origins[unready].service: Service unready has no ready endpoint".into()];
            }),
        ),
        // What only another generation mends is not.
        ("distribution-with-a-mistake", Failed, distribution("invalid-fields", |_| ())),
        ("distribution-edited-to-a-mistake", Failed, distribution("broken-over-vanished", |_| ())),
        ("distribution-with-a-forbidden-origin", Failed, distribution("service-not-permitted", |_| ())),
        (
            "distribution-with-a-mistake-while-rolling",
            Failed,
            distribution("invalid-fields", |it| it.rolling = Some("pods of shop--default are being replaced".into())),
        ),
    ]
}

/// An Invalidation with a generated name: only such a one has a field that may change.
fn invalidation() -> Invalidation {
    let spec = InvalidationSpec {
        distribution_ref: DistributionReference { name: "shop".into() },
        paths: vec!["/img/*".into()],
        ttl_seconds_after_finished: None,
    };
    let mut invalidation = Invalidation::new("shop-x7k2p", spec);
    invalidation.metadata.namespace = Some("web".into());
    invalidation.metadata.generate_name = Some("shop-".into());
    invalidation.metadata.uid = Some("22222222-2222-2222-2222-222222222222".into());
    invalidation.metadata.generation = Some(1);
    invalidation
}

/// The same with the status that the operator writes next.
fn next(it: &Invalidation, write: impl FnOnce(&Invalidation) -> InvalidationStatus) -> Invalidation {
    Invalidation { status: Some(write(it)), ..it.clone() }
}

fn invalidations() -> Vec<State> {
    let waiting = Progress {
        expected: 2,
        waiting: vec![WaitingFor { edge: "shop--eu-1".into(), since: Some(Time(at(1))), reason: "Unreachable".into() }],
        removed: 7,
    };
    let everywhere = Progress { expected: 2, waiting: vec![], removed: 12 };

    let new = invalidation();
    let queued = next(&new, |it| status::queued(it, "others are on their way", at(0)));
    let accepted = next(&queued, |it| status::accepted(it, Sequence { epoch: Epoch(7), number: 41 }, at(1)));
    let running = next(&accepted, |it| status::running(it, &waiting, at(2)));
    let complete = next(&running, |it| status::running(it, &everywhere, at(3)));
    let mut kept_longer = complete.clone();
    kept_longer.spec.ttl_seconds_after_finished = Some(604_800);
    kept_longer.metadata.generation = Some(2);
    let ended = next(&kept_longer, status::ended);
    let missing = next(&new, |it| status::missing(it, at(0)));
    let expired = next(&missing, |it| status::expired(it, at(3_600)));

    vec![
        ("invalidation-unseen", InProgress, unseen(shown(&new))),
        ("invalidation-queued", InProgress, shown(&queued)),
        ("invalidation-accepted", InProgress, shown(&accepted)),
        ("invalidation-waiting-for-an-edge", InProgress, shown(&running)),
        ("invalidation-complete", Current, shown(&complete)),
        (
            "invalidation-complete-without-edges",
            Current,
            shown(&next(&accepted, |it| status::running(it, &Progress::default(), at(2)))),
        ),
        ("invalidation-kept-longer-and-not-seen", InProgress, shown(&kept_longer)),
        ("invalidation-kept-longer", Current, shown(&ended)),
        ("invalidation-without-its-distribution", InProgress, shown(&missing)),
        ("invalidation-expired", Failed, shown(&expired)),
        ("invalidation-being-deleted", Terminating, deleted(shown(&complete))),
    ]
}

#[test]
fn a_new_leader_leaves_what_is_current_current() {
    let before = judged("minimal", |_| ()).status.expect("a status").conditions;
    let silent = Judged {
        generation: 1,
        serving: Some(1),
        newly_leading: true,
        content_version_complete: true,
        ..Judged::default()
    };
    let after = judge(&silent, &before, &Time(at(9)));
    assert!(ConditionType::Ready.is_true(&after) && !ConditionType::Reconciling.is_true(&after), "{after:?}");
}
