//! Who goes for whom.

use super::*;

/// A pod of a priority that asks for processors, running since a minute of the hour.
fn running(priority: i32, cpu: &str, minute: u32) -> Pod {
    let mut pod = pod(asking(cpu, "1Mi"));
    pod.spec.priority = Some(priority);
    pod.status.start_time = Some(format!("2026-11-23T10:{minute:02}:00Z"));
    pod
}

fn important(cpu: &str) -> Pod {
    running(1000, cpu, 0)
}

fn outcome(pod: &Pod, world: &World) -> (String, Vec<String>) {
    let unfit = decide_for(pod, world, 0).unwrap_err();
    let preemption = unfit
        .preemption
        .unwrap_or_else(|| panic!("{}", unfit.message));
    let victims = preemption.victims.iter().map(|v| v.key.name.to_string());
    (preemption.node.to_string(), victims.collect())
}

fn said(pod: &Pod, world: &World) -> String {
    let message = decide_for(pod, world, 0).unwrap_err().message;
    message.split(" preemption: ").nth(1).unwrap().to_owned()
}

fn two_nodes() -> World {
    world([node("a", json!({})), node("b", json!({}))])
}

#[test]
fn only_as_many_go_as_must_and_the_least_important_first() {
    let mut world = world([node("n", json!({}))]);
    put(&mut world, "n", "low", &running(1, "500m", 0));
    put(&mut world, "n", "mid-old", &running(5, "500m", 1));
    put(&mut world, "n", "mid-young", &running(5, "500m", 2));
    put(&mut world, "n", "high", &running(2000, "500m", 3));
    let went = |cpu| outcome(&important(cpu), &world).1;
    assert_eq!(went("500m"), ["low"]);
    assert_eq!(went("900m"), ["mid-young", "low"]);
    let message = said(&important("1800m"), &world);
    assert_eq!(message, "0/1 nodes are available: 1 Insufficient cpu.");
}

#[test]
fn the_node_is_chosen_by_budgets_then_priority_then_number_then_age() {
    let mut world = two_nodes();
    put(&mut world, "a", "a1", &running(5, "2", 1));
    put(&mut world, "b", "b1", &running(4, "2", 1));
    assert_eq!(outcome(&important("1"), &world).0, "b", "lower priority");

    let mut world = two_nodes();
    put(&mut world, "a", "a1", &running(5, "1", 1));
    put(&mut world, "a", "a2", &running(5, "1", 1));
    put(&mut world, "b", "b1", &running(5, "2", 1));
    assert_eq!(outcome(&important("2"), &world).0, "b", "fewer");

    let mut world = two_nodes();
    put(&mut world, "a", "a1", &running(5, "2", 1));
    put(&mut world, "b", "b1", &running(5, "2", 2));
    assert_eq!(outcome(&important("2"), &world).0, "b", "younger");

    let mut world = two_nodes();
    let mut guarded = running(1, "2", 9);
    guarded.metadata.labels = Some(BTreeMap::from([("app".to_owned(), "db".to_owned())]));
    put(&mut world, "a", "a1", &guarded);
    put(&mut world, "b", "b1", &running(5, "2", 1));
    assert_eq!(outcome(&important("2"), &world).0, "a");
    let budget = Budget {
        selector: Selector::from(&BTreeMap::from([("app".to_owned(), "db".to_owned())])),
        allowed: 0,
        disrupted: Default::default(),
    };
    world.budgets.insert(Key::new("default", "db"), budget);
    assert_eq!(outcome(&important("2"), &world).0, "b", "no broken budget");
}

#[test]
fn who_may_not_preempt_says_so() {
    let mut world = world([node("n", json!({}))]);
    put(&mut world, "n", "low", &running(1, "2", 0));
    let mut patient = important("1");
    patient.spec.preemption_policy = Some("Never".to_owned());
    let message = said(&patient, &world);
    assert_eq!(message, "not eligible due to preemptionPolicy=Never.");
    let equal = running(1, "1", 0);
    let message = "0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    assert_eq!(said(&equal, &world), message);
}

#[test]
fn what_no_leaving_pod_can_change_is_not_tried() {
    let mut world = world([node("n", json!({})), node("m", json!({}))]);
    put(&mut world, "n", "low", &running(1, "2", 0));
    put(&mut world, "m", "equal", &running(1000, "2", 0));
    let mut picky = important("1");
    picky.spec.node_selector = Some(BTreeMap::from([("disk".to_owned(), "ssd".to_owned())]));
    let message = "0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(said(&picky, &world), message);
    let message = "0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    assert_eq!(said(&important("3"), &world), message, "more than there is");
}

#[test]
fn room_that_is_being_made_is_not_given_to_less_important_pods() {
    let mut world = world([node("n", json!({}))]);
    let key = Key::new("default", "vital");
    let vital = Arc::new(Placed::new(&important("2"), 1000));
    let there = BTreeMap::from([(key, vital)]);
    world.nominated.insert("n".into(), there);
    let message = "0/1 nodes are available: 1 Insufficient cpu.";
    refused(asking("1", "1Mi"), &world, message);
    assert!(decide_for(&running(2000, "1", 0), &world, 0).is_ok());
}

#[test]
fn a_pod_waits_for_its_victims_before_others_go() {
    let mut world = world([node("n", json!({}))]);
    put(&mut world, "n", "going", &running(1, "1", 0));
    put(&mut world, "n", "staying", &running(1, "1", 0));
    world.doomed.insert(Key::new("default", "going"));
    let mut waiting = important("2");
    waiting.status.nominated_node_name = Some("n".to_owned());
    let message = "not eligible due to a terminating pod on the nominated node.";
    assert_eq!(said(&waiting, &world), message);
    world.doomed.clear();
    assert_eq!(outcome(&waiting, &world).1.len(), 2);
}

#[test]
fn pods_that_repel_go_too() {
    let mut world = world([node("n", json!({}))]);
    let mut hermit = running(1, "100m", 0);
    let term = json!([{ "topologyKey": "kubernetes.io/hostname", "labelSelector": {} }]);
    let far =
        json!({ "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": term } });
    hermit.spec.affinity = Some(serde_json::from_value(far).unwrap());
    put(&mut world, "n", "other", &running(1, "100m", 0));
    put(&mut world, "n", "hermit", &hermit);
    assert_eq!(outcome(&important("100m"), &world).1, ["hermit"]);
}
