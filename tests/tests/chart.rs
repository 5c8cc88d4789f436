//! Turns values into the chart's manifests with the real Helm, and holds them to what users are promised.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn chart() -> PathBuf {
    repository().join("charts/kubefront")
}

fn helm(arguments: &[&str]) -> Output {
    let helm = Command::new("helm").current_dir(chart()).args(arguments).output();
    helm.expect("helm is part of the test cluster: `make walks`, or PATH=\"$(target/bin/cluster build):$PATH\"")
}

/// The manifests for a values file and further `--set` words, or what Helm says against them.
fn render(values: &Path, set: &[&str]) -> Result<String, String> {
    let values = values.to_str().unwrap();
    let mut arguments = vec![
        "template",
        "kubefront",
        ".",
        "--namespace",
        "kubefront-system",
        "--kube-version",
        "1.33.0",
        "--values",
        values,
    ];
    arguments.extend(set.iter().flat_map(|word| ["--set", word]));
    let output = helm(&arguments);
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

/// One pair of golden files: its values, and where its manifests lie.
fn pairs() -> Vec<(PathBuf, PathBuf)> {
    let folder = repository().join("tests/golden/chart");
    let mut pairs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.to_str().unwrap().ends_with(".values.yaml"))
        .map(|values| (values.clone(), values.to_str().unwrap().replace(".values.yaml", ".out.yaml").into()))
        .collect();
    pairs.sort();
    assert!(pairs.len() >= 2, "the golden pairs are gone");
    pairs
}

fn objects(manifests: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(manifests).unwrap()
}

/// Every object of every golden pair, with where it comes from.
fn all_objects() -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (values, _) in pairs() {
        for object in objects(&render(&values, &[]).unwrap()) {
            let name = format!("{} {} of {}", object["kind"], object["metadata"]["name"], values.display());
            all.push((name, object));
        }
    }
    all
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().map(|list| list.iter().map(|word| word.as_str().unwrap()).collect()).unwrap_or_default()
}

#[test]
fn the_manifests_are_those_that_were_reviewed() {
    for (values, golden) in pairs() {
        let manifests = render(&values, &[]).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&golden, &manifests).unwrap();
        }
        let reviewed = fs::read_to_string(&golden).unwrap_or_default();
        assert!(manifests == reviewed, "{} differs: `make generate`, then review the diff", golden.display());
    }
}

#[test]
fn the_chart_brings_the_custom_resources_of_this_version() {
    let yaml = |folder: &Path| -> Vec<(String, String)> {
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
            .collect();
        files.sort();
        files
    };
    assert_eq!(yaml(&repository().join("crds")).len(), 2);
    assert!(yaml(&repository().join("crds")) == yaml(&chart().join("crds")), "they differ: `make generate`");
}

#[test]
fn helm_finds_nothing_to_object_to() {
    let output = helm(&["lint", "--strict", ".", "--kube-version", "1.33.0"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_kubernetes_that_is_too_old_is_refused() {
    let output = helm(&["template", "kubefront", ".", "--kube-version", "1.32.9"]);
    assert!(!output.status.success());
}

#[test]
fn rejects_values_that_mean_nothing() {
    let default = &pairs()[0].0;
    for (set, names) in [
        ("watchNamespace=shop", "watchNamespace"),
        ("image.operator.registry=example.com", "registry"),
        ("image.edge.pullPolicy=Always", "pullPolicy"),
        ("replicas=0", "replicas"),
        ("image.operator.tag=a:b", "tag"),
        ("image.operator.repository=example.com/operator:v1", "repository"),
        ("image.edge.digest=sha256:abc", "digest"),
        ("edge.rollout.maxConcurrent=0", "maxConcurrent"),
        ("watchNamespaces={Shop}", "watchNamespaces"),
        ("logging.format=xml", "format"),
        ("serviceMonitor.interval=soon", "interval"),
    ] {
        let refusal = render(default, &[set]).expect_err(set);
        assert!(refusal.contains(names), "{set}: {refusal}");
    }
}

#[test]
fn every_pod_may_run_where_pod_security_is_restricted() {
    let mut pods = 0;
    for (name, object) in all_objects() {
        let pod = match object["kind"].as_str() {
            Some("Deployment") => &object["spec"]["template"]["spec"],
            Some("Pod") => &object["spec"],
            _ => continue,
        };
        pods += 1;
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{name}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{name}");
        for field in ["hostNetwork", "hostPID", "hostIPC", "volumes"] {
            assert!(pod[field].is_null(), "{name}: {field}");
        }
        for container in pod["containers"].as_array().unwrap() {
            let security = &container["securityContext"];
            assert_eq!(security["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(security["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(words(&security["capabilities"]["drop"]), ["ALL"], "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
        }
    }
    assert_eq!(pods, 4, "an operator and a check for each pair");
}

/// Every (group/resource, verb) of a role.
fn rights(role: &Value) -> BTreeSet<(String, String)> {
    let mut rights = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                for verb in words(&rule["verbs"]) {
                    rights.insert((format!("{group}/{resource}"), verb.to_owned()));
                }
            }
        }
    }
    rights
}

#[test]
fn the_operator_may_do_what_it_needs_and_no_more() {
    for (name, role) in all_objects() {
        if !matches!(role["kind"].as_str(), Some("Role" | "ClusterRole")) {
            continue;
        }
        let own = role["metadata"]["namespace"] == "kubefront-system";
        for (resource, verb) in rights(&role) {
            assert!(resource != "/*" && !resource.contains('*') && verb != "*", "{name}: {resource} {verb}");
            assert!(
                !resource.starts_with("rbac.") && verb != "impersonate" && verb != "escalate",
                "{name}: {resource}"
            );
            assert!(resource != "/secrets" || own, "{name}: Secrets of users are not the operator's");
        }
        for rule in role["rules"].as_array().unwrap() {
            let named = !words(&rule["resourceNames"]).is_empty();
            if words(&rule["resources"]) == ["secrets"] {
                assert!(named || words(&rule["verbs"]) == ["create"], "{name}: one Secret, by its name");
            }
        }
    }
}

#[test]
fn watched_namespaces_leave_only_what_has_no_namespace_cluster_wide() {
    let roles = |set: &[&str]| -> Vec<Value> {
        let all = objects(&render(&pairs()[0].0, set).unwrap());
        all.into_iter().filter(|object| matches!(object["kind"].as_str(), Some("Role" | "ClusterRole"))).collect()
    };
    let operator = |roles: &[Value], kind: &str, namespace: &str| -> BTreeSet<(String, String)> {
        let named = |role: &&Value| {
            role["kind"] == kind
                && role["metadata"]["name"] == "kubefront-operator-kubefront-system"
                && role["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
        };
        rights(roles.iter().find(named).unwrap())
    };
    let right = |resource: &str, verb: &str| (resource.to_owned(), verb.to_owned());
    let cluster_wide = BTreeSet::from([right("/nodes", "get"), right("authentication.k8s.io/tokenreviews", "create")]);

    let everywhere = operator(&roles(&[]), "ClusterRole", "");
    let confined = roles(&["watchNamespaces={shop,blog}"]);
    assert_eq!(operator(&confined, "ClusterRole", ""), cluster_wide);
    for namespace in ["shop", "blog"] {
        assert_eq!(&operator(&confined, "Role", namespace) | &cluster_wide, everywhere, "{namespace}");
    }
}

#[test]
fn the_check_is_not_taken_for_an_operator() {
    let manifests = objects(&render(&pairs()[0].0, &[]).unwrap());
    let of_kind = |kind: &str| manifests.iter().find(|object| object["kind"] == kind).unwrap();
    let selector = of_kind("Service")["spec"]["selector"].as_object().unwrap();
    let selects = |labels: &Value| selector.iter().all(|(key, value)| labels[key] == *value);
    assert!(selects(&of_kind("Deployment")["spec"]["template"]["metadata"]["labels"]));
    assert!(!selects(&of_kind("Pod")["metadata"]["labels"]));
}
