//! The pods of edges that do not come up into one sentence about what keeps them, in words that stay while the cause stays.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;

/// What keeps the first of these pods, by name, from running; nothing while each of them is on its way.
pub fn ailing<'a>(pods: impl IntoIterator<Item = &'a Pod>) -> Option<String> {
    let mut causes: Vec<(String, String)> =
        pods.into_iter().filter_map(|pod| cause(pod).map(|cause| (pod.name_any(), cause))).collect();
    causes.sort();
    let others = causes.len().checked_sub(1)?;
    let (pod, cause) = causes.swap_remove(0);
    let others = if others == 0 { String::new() } else { format!(", and {others} more like it") };
    Some(format!("pod {pod}{others}: {cause}"))
}

fn cause(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let unscheduled = conditions.iter().find(|one| one.type_ == "PodScheduled" && one.status == "False");
    if let Some(unscheduled) = unscheduled {
        let why = unscheduled.message.as_deref().unwrap_or_default();
        return Some(format!("no node can take it: {}", why.trim_end_matches('.')));
    }
    status.container_statuses.as_deref().unwrap_or_default().iter().find_map(held_up)
}

/// The kubelet goes to and fro between an attempt and the wait for the next, with counts: one sentence for both.
fn held_up(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    match waiting.reason.as_deref()? {
        "ContainerCreating" | "PodInitializing" => None,
        "ErrImagePull" | "ImagePullBackOff" => Some(format!(
            "its image {} cannot be pulled: is the name right, and has it pull secrets (spec.locations[].pod.imagePullSecrets)?",
            container.image
        )),
        "CrashLoopBackOff" => Some("its program ends again and again: its log says why".to_owned()),
        other => Some(match waiting.message.as_deref() {
            Some(message) => format!("{other}: {message}"),
            None => other.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "reads best with literals")]
    fn pod(name: &str, status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": name}, "status": status})).expect("a pod")
    }

    fn waiting(reason: &str, message: Option<&str>) -> Value {
        json!({"containerStatuses": [{
            "name": "edge", "image": "registry.example/edge:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": reason, "message": message}},
        }]})
    }

    #[track_caller]
    fn check(status: Value, expect: Option<&str>) {
        let found = ailing([&pod("shop--eu-1", status)]);
        assert_eq!(found.as_deref(), expect);
    }

    #[test]
    fn an_image_that_cannot_be_pulled_is_named_in_words_that_stay() {
        let expect = Some(
            "pod shop--eu-1: its image registry.example/edge:1 cannot be pulled: is the name right, and has it pull secrets \
             (spec.locations[].pod.imagePullSecrets)?",
        );
        check(waiting("ErrImagePull", Some("rpc error: code = NotFound")), expect);
        check(waiting("ImagePullBackOff", Some("Back-off pulling image")), expect);
    }

    #[test]
    fn a_pod_that_no_node_takes_says_so_in_the_schedulers_words() {
        let why = "0/1 nodes are available: 1 Insufficient memory.";
        let status = json!({"conditions": [{"type": "PodScheduled", "status": "False", "message": why}]});
        check(status, Some("pod shop--eu-1: no node can take it: 0/1 nodes are available: 1 Insufficient memory"));
    }

    #[test]
    fn a_program_that_ends_and_a_container_that_cannot_be_made_are_told() {
        let ends = "pod shop--eu-1: its program ends again and again: its log says why";
        check(waiting("CrashLoopBackOff", Some("back-off 10s restarting")), Some(ends));
        check(
            waiting("CreateContainerConfigError", Some("no such key")),
            Some("pod shop--eu-1: CreateContainerConfigError: no such key"),
        );
    }

    #[test]
    fn a_pod_on_its_way_and_one_that_goes_have_no_cause() {
        check(waiting("ContainerCreating", None), None);
        check(json!({}), None);
        let mut going = pod("shop--eu-1", waiting("ErrImagePull", None));
        going.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        assert_eq!(ailing([&going]), None);
    }

    #[test]
    fn of_several_the_first_by_name_speaks() {
        let pods = ["b", "a"].map(|name| pod(name, waiting("CrashLoopBackOff", None)));
        let found = ailing(&pods).expect("a sentence");
        assert!(found.starts_with("pod a, and 1 more like it: its program"), "{found}");
    }
}
