//! From a pod to its status.

use serde_json::{Value, json};

use crate::lab::{Lab, alive, container, key, one, shell};

const FOREVER: &str = "echo up; trap 'exit 0' TERM; while :; do sleep 0.05; done";

#[tokio::test]
async fn a_pod_runs_and_its_status_is_the_kubelets() {
    let lab = Lab::new();
    lab.pod("web", one(FOREVER));
    let status = lab.ready("web").await;
    assert_eq!(status["phase"], "Running");
    assert_eq!(status["podIP"], "127.0.0.1");
    assert_eq!(status["qosClass"], "BestEffort");
    let a = container(&status, "a");
    assert_eq!(
        (&a["ready"], &a["started"], &a["restartCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    assert_eq!(a["containerID"], "process://uid-web.a.0");
    assert_eq!(lab.report("web")["terminated"], false);
    let told = lab.told().join("\n");
    assert!(
        told.contains("Created: Container created") && told.contains("Started: "),
        "{told}"
    );
}

#[tokio::test]
async fn a_job_ends_and_is_not_run_again() {
    let lab = Lab::new();
    let spec = |script| json!({"restartPolicy": "Never", "containers": [shell(script)]});
    lab.pod("good", spec("echo done"));
    lab.pod("bad", spec("exit 3"));
    let good = lab.phase("good", "Succeeded").await;
    assert_eq!(
        container(&good, "a")["state"]["terminated"]["reason"],
        "Completed"
    );
    let bad = lab.phase("bad", "Failed").await;
    let ended = &container(&bad, "a")["state"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("Error"), &json!(3))
    );
    assert_eq!(lab.log("good", "a").await, "done\n");
}

#[tokio::test]
async fn a_crash_loop_is_shown_with_its_last_end() {
    let lab = Lab::new();
    lab.pod("web", one("exit 7"));
    let status = lab
        .until("web", "in a crash loop", |r| {
            r["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        })
        .await;
    let a = container(&status, "a");
    assert_eq!(a["restartCount"], 1);
    assert_eq!(a["lastState"]["terminated"]["exitCode"], 7);
    assert_eq!(status["phase"], "Running");
    let (code, text) = lab.get("/containerLogs/default/web/a?previous=true").await;
    assert_eq!((code, text.as_str()), (200, ""));
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let lab = Lab::new();
    let image = json!({"containers": [{"name": "a", "image": "nginx:1.27", "command": ["true"]}]});
    lab.pod("image", image);
    lab.pod(
        "command",
        json!({"containers": [{"name": "a", "image": "process"}]}),
    );
    lab.pod("program", json!({"restartPolicy": "Never", "containers": [{"name": "a", "image": "process", "command": ["nonsense"]}]}));
    let class = json!({"runtimeClassName": "gvisor", "containers": [shell("true")]});
    lab.pod("class", class);
    let mut root = shell("true");
    root["securityContext"] = json!({"privileged": true});
    lab.pod("root", json!({"containers": [root]}));
    let waiting = |reason: &'static str| {
        move |r: &Value| r["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    };
    let status = lab
        .until("image", "refused", waiting("ImagePullBackOff"))
        .await;
    let message = container(&status, "a")["state"]["waiting"]["message"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(
        message.contains("nginx:1.27") && message.contains("only native processes"),
        "{message}"
    );
    let status = lab
        .until("command", "refused", waiting("CreateContainerError"))
        .await;
    assert!(status.to_string().contains("no command"), "{status}");
    let status = lab.phase("program", "Failed").await;
    let ended = &container(&status, "a")["state"]["terminated"];
    assert_eq!(
        (&ended["reason"], &ended["exitCode"]),
        (&json!("StartError"), &json!(128))
    );
    let status = lab
        .until("class", "refused", |r| r.to_string().contains("gvisor"))
        .await;
    assert_eq!(status["phase"], "Pending");
    let status = lab
        .until("root", "refused", waiting("CreateContainerConfigError"))
        .await;
    assert!(status.to_string().contains("privileged"), "{status}");
}

#[tokio::test]
async fn a_config_map_is_waited_for_shown_and_kept_up_to_date() {
    let lab = Lab::new();
    let map = |colour: &str| json!({"data": {"colour": colour, "file.conf": format!("colour={colour}\n")}});
    let target = format!("/cedge-agent-test-{}", std::process::id());
    let mut a =
        shell("echo $COLOUR $WHO $CPU; while :; do cat $CEDGE_VOLUME_CONF/here; sleep 0.1; done");
    a["env"] = json!([
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "paint", "key": "colour"}}},
        {"name": "WHO", "value": "$(ME)/x"},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}}
    ]);
    a["resources"] = json!({"requests": {"cpu": "20m"}});
    a["volumeMounts"] = json!([{"name": "conf", "mountPath": target}]);
    lab.pod("web", json!({
        "terminationGracePeriodSeconds": 0,
        "containers": [a],
        "volumes": [{"name": "conf", "configMap": {"name": "paint", "items": [{"key": "file.conf", "path": "here"}]}}],
    }));
    let status = lab
        .until("web", "waiting", |r| r.to_string().contains("not found"))
        .await;
    assert_eq!(status["phase"], "Pending");
    lab.objects.set("configmaps/default/paint", &map("red"));
    lab.says("web", "a", "colour=red").await;
    assert!(lab.log("web", "a").await.starts_with("red $(ME)/x 20\n"));
    lab.objects.set("configmaps/default/paint", &map("blue"));
    lab.says("web", "a", "colour=blue").await;
    assert!(!std::path::Path::new(&target).exists());
}

#[tokio::test]
async fn init_containers_come_first_and_a_sidecar_stays() {
    let lab = Lab::new();
    let with = |name: &str, script: &str| {
        let mut c = shell(script);
        c["name"] = json!(name);
        c["volumeMounts"] = json!([{"name": "data", "mountPath": "/mnt"}]);
        c
    };
    let mut side = with(
        "side",
        "echo side >> $CEDGE_VOLUME_DATA/log; trap 'exit 0' TERM; while :; do sleep 0.05; done",
    );
    side["restartPolicy"] = json!("Always");
    let read = "cat $CEDGE_VOLUME_DATA/log; echo main";
    lab.pod("web", json!({
        "restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
        "initContainers": [with("first", "echo first >> $CEDGE_VOLUME_DATA/log"), side, with("last", "sleep 0.3; echo last >> $CEDGE_VOLUME_DATA/log")],
        "containers": [with("a", read)],
        "volumes": [{"name": "data", "emptyDir": {}}],
    }));
    let status = lab.phase("web", "Succeeded").await;
    assert_eq!(lab.log("web", "a").await, "first\nside\nlast\nmain\n");
    let side = &status["initContainerStatuses"][1];
    assert_eq!(side["state"]["terminated"]["exitCode"], 0, "{side}");
}

#[tokio::test]
async fn probes_decide_who_is_ready_and_who_starts_again() {
    let lab = Lab::new();
    let mut a = shell("rm -f well; sleep 0.3; touch well ready; while :; do sleep 0.05; done");
    let ask = |file: &str| json!({"exec": {"command": ["test", "-e", file]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 5});
    let mut startup = ask("well");
    startup["failureThreshold"] = json!(10);
    a["startupProbe"] = startup;
    a["livenessProbe"] = ask("well");
    a["readinessProbe"] = ask("ready");
    lab.pod(
        "web",
        json!({"terminationGracePeriodSeconds": 0, "containers": [a]}),
    );
    lab.ready("web").await;
    let work = lab.work("web");
    std::fs::remove_file(work.join("ready")).unwrap();
    lab.until("web", "unready", |r| {
        r["status"]["containerStatuses"][0]["ready"] == false
    })
    .await;
    std::fs::remove_file(work.join("well")).unwrap();
    let again = |r: &Value| {
        let a = &r["status"]["containerStatuses"][0];
        a["restartCount"] == 1 && a["ready"] == true
    };
    let status = lab.until("web", "restarted", again).await;
    assert_eq!(
        container(&status, "a")["lastState"]["terminated"]["exitCode"],
        143
    );
    let told = lab.told().join("\n");
    assert!(told.contains("Unhealthy: Liveness probe failed"), "{told}");
    assert!(
        told.contains("Killing: Container a failed liveness probe, will be restarted"),
        "{told}"
    );
}

#[tokio::test]
async fn http_and_tcp_probes_reach_the_program() {
    let lab = Lab::new();
    let free = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let port = free();
    let serve = format!(
        "mkdir -p www; cd www; echo hi > ok; exec python3 -m http.server {port} --bind 127.0.0.1"
    );
    let with = |probe: Value| {
        let mut a = shell(&serve);
        a["ports"] = json!([{"name": "web", "containerPort": port}]);
        a["readinessProbe"] = probe;
        json!({"terminationGracePeriodSeconds": 0, "containers": [a]})
    };
    let http = json!({"httpGet": {"path": "/ok", "port": "web"}, "periodSeconds": 1});
    lab.pod("http", with(http));
    lab.ready("http").await;
    let tcp = json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
    lab.pod("taken", with(tcp.clone()));
    let status = lab
        .until("taken", "told so", |r| {
            r.to_string().contains("already taken")
        })
        .await;
    assert_eq!(status["phase"], "Pending");
    lab.pods.unset(&key("http"));
    lab.pods.unset(&key("taken"));
    lab.until("http", "gone", Value::is_null).await;
    lab.pod("tcp", with(tcp));
    lab.ready("tcp").await;
}

#[tokio::test]
async fn deletion_runs_pre_stop_asks_politely_and_removes_everything() {
    let lab = Lab::new();
    let mut a = shell("echo up; trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done");
    a["lifecycle"] = json!({
        "preStop": {"exec": {"command": ["sh", "-c", "echo stopping > pre"]}},
        "postStart": {"exec": {"command": ["sh", "-c", "echo begun > post"]}},
    });
    lab.pod("web", json!({"containers": [a]}));
    lab.ready("web").await;
    lab.says("web", "a", "up").await;
    let work = lab.work("web");
    assert_eq!(
        std::fs::read_to_string(work.join("post")).unwrap(),
        "begun\n"
    );
    lab.delete("web", 20);
    let status = lab
        .until("web", "terminated", |r| r["terminated"] == true)
        .await;
    assert_eq!(
        container(&status, "a")["state"]["terminated"]["exitCode"],
        0
    );
    assert_eq!(lab.log("web", "a").await, "up\nbye\n");
    assert_eq!(
        std::fs::read_to_string(work.join("pre")).unwrap(),
        "stopping\n"
    );
    lab.pods.unset(&key("web"));
    lab.until("web", "gone", Value::is_null).await;
    assert!(!lab.config.data_dir.join("pods/uid-web").exists());
}

#[tokio::test]
async fn a_removed_pod_is_ended_even_if_nobody_deleted_it_first() {
    let lab = Lab::new();
    lab.pod("web", one("echo $$$$; sleep 300"));
    lab.ready("web").await;
    lab.says("web", "a", "\n").await;
    let pid = lab.log("web", "a").await.trim().to_owned();
    assert!(alive(&pid));
    lab.pods.unset(&key("web"));
    lab.until("web", "gone", Value::is_null).await;
    assert!(!alive(&pid));
}

#[tokio::test]
async fn a_pod_that_does_not_fit_is_rejected() {
    let lab = Lab::with(|c| c.pods_max = 1);
    let mut greedy = shell("true");
    greedy["resources"] = json!({"requests": {"cpu": "1000"}});
    lab.pod("greedy", json!({"containers": [greedy]}));
    let status = lab.phase("greedy", "Failed").await;
    assert_eq!(status["reason"], "OutOfcpu");
    lab.pod("first", one(FOREVER));
    lab.ready("first").await;
    lab.pod("second", one(FOREVER));
    assert_eq!(lab.phase("second", "Failed").await["reason"], "OutOfpods");
}

#[tokio::test]
async fn a_deadline_ends_a_pod() {
    let lab = Lab::new();
    let mut spec = one(FOREVER);
    spec["activeDeadlineSeconds"] = json!(1);
    lab.pod("web", spec);
    let status = lab.phase("web", "Failed").await;
    assert_eq!(status["reason"], "DeadlineExceeded");
}

#[tokio::test]
async fn the_node_says_what_it_is() {
    let lab = Lab::with(|c| {
        c.labels.insert("site".into(), "plant-7".into());
    });
    for _ in 0..500 {
        if lab.node.row("node").is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let node = lab.node.row("node").unwrap();
    assert_eq!(node["metadata"]["labels"]["site"], "plant-7");
    assert_eq!(node["metadata"]["labels"]["kubernetes.io/hostname"], "n1");
    let status = &node["status"];
    assert_eq!(status["capacity"]["pods"], "110");
    assert_eq!(status["addresses"][0]["address"], "127.0.0.1");
    assert!(
        status["nodeInfo"]["containerRuntimeVersion"]
            .as_str()
            .unwrap()
            .starts_with("process://")
    );
    let ready = status["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["type"] == "Ready");
    assert_eq!(ready.unwrap()["status"], "True");
}

#[tokio::test]
async fn a_claimed_directory_outlives_its_pods_and_goes_with_its_volume() {
    let lab = Lab::new();
    let place = lab.config.data_dir.join("storage/pvc-1_default_data");
    let claim = json!({"metadata": {"name": "data", "namespace": "default"}, "spec": {"volumeName": "pvc-1"}});
    let volume = json!({"metadata": {"name": "pvc-1"}, "spec": {"persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": place, "type": "DirectoryOrCreate"}}});
    let spec = |script: &str, read_only: bool| {
        let mut container = shell(script);
        container["volumeMounts"] = json!([{"name": "v", "mountPath": "/var/tmp/data"}]);
        json!({"restartPolicy": "Never", "containers": [container], "volumes": [
            {"name": "v", "persistentVolumeClaim": {"claimName": "data", "readOnly": read_only}}]})
    };
    lab.pod("first", spec("echo kept > /var/tmp/data/file", false));
    let why = "persistentvolumeclaim \"data\" not found";
    for _ in 0..600 {
        if lab.told().iter().any(|t| t.contains(why)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(lab.told().iter().any(|t| t.contains(why)));
    lab.objects.set("persistentvolumes/-/pvc-1", &volume);
    lab.objects
        .set("persistentvolumeclaims/default/data", &claim);
    lab.phase("first", "Succeeded").await;
    lab.pods.unset(&key("first"));
    lab.pod("second", spec("cat /var/tmp/data/file", false));
    lab.phase("second", "Succeeded").await;
    assert_eq!(lab.log("second", "a").await, "kept\n");
    lab.pod("reader", spec("echo x > /var/tmp/data/file", true));
    lab.phase("reader", "Failed").await;
    lab.pods.unset(&key("second"));
    lab.pods.unset(&key("reader"));
    lab.objects.unset("persistentvolumeclaims/default/data");
    lab.objects.unset("persistentvolumes/-/pvc-1");
    for _ in 0..600 {
        if !place.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the directory is still there");
}

#[tokio::test]
async fn an_ephemeral_volume_is_only_for_the_pod_that_it_was_made_for() {
    let lab = Lab::new();
    let place = lab.config.data_dir.join("storage/pvc-2");
    let claim = |owner: &str| {
        let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": owner, "controller": true});
        json!({"metadata": {"name": "p-v", "namespace": "default", "ownerReferences": [owner]}, "spec": {"volumeName": "pvc-2"}})
    };
    let volume = json!({"metadata": {"name": "pvc-2"}, "spec": {"persistentVolumeReclaimPolicy": "Delete",
        "hostPath": {"path": place, "type": "DirectoryOrCreate"}}});
    lab.objects.set("persistentvolumes/-/pvc-2", &volume);
    lab.objects
        .set("persistentvolumeclaims/default/p-v", &claim("another"));
    let mut container = shell("echo x > /var/tmp/data/file");
    container["volumeMounts"] = json!([{"name": "v", "mountPath": "/var/tmp/data"}]);
    let spec = json!({"restartPolicy": "Never", "containers": [container],
        "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]});
    lab.pod("p", spec);
    let why = "PVC default/p-v was not created for pod default/p (pod is not owner)";
    for _ in 0..600 {
        if lab.told().iter().any(|t| t.contains(why)) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(lab.told().iter().any(|t| t.contains(why)));
    lab.objects
        .set("persistentvolumeclaims/default/p-v", &claim("uid-p"));
    lab.phase("p", "Succeeded").await;
    assert!(place.join("file").exists());
}
