//! What kubectl shows of both kinds: the columns of `get`, and what `explain` says of each field that users write.

use serde_json::{Value, json};
use tests::{
    cluster::{apply, in_namespace},
    product::{distribution, installed, invalidation, run},
};

/// The words of the header of `kubectl get KINDS`.
async fn columns(namespace: &str, kind: &str) -> Vec<String> {
    let shown = run("kubectl", &["get", kind, "--namespace", namespace]).await;
    shown.lines().next().unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn get_shows_what_one_wants_to_know_first() {
    installed().await;
    in_namespace("columns", |client, namespace| async move {
        apply(&client, &namespace, &distribution(|spec| spec["enabled"] = json!(false)).to_string()).await;
        apply(&client, &namespace, &invalidation("order", &["/*"]).to_string()).await;
        let of_distributions = ["NAME", "TYPE", "ENABLED", "READY", "EDGES", "ADDRESS", "AGE"];
        let of_invalidations = ["NAME", "DISTRIBUTION", "COMPLETE", "EDGES", "REMOVED", "AGE"];
        for kind in ["distributions", "distribution", "dist"] {
            assert_eq!(columns(&namespace, kind).await, of_distributions, "{kind}");
        }
        for kind in ["invalidations", "invalidation", "inv"] {
            assert_eq!(columns(&namespace, kind).await, of_invalidations, "{kind}");
        }
        let all = run("kubectl", &["get", "cdn", "--namespace", &namespace]).await;
        assert!(all.contains("distribution.cdn.kubefront.io/shop") && all.contains("/order"), "{all}");
        let row = run("kubectl", &["get", "dist", "shop", "--no-headers", "--namespace", &namespace]).await;
        assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["shop", "Web", "false"]);
    })
    .await;
}

/// The paths of all fields below a schema, as `explain` takes them.
fn fields(schema: &Value, path: &str, found: &mut Vec<String>) {
    let schema = if schema["items"].is_object() { &schema["items"] } else { schema };
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push(path.clone());
        // Kubernetes' own types explain themselves.
        if !["affinity", "tolerations", "resources"].contains(&name.as_str()) {
            fields(field, &path, found);
        }
    }
}

#[tokio::test]
async fn explain_tells_what_every_field_is_for() {
    installed().await;
    for definition in crds::schema::definitions() {
        let definition = serde_json::to_value(&definition).expect("plain data");
        let kind = definition["spec"]["names"]["singular"].as_str().expect("a name");
        let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        let mut paths = vec![format!("{kind}.spec")];
        fields(spec, &format!("{kind}.spec"), &mut paths);
        assert!(paths.len() > 3, "{paths:?}");
        for path in paths {
            let told = run("kubectl", &["explain", &path]).await;
            let text = told.split_once("DESCRIPTION:").map(|(_, rest)| rest.trim()).unwrap_or_default();
            let text = text.split("\n\n").next().unwrap_or_default().split("\nFIELDS:").next().unwrap_or_default();
            assert!(text.len() > 8 && !text.contains("<empty>"), "kubectl explain {path} says nothing:\n{told}");
        }
    }
}
