//! An operator that others wrote: its definitions are large, and it makes StatefulSets, Secrets and Services.

use cedge_e2e::{Clients, Folder, Site, condition, eventually, number};

const WANTED: &str = "
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata: { name: main }
spec: { replicas: 2, version: v3.5.0, ruleSelector: {} }
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: { name: rules }
spec: { groups: [ { name: g, rules: [ { alert: Down, expr: 'up == 0', for: 5m } ] } ] }
---
apiVersion: monitoring.coreos.com/v1
kind: Alertmanager
metadata: { name: main }
spec: { replicas: 1 }
";

#[test]
fn the_prometheus_operator_reconciles() {
    let Some(clients) = Clients::here("the_prometheus_operator_reconciles") else {
        return;
    };
    let folder = Folder::of("operator");
    let mut site = Site::new(&folder, "solo", &["--without", "node"]);
    site.start();
    let definitions = clients.path("operator-crds");
    let definitions = definitions.to_str().unwrap();
    site.kubectl(&["apply", "--server-side", "-f", definitions])
        .expect("its definitions");
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        definitions,
    ];
    eventually("they are served", 90, || {
        // kubectl ends at a definition whose conditions are not there yet.
        let ran = site.kubectl(&established);
        if ran.ok { Ok(()) } else { Err(ran.err) }
    });
    let wrong = WANTED.replace("replicas: 2", "replicas: many");
    let said = site.apply(&wrong);
    assert!(!said.ok && said.err.contains("spec.replicas"), "{said:?}");
    site.apply(WANTED).expect("what the operator shall make");
    let _operator = clients.start("operator", &site, &["--web.listen-address=127.0.0.1:0"]);
    for (kind, name, replicas) in [
        ("prometheus", "prometheus-main", 2),
        ("alertmanager", "alertmanager-main", 1),
    ] {
        eventually(name, 90, || {
            let set = site.get(&["statefulset", name])?;
            let pods = site.get(&["pods", "-l", &format!("app.kubernetes.io/name={kind}")])?;
            let made = pods["items"].as_array().map_or(0, Vec::len);
            if number(&set, "/spec/replicas") == replicas
                && made == usize::try_from(replicas).unwrap()
            {
                return Ok(());
            }
            Err(format!("{set} {pods}"))
        });
        eventually("it says that it has reconciled", 30, || {
            let object = site.get(&[kind, "main"])?;
            let said = condition(&object, "Reconciled");
            if said.0 == "True" {
                Ok(())
            } else {
                Err(object.to_string())
            }
        });
    }
    let rules = site
        .get(&["configmap", "prometheus-main-rulefiles-0"])
        .unwrap();
    assert!(rules.to_string().contains("up == 0"), "{rules}");
    site.kubectl(&["delete", "prometheus", "main"])
        .expect("it goes");
    eventually("what the operator made is collected", 60, || {
        match site.get(&["statefulset", "prometheus-main"]) {
            Ok(set) => Err(set.to_string()),
            Err(_) => Ok(()),
        }
    });
}
