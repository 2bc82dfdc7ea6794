//! Helm 3: a chart with a definition, an object of it, a Deployment, a Service, and a hook.

use std::path::Path;

use cedge_e2e::{Clients, Folder, Ran, Site, eventually, number, write};

const CHART: &str = "apiVersion: v2\nname: shop\nversion: 0.1.0\nappVersion: '1'\n";
const VALUES: &str = "replicas: 1\nhook: 'true'\n";
const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: tills.shop.example.com }
spec:
  group: shop.example.com
  scope: Namespaced
  names: { kind: Till, plural: tills, singular: till }
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: { spec: { type: object, properties: { open: { type: boolean, default: true } } } }
";
const OBJECTS: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: {{ .Release.Name }}-web }
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [ { name: main, image: process, command: [sleep, '100000'] } ]
---
apiVersion: shop.example.com/v1
kind: Till
metadata: { name: {{ .Release.Name }} }
spec: {}
---
apiVersion: v1
kind: Service
metadata: { name: {{ .Release.Name }}-web }
spec: { selector: { app: shop }, ports: [ { port: 80 } ] }
";
const HOOK: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-hook
  annotations: { helm.sh/hook: 'pre-install,pre-upgrade', helm.sh/hook-delete-policy: before-hook-creation }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [ { name: main, image: process, command: [sh, -c, {{ .Values.hook | quote }}] } ]
";

#[test]
fn helm_installs_upgrades_rolls_back_and_uninstalls() {
    let Some(clients) = Clients::here("helm_installs_upgrades_rolls_back_and_uninstalls") else {
        return;
    };
    let folder = Folder::of("helm");
    let mut site = Site::new(&folder, "solo", &[]);
    site.start();
    let chart = folder.join("chart");
    for (file, text) in [
        ("Chart.yaml", CHART),
        ("values.yaml", VALUES),
        ("crds/till.yaml", DEFINITION),
        ("templates/objects.yaml", OBJECTS),
        ("templates/hook.yaml", HOOK),
    ] {
        write(&chart.join(file), text);
    }
    let helm = |args: &[&str]| clients.run("helm", &site, args);
    install(&site, &helm, &chart);
    let chart = chart.to_str().unwrap();
    let broken = [
        "upgrade",
        "one",
        chart,
        "--set",
        "hook=false",
        "--timeout",
        "60s",
    ];
    let said = helm(&broken);
    assert!(
        !said.ok && said.err.contains("BackoffLimitExceeded"),
        "{said:?}"
    );
    let back = ["rollback", "one", "1", "--wait", "--timeout", "90s"];
    helm(&back).expect("the first revision again");
    let deployment = site.get(&["deployment", "one-web"]).unwrap();
    assert_eq!(number(&deployment, "/spec/replicas"), 1);
    let history = helm(&["history", "one", "-o", "json"]).json().unwrap();
    let states: Vec<_> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["superseded", "superseded", "failed", "deployed"]);
    helm(&["uninstall", "one", "--wait"]).expect("it goes");
    for kind in ["deployment/one-web", "service/one-web", "till/one"] {
        eventually(kind, 30, || match site.get(&[kind]) {
            Ok(object) => Err(object.to_string()),
            Err(_) => Ok(()),
        });
    }
}

fn install(site: &Site, helm: &impl Fn(&[&str]) -> Ran, chart: &Path) {
    let chart = chart.to_str().unwrap();
    helm(&["install", "one", chart, "--wait", "--timeout", "90s"]).expect("a release");
    let till = site.get(&["till", "one"]).unwrap();
    assert_eq!(till["spec"]["open"], true, "the definition's default");
    let more = [
        "upgrade",
        "one",
        chart,
        "--set",
        "replicas=2",
        "--wait",
        "--timeout",
        "90s",
    ];
    helm(&more).expect("an upgrade");
    let deployment = site.get(&["deployment", "one-web"]).unwrap();
    assert_eq!(number(&deployment, "/status/readyReplicas"), 2);
}
