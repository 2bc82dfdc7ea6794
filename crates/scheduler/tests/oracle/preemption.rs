//! More important pods, and who goes for them.

use cedge_testkit::condition;
use serde_json::{Value, json};

use crate::world::{Place, World, asking, run};

fn of_class(class: &str, cpu: &str) -> Value {
    let mut spec = asking(cpu);
    spec["priorityClassName"] = class.into();
    spec
}

async fn classes(place: &Place) -> (String, String, String) {
    (
        place.class("low", 100, json!({})).await,
        place.class("mid", 200, json!({})).await,
        place.class("high", 1000, json!({})).await,
    )
}

/// Plays the agent that has ended a pod.
async fn end(place: &Place, pod: &str) {
    place.pods.delete(pod).await;
}

fn is_going(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

#[test]
fn the_least_important_pods_go_gently_and_room_is_kept() {
    run(async |world: &'static World| {
        let place = world.place("preempt").await;
        let (low, mid, high) = classes(&place).await;
        place.node("n", json!({})).await;
        let mut patient = of_class(&low, "1");
        patient["terminationGracePeriodSeconds"] = 600.into();
        let victim = place.create("low", patient).await;
        place.create("mid", of_class(&mid, "1")).await;
        place.node_of("low").await;
        place.node_of("mid").await;
        let vital = place.create("vital", of_class(&high, "1")).await;
        assert_eq!(vital["spec"]["priority"], 1000);
        let going = place.pods.until("low", is_going).await;
        let target = condition(&going, "DisruptionTarget").unwrap();
        assert_eq!(target["status"], "True");
        assert_eq!(target["reason"], "PreemptionByScheduler");
        assert_eq!(
            target["message"],
            "default-scheduler: preempting to accommodate a higher priority pod"
        );
        assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 600);
        let nominated = |p: &Value| p["status"]["nominatedNodeName"] == "preempt-n";
        place.pods.until("vital", nominated).await;
        let why = place.why("vital", "Insufficient").await;
        let full = "0/1 nodes are available: 1 Insufficient cpu. preemption: ";
        assert!(why.starts_with(full), "{why}");
        let events = place.objects("v1", "Event", "events");
        let said = events.until_all("the event", |all| {
            all.iter().any(|e| {
                e["reason"] == "Preempted"
                    && e["involvedObject"]["uid"] == victim["metadata"]["uid"]
            })
        });
        said.await;
        // A less important pod does not take the room that is being made, an equal one neither.
        place.create("late", of_class(&low, "500m")).await;
        place.why("late", "Insufficient").await;
        end(&place, "low").await;
        assert_eq!(place.node_of("vital").await, "n");
        let mid = place.pods.get("mid").await;
        assert!(!is_going(&mid), "who need not go stays");
        assert!(place.pods.get("late").await["spec"]["nodeName"].is_null());
    });
}

#[test]
fn a_pod_that_never_preempts_waits() {
    run(async |world: &'static World| {
        let place = world.place("never").await;
        let never = json!({ "preemptionPolicy": "Never" });
        let polite = place.class("polite", 1000, never).await;
        place.node("n", json!({})).await;
        place.create("first", asking("2")).await;
        place.node_of("first").await;
        place.create("polite", of_class(&polite, "1")).await;
        assert_eq!(
            place.why("polite", "Insufficient").await,
            "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
        );
        assert!(!is_going(&place.pods.get("first").await));
    });
}

#[test]
fn budgets_decide_before_priorities() {
    run(async |world: &'static World| {
        let place = world.place("budgets").await;
        let (low, mid, high) = classes(&place).await;
        place.node("a", json!({})).await;
        let guarded = json!({ "app": "guarded" });
        let first = place.create_labelled("guarded", guarded, of_class(&low, "2"));
        first.await;
        assert_eq!(place.node_of("guarded").await, "a");
        let budgets = place.objects("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
        budgets
            .create(json!({ "metadata": { "name": "guarded" }, "spec": {
                "minAvailable": 1, "selector": { "matchLabels": { "app": "guarded" } } } }))
            .await;
        let status = json!({ "status": { "disruptionsAllowed": 0, "currentHealthy": 1,
            "desiredHealthy": 1, "expectedPods": 1, "observedGeneration": 1 } });
        budgets.patch_status("guarded", status).await;
        place.node("b", json!({})).await;
        place.create("plain", of_class(&mid, "2")).await;
        assert_eq!(place.node_of("plain").await, "b");
        place.create("vital", of_class(&high, "2")).await;
        place.pods.until_gone("plain").await;
        assert_eq!(place.node_of("vital").await, "b");
        // If nothing else helps, a budget is broken.
        place.create("vital-2", of_class(&high, "2")).await;
        place.pods.until_gone("guarded").await;
        assert_eq!(place.node_of("vital-2").await, "a");
    });
}

#[test]
fn as_few_go_as_must_and_from_the_cheapest_node() {
    run(async |world: &'static World| {
        let place = world.place("cheapest").await;
        let (low, mid, high) = classes(&place).await;
        place.node("a", json!({})).await;
        for (name, class) in [("a-1", &low), ("a-2", &mid)] {
            place.create(name, of_class(class, "1")).await;
            place.node_of(name).await;
        }
        place.node("b", json!({})).await;
        for name in ["b-1", "b-2"] {
            place.create(name, of_class(&low, "1")).await;
            assert_eq!(place.node_of(name).await, "b");
        }
        // Two processors: both of `b`, as none there is more important than low.
        place.create("vital", of_class(&high, "2")).await;
        place.pods.until_gone("b-1").await;
        place.pods.until_gone("b-2").await;
        assert_eq!(place.node_of("vital").await, "b");
        place.create("vital-2", of_class(&high, "1")).await;
        place.pods.until_gone("a-1").await;
        assert_eq!(place.node_of("vital-2").await, "a");
        assert!(!is_going(&place.pods.get("a-2").await));
    });
}
