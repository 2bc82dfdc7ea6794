use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use cedge_pki::Authority;
use cedge_placement::Labels;

use super::*;
use crate::around::Place;

fn alone(labels: Labels) -> Topology {
    Topology {
        here: Here {
            id: Authority::ephemeral().id(),
            name: "root".parse().unwrap(),
            labels,
            replaced: BTreeMap::new(),
        },
        children: BTreeMap::new(),
        parent: None,
    }
}

#[tokio::test(start_paused = true)]
async fn news_that_come_while_the_first_topology_is_computed_count() {
    let around = Around::new(Place::default());
    let (_trigger, shutdown) = cedge_tasks::shutdown();
    let tasks = Group::new(shutdown);
    let labels = Arc::new(Mutex::new(Labels::new()));
    let told = around.clone();
    let mut topology = publish_as(&around, &tasks, move || {
        let seen = alone(labels.lock().unwrap().clone());
        // A child connects just now.
        labels.lock().unwrap().insert("tier".into(), "site".into());
        told.changed();
        seen
    });
    let follows = topology.wait_for(|t| t.here.labels.contains_key("tier"));
    let seen = tokio::time::timeout(Duration::from_secs(5), follows).await;
    assert!(seen.is_ok(), "the news were lost");
}
