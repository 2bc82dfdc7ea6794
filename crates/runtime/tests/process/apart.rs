//! What a container sees and may do, and what not.

use cedge_runtime::{Isolation, Limits, Mounts, Runtime as _, SandboxConfig};
use std::fs;
use std::path::Path;

use crate::lab::{Lab, is_root, sandbox, shell, volume};

#[tokio::test]
async fn what_this_machine_permits_is_found_out() {
    let lab = Lab::new().await;
    let can = |args: &[&str]| {
        let run = std::process::Command::new("unshare")
            .args(args)
            .arg("true")
            .output();
        run.is_ok_and(|o| o.status.success())
    };
    let expected = if is_root() && can(&["--mount"]) {
        Mounts::Private
    } else if can(&["--user", "--mount"]) {
        Mounts::UserNamespace
    } else {
        Mounts::None
    };
    assert_eq!(lab.runtime.isolation().mounts, expected);
}

#[tokio::test]
async fn a_volume_is_at_its_place_and_the_host_sees_nothing_of_it() {
    let lab = Lab::new().await;
    if lab.runtime.isolation().mounts == Mounts::None {
        return;
    }
    lab.sandbox().await;
    let target = format!("/cedge-test-{}/deep/data", std::process::id());
    let etc = format!("/etc/cedge-test-{}", std::process::id());
    let mut config = shell(&format!(
        "cat {target}/file {etc}/file && echo new > {target}/new && ! echo x > {etc}/new && echo $CEDGE_VOLUME_MY_DATA && cat /etc/passwd | head -1"
    ));
    let mut second = volume(&lab, "config", &etc);
    second.read_only = true;
    config.mounts = vec![volume(&lab, "my-data", &target), second];
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    let exit = lab.end(&id).await;
    let log = lab.log(&id).await;
    assert_eq!(exit.code, 0, "{log}");
    assert!(log.contains(&target), "{log}");
    let new = lab.runtime.volumes_dir("u1").join("my-data/new");
    assert_eq!(fs::read_to_string(new).unwrap(), "new\n");
    assert!(!Path::new(&target).exists() && !Path::new(&etc).exists());
    assert!(lab.runtime.misplaced(&id, Path::new(&target)).is_none());
}

#[tokio::test]
async fn a_sub_path_does_not_lead_out_of_its_volume() {
    let lab = Lab::new().await;
    if lab.runtime.isolation().mounts == Mounts::None {
        return;
    }
    lab.sandbox().await;
    let mut mount = volume(&lab, "data", "/mnt");
    std::os::unix::fs::symlink("/etc", mount.source.join("trap")).unwrap();
    mount.sub_path = Some("trap".into());
    let mut config = shell("cat /mnt/shadow");
    config.mounts = vec![mount.clone()];
    let id = lab.create(config).await;
    let error = lab.runtime.start_container(&id).await.unwrap_err();
    assert!(error.to_string().contains("symbolic link"), "{error}");
    mount.sub_path = Some("fresh/one".into());
    let mut config = shell("echo hi > /mnt/x");
    config.attempt = 1;
    config.mounts = vec![mount.clone()];
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    assert_eq!(lab.end(&id).await.code, 0, "{}", lab.log(&id).await);
    assert!(mount.source.join("fresh/one/x").exists());
}

#[tokio::test]
async fn no_container_sees_the_keys() {
    // Hidden twice over: the agent's own directory, and the one that holds it.
    let lab = Lab::with(|o| {
        let outer = o.data_dir.parent().unwrap().to_owned();
        o.masks = vec![
            outer.clone(),
            outer.join("data/pods"),
            outer.join("no-such"),
        ];
    })
    .await;
    if lab.runtime.isolation().mounts == Mounts::None && !is_root() {
        return;
    }
    let key = lab.options.data_dir.join("ca.key");
    fs::write(&key, "secret").unwrap();
    let paths = format!(
        "{0} /proc/1/root{0} /proc/{1}/root{0}",
        key.display(),
        std::process::id()
    );
    let log = lab
        .run(&format!(
            "for f in {paths}; do if cat $f 2>/dev/null; then echo READ $f; fi; done; echo done"
        ))
        .await;
    assert_eq!(log, "done\n");
    let id = lab.start_again("sleep 300").await;
    let (_, text) = lab.exec(&id, &["cat", &key.to_string_lossy()]).await;
    assert!(!text.contains("secret"), "{text}");
}

#[tokio::test]
async fn as_root_a_pod_gets_a_user_of_its_own_and_no_way_back() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    let log = lab
        .run("id -u; id -G; grep -E 'NoNewPrivs|CapEff|CapBnd' /proc/self/status")
        .await;
    let lines: Vec<&str> = log.lines().collect();
    let uid: u32 = lines[0].parse().unwrap();
    assert!((1_900_000_000..2_000_000_000).contains(&uid), "{log}");
    assert_eq!(lines[1], lines[0]);
    assert!(log.contains("CapEff:\t0000000000000000"), "{log}");
    assert!(log.contains("CapBnd:\t0000000000000000"), "{log}");
    assert!(log.contains("NoNewPrivs:\t1"), "{log}");
}

#[tokio::test]
async fn as_root_a_pods_own_choice_of_user_is_honoured_but_not_root_nor_disks() {
    if !is_root() {
        return;
    }
    let lab = Lab::new().await;
    let asking = |uid: &str, user, groups: &[u32]| SandboxConfig {
        uid: uid.into(),
        user: Some(user),
        groups: groups.to_vec(),
        ..sandbox()
    };
    let refused = lab
        .runtime
        .run_sandbox(asking("u2", 0, &[]))
        .await
        .unwrap_err();
    assert_eq!(refused.reason(), "CreateContainerConfigError");
    assert!(
        lab.runtime
            .run_sandbox(asking("u3", 1000, &[0]))
            .await
            .is_err()
    );
    lab.runtime
        .run_sandbox(asking("u1", 1234, &[4321]))
        .await
        .unwrap();
    assert_eq!(lab.run("id -u; id -G").await, "1234\n1234 4321\n");
}

#[tokio::test]
async fn as_root_a_container_that_takes_too_much_memory_is_oom_killed() {
    let counted = || {
        cedge_runtime::Cgroups::detect("test")
            .describe()
            .contains("memory")
    };
    if !is_root() || !counted() {
        // Without a limit it would take the memory of the whole machine.
        return;
    }
    let lab = Lab::new().await;
    let mut config = shell("");
    config.argv = vec!["tail".into(), "/dev/zero".into()];
    config.limits = Limits {
        memory: Some(32 << 20),
        cpu: Some(500),
        cpu_share: Some(100),
    };
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    let exit = lab.end(&id).await;
    assert_eq!(
        (exit.code, exit.reason.as_deref()),
        (137, Some("OOMKilled"))
    );
}

#[tokio::test]
async fn without_mounts_a_volume_lies_below_the_working_directory() {
    let lab = Lab::with(|o| {
        o.isolation = Some(Isolation {
            users: is_root(),
            mounts: Mounts::None,
        });
    })
    .await;
    lab.sandbox().await;
    let mut config = shell(
        "cat mnt/data/file; cat $CEDGE_VOLUME_DATA/file; echo new > $CEDGE_VOLUME_DATA/new; cd $HOME; pwd",
    );
    config.mounts = vec![volume(&lab, "data", "/mnt/data")];
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    let exit = lab.end(&id).await;
    let log = lab.log(&id).await;
    assert_eq!(exit.code, 0, "{log}");
    assert!(log.starts_with("content\ncontent\n"), "{log}");
    let place = lab.runtime.misplaced(&id, Path::new("/mnt/data")).unwrap();
    assert_eq!(fs::read_to_string(place.join("new")).unwrap(), "new\n");
    lab.runtime.remove_sandbox("u1").await.unwrap();
    assert!(!lab.runtime.volumes_dir("u1").exists());
}
