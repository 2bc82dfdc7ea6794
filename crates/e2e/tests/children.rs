//! What an operator does with a child: lets it in, keeps new work from it, takes it out.

use cedge_e2e::manifest::{config_map, mission};
use cedge_e2e::{Folder, Site, condition, enabled, holds_for, text};
use serde_json::{Value, json};

const BARE: [&str; 2] = ["--without", "node"];

#[test]
fn a_child_waits_for_approval_and_takes_nothing_new_while_it_is_cordoned() {
    if !enabled("a_child_waits_for_approval_and_takes_nothing_new_while_it_is_cordoned") {
        return;
    }
    let folder = Folder::of("children");
    let mut a = Site::new(&folder, "a", &BARE);
    a.start();
    let hub = a.hub().to_string();
    let token = a.cedge(&["token", "create", "--manual", "--address", &hub]);
    let token = token.expect("a token that wants approval");
    let mut b = Site::new(&folder, "b", &["--without", "node", "--join", token.trim()]);
    b.start();

    b.until(
        "it says what it waits for",
        &["edgeuplink", "parent"],
        |up| condition(up, "Connected").1.contains("awaits approval"),
    );
    a.until("it is pending", &["edgecluster", "b"], |c| {
        text(c, "/status/state") == "Pending"
    });
    let everywhere = mission("first", &Value::Null, &[config_map("first", "hello")]);
    a.apply(&everywhere).expect("a Mission");
    holds_for("nothing comes to a child that is not approved", 3, || {
        nothing(&b, "first")
    });
    let approved = json!({ "spec": { "approved": true } }).to_string();
    a.kubectl(&["patch", "edgecluster", "b", "--type=merge", "-p", &approved])
        .expect("approved");
    a.until_tree("a:Healthy b:Healthy");
    b.until("its first work", &["configmap", "first"], |_| true);

    a.cedge(&["cluster", "cordon", "b"]).expect("cordoned");
    a.until_tree("a:Healthy b:Cordoned");
    let second = mission("second", &Value::Null, &[config_map("second", "hello")]);
    a.apply(&second).expect("a second Mission");
    a.until("it is here", &["configmap", "second"], |_| true);
    holds_for("nothing new comes while cordoned", 3, || {
        nothing(&b, "second")
    });
    assert!(
        b.kubectl(&["get", "configmap", "first"]).ok,
        "what is there stays"
    );
    a.cedge(&["cluster", "uncordon", "b"]).expect("uncordoned");
    b.until("the second comes", &["configmap", "second"], |_| true);
}

fn nothing(site: &Site, name: &str) -> Result<(), String> {
    let ran = site.kubectl(&["get", "configmap", name]);
    if ran.err.contains("NotFound") {
        Ok(())
    } else {
        Err(format!("{}{}", ran.out, ran.err))
    }
}
