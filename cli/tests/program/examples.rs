//! Every file of `examples/`, rendered and served without a cluster.

use std::path::Path;

use crate::dev::origin;
use crate::process::{Dev, run, text};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

/// The files, each with a Distribution beside it where it holds none.
fn examples() -> Vec<Vec<String>> {
    let files = std::fs::read_dir(EXAMPLES).expect("is there").map(|file| file.expect("is read").path());
    let mut examples: Vec<_> = files.map(|path| with_distribution(&path)).collect();
    examples.sort();
    assert!(examples.len() >= 8, "{examples:?}");
    examples
}

fn with_distribution(path: &Path) -> Vec<String> {
    let holds_one = std::fs::read_to_string(path).expect("is read").contains("kind: Distribution");
    let quickstart = (!holds_one).then(|| format!("{EXAMPLES}/quickstart.yaml"));
    std::iter::once(path.to_str().expect("is text").to_owned()).chain(quickstart).collect()
}

fn arguments(example: &[String]) -> Vec<&str> {
    example.iter().flat_map(|file| ["-f", file.as_str()]).collect()
}

#[tokio::test]
async fn every_example_can_be_rendered() {
    for example in examples() {
        let mut all = vec!["render", "--assume-services"];
        all.extend(arguments(&example));
        let output = run(&all).await;
        assert!(text(&output.stdout).contains("kind: Deployment"), "{example:?}: {}", text(&output.stderr));
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""), "{example:?}");
    }
}

#[tokio::test]
async fn every_example_can_be_served() {
    let (_shop, shop) = origin("shop-origin").await;
    let (_api, api) = origin("api-origin").await;
    let ingress = shop.replace("--service=shop-origin", "--ingress=shop");
    for example in examples() {
        let mut all = vec![shop.as_str(), &api, &ingress];
        all.extend(arguments(&example));
        let mut dev = Dev::start(&all).await;
        dev.says("serving default/shop").await;
        // That one is somewhere in the world, and tests ask nobody but this machine.
        if !example[0].ends_with("external-url.yaml") {
            let reply = dev.get("/page").await;
            assert_eq!((reply.status, reply.body.starts_with("content shop-origin\n")), (200, true), "{example:?}");
        }
        assert!(dev.end().await.success());
    }
}
