//! A cluster of two nodes that is cut off from its parent and loses the power of one of them.

use std::collections::BTreeMap;

use cedge_e2e::manifest::traced;
use cedge_e2e::{
    Chain, Folder, Machine, Running, Site, Watch, condition, enabled, eventually, holds_for,
    processes_of, say, text,
};

/// What a test of a whole machine may take here, where two cores do the work of three.
const PATIENCE: u64 = 60;

#[test]
fn a_node_that_loses_power_while_the_uplink_is_cut_loses_no_pod() {
    if !enabled("a_node_that_loses_power_while_the_uplink_is_cut_loses_no_pod") {
        return;
    }
    let folder = Folder::of("two-nodes");
    let tree = Chain::grow(&folder, &["a", "b"], &["--without", "node"]);
    let b = tree.b();
    let mut second = Machine::of(b, &folder, "second", &b.hub().to_string());
    second.start();
    until_ready(b, "second", "True");
    let (moving, staying) = pods_on_the_second_node(b);

    tree.wire.cut();
    tree.a().until_tree("a:Healthy b:Unreachable?");
    holds_for("a cut uplink is no alarm about nodes", 13, || {
        for node in ["b", "second"] {
            if readiness(b, node)? != "True" {
                return Err(format!("{node} is not ready"));
            }
        }
        Ok(())
    });

    let since = Watch::start();
    second.vanish();
    let moved = eventually("the other node runs the pods", PATIENCE, || {
        let pods = b.pods("moves")?;
        let all = pods.len() == 3 && pods.iter().all(|p| processes_of(&p.uid) == 1);
        if all && pods.iter().all(|p| !moving.contains(p)) {
            return Ok(pods);
        }
        Err(b.kubectl(&["get", "pods,nodes", "-o", "wide"]).out)
    });
    say(&format!(
        "the pods of a dead node ran elsewhere after {} s",
        since.seconds()
    ));
    assert_eq!(nodes_of(b, "moves"), BTreeMap::from([("b".to_owned(), 3)]));
    until_ready(b, "second", "Unknown");
    assert_eq!(
        uids(&b.pods("stays").unwrap()),
        uids(&staying),
        "it bears it"
    );

    second.start();
    nothing_runs_twice_and_nothing_is_lost(b, &moving, &moved, &staying);
    tree.wire.heal();
    tree.a().until_tree("a:Healthy b:Healthy");
}

#[test]
fn a_node_whose_link_was_cut_for_long_is_ready_again_with_its_pods() {
    if !enabled("a_node_whose_link_was_cut_for_long_is_ready_again_with_its_pods") {
        return;
    }
    let folder = Folder::of("node-link");
    let mut b = Site::new(&folder, "b", &["--node-grace-seconds", "3"]);
    b.start();
    let wire = cedge_e2e::Wire::to(b.hub());
    let mut second = Machine::of(&b, &folder, "second", &wire.address());
    second.start();
    until_ready(&b, "second", "True");
    let (_, staying) = pods_on_the_second_node(&b);
    wire.cut();
    until_ready(&b, "second", "Unknown");
    b.until("its pods serve nobody", &["deployment", "stays"], |d| {
        d.pointer("/status/readyReplicas").is_none()
    });
    b.until("others took over", &["deployment", "moves"], |d| {
        cedge_e2e::number(d, "/status/readyReplicas") == 3
    });
    assert_eq!(processes_of(&staying[0].uid), 1, "cut off is not dead");
    wire.heal();
    until_ready(&b, "second", "True");
    b.until(
        "its pods are ready as before",
        &["deployment", "stays"],
        |d| cedge_e2e::number(d, "/status/readyReplicas") == 1,
    );
    assert_eq!(
        b.pods("stays").unwrap(),
        staying,
        "nobody restarted anything"
    );
    eventually("what moved has ended here", PATIENCE, || {
        match nodes_of(&b, "moves") {
            nodes if nodes == BTreeMap::from([("b".to_owned(), 3)]) => Ok(()),
            other => Err(other),
        }
    });
}

/// Three pods that bear the loss of their node for two seconds, and one that bears it for as long as usual.
fn pods_on_the_second_node(b: &Site) -> (Vec<Running>, Vec<Running>) {
    until_ready(b, "b", "True");
    b.kubectl(&["cordon", "b"]).expect("cordoned");
    for (name, count, seconds) in [("moves", 3, Some(2)), ("stays", 1, None)] {
        let made = b.apply(&traced(name, count, seconds).to_string());
        made.expect("a Deployment");
    }
    let found = (b.running("moves", 3), b.running("stays", 1));
    for app in ["moves", "stays"] {
        let nodes: Vec<String> = nodes_of(b, app).into_keys().collect();
        assert_eq!(nodes, ["second"], "the other one is cordoned");
    }
    b.kubectl(&["uncordon", "b"]).expect("uncordoned");
    found
}

fn nothing_runs_twice_and_nothing_is_lost(
    b: &Site,
    before: &[Running],
    moved: &[Running],
    staying: &[Running],
) {
    until_ready(b, "second", "True");
    let as_it_should_be = || {
        let list = b.get(&["pods", "-l", "app=moves"])?;
        let all = list["items"].as_array().map_or(0, Vec::len);
        let (moves, stays) = (b.pods("moves")?, b.pods("stays")?);
        let old: usize = before.iter().map(|p| processes_of(&p.uid)).sum();
        let one_each = moves
            .iter()
            .chain(&stays)
            .all(|p| processes_of(&p.uid) == 1);
        let good =
            moves == moved && all == 3 && old == 0 && uids(&stays) == uids(staying) && one_each;
        if good {
            return Ok(());
        }
        Err(format!(
            "{all} pods, {old} old processes, {moves:?}, {stays:?}"
        ))
    };
    eventually("all is as it should be", PATIENCE, as_it_should_be);
    holds_for("and stays so", 5, as_it_should_be);
    assert_ne!(
        b.running("stays", 1)[0].started,
        staying[0].started,
        "the pod is the same, its process is not"
    );
}

fn uids(pods: &[Running]) -> Vec<&str> {
    pods.iter().map(|p| p.uid.as_str()).collect()
}

/// How many pods of an app each node has, without those on their way out.
fn nodes_of(site: &Site, app: &str) -> BTreeMap<String, usize> {
    let list = site.get(&["pods", "-l", &format!("app={app}")]);
    let list = list.expect("the API answers");
    let mut nodes = BTreeMap::new();
    for pod in list["items"].as_array().into_iter().flatten() {
        if pod.pointer("/metadata/deletionTimestamp").is_none() {
            *nodes.entry(text(pod, "/spec/nodeName")).or_default() += 1;
        }
    }
    nodes
}

fn readiness(site: &Site, node: &str) -> Result<String, String> {
    Ok(condition(&site.get(&["node", node])?, "Ready").0)
}

fn until_ready(site: &Site, node: &str, wanted: &str) {
    eventually(
        &format!("Ready of node {node} is {wanted}"),
        PATIENCE,
        || match readiness(site, node)? {
            status if status == wanted => Ok(()),
            other => Err(other),
        },
    );
}
