//! The process runtime with real processes: run, log, end, adopt, stop, kill, exec, keep apart.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the lab is part of the tests"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cedge_pod_lifecycle::{ContainerId, Exit, State};
use cedge_runtime::{
    ContainerConfig, ExecConfig, Isolation, Limits, Mounts, Options, ProcessRuntime, Runtime as _,
    SandboxConfig, VolumeMount, logs,
};
use futures::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A runtime with a directory of its own, which is taken away with everything that runs.
struct Lab {
    dir: PathBuf,
    options: Options,
    runtime: ProcessRuntime,
}

impl Lab {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Options)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("cedge-runtime-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let mut options = Options::new(dir.join("data"));
        options.shim = PathBuf::from(env!("CARGO_BIN_EXE_cedge-shim"));
        change(&mut options);
        let runtime = ProcessRuntime::open(options.clone()).await.unwrap();
        Self {
            dir,
            options,
            runtime,
        }
    }

    async fn sandbox(&self) {
        self.runtime.run_sandbox(sandbox()).await.unwrap();
    }

    async fn create(&self, config: ContainerConfig) -> ContainerId {
        self.sandbox().await;
        self.runtime.create_container("u1", config).await.unwrap()
    }

    /// Starts `script` by a shell as container `a`.
    async fn start(&self, script: &str) -> ContainerId {
        let id = self.create(shell(script)).await;
        self.runtime.start_container(&id).await.unwrap();
        id
    }

    async fn state(&self, id: &ContainerId) -> State {
        let seen = self.runtime.seen("u1").await.unwrap();
        seen.containers
            .into_iter()
            .find(|c| c.id == *id)
            .unwrap()
            .state
    }

    /// Waits for the end.
    async fn end(&self, id: &ContainerId) -> Exit {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.runtime.wait(id));
        wait.await.expect("it should end");
        match self.state(id).await {
            State::Exited(exit) => exit,
            other => panic!("{id} is {other:?}"),
        }
    }

    async fn log(&self, id: &ContainerId) -> String {
        let (to, mut from) = tokio::sync::mpsc::channel(100);
        let path = self.runtime.log_path(id).unwrap();
        let read = logs::send(path, logs::Wanted::default(), async {}.boxed(), to);
        let mut text = Vec::new();
        let collect = async {
            while let Some(piece) = from.recv().await {
                text.extend_from_slice(&piece.unwrap());
            }
        };
        tokio::join!(read, collect);
        String::from_utf8(text).unwrap()
    }

    /// Runs `script` to its end; returns what it said.
    async fn run(&self, script: &str) -> String {
        let id = self.start(script).await;
        let exit = self.end(&id).await;
        let log = self.log(&id).await;
        assert_eq!(exit.code, 0, "{script}: {log}");
        log
    }

    /// Waits for a line in the log.
    async fn says(&self, id: &ContainerId, word: &str) {
        for _ in 0..500 {
            if self.log(id).await.contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} never said {word:?}: {}", self.log(id).await);
    }

    async fn exec(&self, id: &ContainerId, argv: &[&str]) -> (i32, String) {
        let config = ExecConfig {
            argv: argv.iter().map(ToString::to_string).collect(),
            ..ExecConfig::default()
        };
        let mut exec = self.runtime.exec(id, config).await.unwrap();
        let mut text = String::new();
        exec.stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        exec.stderr
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .await
            .unwrap();
        (exec.process.wait().await.unwrap(), text)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = cedge_runtime::power_off(&self.options.data_dir);
        let _ = fs::remove_dir_all(&self.dir);
        // Without mounts, as root: volumes and working directories lie outside of the data directory.
        let open = self.runtime.volumes_dir("u1");
        let _ = fs::remove_dir_all(open.ancestors().nth(2).unwrap());
    }
}

fn sandbox() -> SandboxConfig {
    SandboxConfig {
        uid: "u1".into(),
        namespace: "default".into(),
        name: "web".into(),
        hostname: "web".into(),
        ..SandboxConfig::default()
    }
}

fn shell(script: &str) -> ContainerConfig {
    ContainerConfig {
        name: "a".into(),
        image: "process".into(),
        argv: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        ..ContainerConfig::default()
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

#[tokio::test]
async fn a_container_runs_says_something_and_ends() {
    let lab = Lab::new().await;
    let id = lab.start("echo $GREETING; echo bad >&2; exit 3").await;
    let exit = lab.end(&id).await;
    assert_eq!((exit.code, exit.signal, exit.reason), (3, None, None));
    assert_eq!(lab.log(&id).await, "hello\nbad\n");
    let raw = fs::read_to_string(lab.runtime.log_path(&id).unwrap()).unwrap();
    let words: Vec<&str> = raw.lines().next().unwrap().split(' ').collect();
    assert_eq!(words[1..], ["stdout", "F", "hello"]);
    assert_eq!(words[0].len(), "2026-01-01T00:00:00.000000000Z".len());
}

#[tokio::test]
async fn the_environment_is_cleared() {
    let lab = Lab::new().await;
    let mut names: Vec<String> = lab
        .run("cat /proc/self/environ | tr '\\0' '\\n'")
        .await
        .lines()
        .filter_map(|l| Some(l.split_once('=')?.0.to_owned()))
        .collect();
    names.sort();
    let shells_own = ["OLDPWD", "PWD", "SHLVL", "_"];
    names.retain(|n| !shells_own.contains(&n.as_str()));
    assert_eq!(
        names,
        [
            "CEDGE_TERMINATION_LOG",
            "GREETING",
            "HOME",
            "HOSTNAME",
            "PATH"
        ]
    );
}

#[tokio::test]
async fn no_descriptor_of_ours_leaks_into_a_container() {
    let lab = Lab::new().await;
    let mut config = shell("");
    config.argv = vec!["sleep".into(), "300".into()];
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    let pid = cedge_runtime::belongings(&lab.options.data_dir).unwrap()[0].processes[0];
    let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let mut open: Vec<_> = open.map(|e| e.unwrap().file_name()).collect();
    open.sort();
    assert_eq!(open, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_program_that_is_missing_is_a_start_error_with_code_128() {
    let lab = Lab::new().await;
    let mut config = shell("");
    config.argv = vec!["no-such-program".into()];
    let id = lab.create(config).await;
    let error = lab.runtime.start_container(&id).await.unwrap_err();
    assert_eq!(error.reason(), "RunContainerError");
    assert_eq!(
        error.to_string(),
        "exec: \"no-such-program\": executable file not found in $PATH"
    );
    let exit = lab.end(&id).await;
    assert_eq!(
        (exit.code, exit.reason.as_deref()),
        (128, Some("StartError"))
    );
}

#[tokio::test]
async fn other_images_and_containers_without_a_command_are_refused() {
    let lab = Lab::new().await;
    let error = lab
        .runtime
        .pull_image("nginx:1.27", None)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "ErrImagePull");
    assert!(error.to_string().contains("nginx:1.27"), "{error}");
    assert!(lab.runtime.pull_image("process", None).await.is_ok());
    assert!(lab.runtime.pull_image("process:1", None).await.is_err());
    assert!(
        lab.runtime
            .pull_image("nginx", Some("process"))
            .await
            .is_ok()
    );
    lab.sandbox().await;
    let mut config = shell("");
    config.argv.clear();
    let error = lab
        .runtime
        .create_container("u1", config)
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "CreateContainerError");
}

#[tokio::test]
async fn another_runtime_adopts_what_runs_and_learns_how_it_ends() {
    let mut lab = Lab::new().await;
    let id = lab
        .start("echo one; while [ ! -e stop ]; do sleep 0.05; done; echo two; exit 7")
        .await;
    lab.says(&id, "one").await;
    let before = lab.state(&id).await;
    // All that the agent knew is lost.
    lab.runtime = ProcessRuntime::open(lab.options.clone()).await.unwrap();
    assert_eq!(lab.state(&id).await, before);
    assert!(matches!(before, State::Running { .. }));
    lab.sandbox().await;
    assert!(lab.runtime.seen("u1").await.unwrap().sandbox);
    assert_eq!(lab.exec(&id, &["touch", "stop"]).await, (0, String::new()));
    assert_eq!(lab.end(&id).await.code, 7);
    assert_eq!(lab.log(&id).await, "one\ntwo\n");
}

#[tokio::test]
async fn an_attempt_that_was_given_up_can_not_start_any_more() {
    let lab = Lab::new().await;
    let first = lab.create(shell("sleep 60")).await;
    let mut config = shell("sleep 60");
    config.attempt = 1;
    let second = lab.create(config).await;
    let late = lab.runtime.start_container(&first).await.unwrap_err();
    assert!(late.to_string().contains("given this attempt up"), "{late}");
    lab.runtime.start_container(&second).await.unwrap();
    assert_eq!(lab.state(&first).await, State::Created);
    assert!(matches!(lab.state(&second).await, State::Running { .. }));
}

#[tokio::test]
async fn stopping_asks_first_and_kills_after_the_grace() {
    let lab = Lab::new().await;
    let polite = lab
        .start("trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done")
        .await;
    lab.says(&polite, "up").await;
    lab.runtime
        .stop_container(&polite, Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(lab.end(&polite).await.code, 5);
    let mut config = shell("trap '' TERM; echo up; while :; do sleep 0.05; done");
    config.attempt = 1;
    let stubborn = lab.create(config).await;
    lab.runtime.start_container(&stubborn).await.unwrap();
    lab.says(&stubborn, "up").await;
    lab.runtime
        .stop_container(&stubborn, Duration::from_millis(200))
        .await
        .unwrap();
    let exit = lab.end(&stubborn).await;
    assert_eq!((exit.code, exit.signal), (137, Some(9)));
}

#[tokio::test]
async fn offspring_that_detached_itself_ends_with_its_container() {
    let lab = Lab::new().await;
    let id = lab
        .start("setsid sh -c 'setsid sleep 300 & echo $!' ; sleep 0.2")
        .await;
    let exit = lab.end(&id).await;
    let pid: i32 = lab.log(&id).await.trim().parse().unwrap();
    assert_eq!(exit.code, 0);
    assert!(!alive(pid), "{pid} outlived its container");
}

#[tokio::test]
async fn a_container_dies_with_its_shim_and_its_end_is_unknown() {
    let lab = Lab::new().await;
    let id = lab.start("echo $$; sleep 300").await;
    lab.says(&id, "\n").await;
    let pid: i32 = lab.log(&id).await.trim().parse().unwrap();
    let all = cedge_runtime::belongings(&lab.options.data_dir).unwrap();
    assert_eq!(all.len(), 1);
    assert!(all[0].processes.contains(&pid), "{all:?}");
    let shim = nix::unistd::Pid::from_raw(all[0].shim.pid);
    nix::sys::signal::kill(shim, nix::sys::signal::Signal::SIGKILL).unwrap();
    let exit = lab.end(&id).await;
    assert_eq!((exit.code, exit.reason.as_deref()), (255, Some("Unknown")));
    for _ in 0..100 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{pid} outlived its shim");
}

/// The name of the group that belongs to the whole agent, where groups can be made.
fn group_of(pid: i32) -> Option<String> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let mut names = groups.split(['/', '\n']);
    names.find(|n| n.starts_with("cedge-")).map(str::to_owned)
}

fn groups_named(name: Option<&str>) -> Vec<PathBuf> {
    let Some(name) = name else { return Vec::new() };
    let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap();
    let below = hierarchies.map(|h| h.unwrap().path().join(name));
    let all = below.chain([Path::new("/sys/fs/cgroup").join(name)]);
    all.filter(|dir| dir.is_dir()).collect()
}

#[tokio::test]
async fn power_loss_leaves_nothing_and_nobody_who_could_tell() {
    let lab = Lab::new().await;
    let id = lab.start("setsid sleep 300 & echo $!; sleep 300").await;
    lab.says(&id, "\n").await;
    let detached: i32 = lab.log(&id).await.trim().parse().unwrap();
    let group = group_of(detached);
    assert!(cedge_runtime::power_off(&lab.options.data_dir).unwrap() >= 3);
    assert!(!alive(detached));
    assert_eq!(groups_named(group.as_deref()), Vec::<PathBuf>::new());
    let exit = lab.end(&id).await;
    assert_eq!(exit.reason.as_deref(), Some("Unknown"));
    assert!(
        cedge_runtime::belongings(&lab.options.data_dir)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn exec_runs_in_the_same_place_as_the_same_user() {
    let lab = Lab::new().await;
    let id = lab.start("id -u; pwd; echo up; sleep 300").await;
    lab.says(&id, "up").await;
    let (code, text) = lab
        .exec(&id, &["sh", "-c", "id -u; pwd; echo up; exit 4"])
        .await;
    assert_eq!((code, text), (4, lab.log(&id).await));
    assert_eq!(
        lab.exec(&id, &["sh", "-c", "echo $GREETING"]).await.1,
        "hello\n"
    );
    let (code, text) = lab.exec(&id, &["nonsense"]).await;
    assert_eq!(code, 127, "{text}");
}

#[tokio::test]
async fn exec_on_a_terminal_has_one() {
    let lab = Lab::new().await;
    let id = lab.start("sleep 300").await;
    let config = ExecConfig {
        argv: vec![
            "sh".into(),
            "-c".into(),
            "tty; read x; stty size; echo got $x".into(),
        ],
        stdin: true,
        tty: true,
    };
    let mut exec = lab.runtime.exec(&id, config).await.unwrap();
    exec.terminal.as_ref().unwrap().resize(33, 99).unwrap();
    exec.stdin
        .as_mut()
        .unwrap()
        .write_all(b"milk\n")
        .await
        .unwrap();
    let mut text = String::new();
    exec.stdout
        .as_mut()
        .unwrap()
        .read_to_string(&mut text)
        .await
        .unwrap();
    assert!(text.contains("33 99"), "{text}");
    assert!(text.contains("got milk"), "{text}");
    assert_eq!(exec.process.wait().await.unwrap(), 0);
}

#[tokio::test]
async fn a_dropped_exec_is_killed() {
    let lab = Lab::new().await;
    let id = lab.start("sleep 300").await;
    let config = ExecConfig {
        argv: vec!["sh".into(), "-c".into(), "echo $$; sleep 300".into()],
        ..ExecConfig::default()
    };
    let mut exec = lab.runtime.exec(&id, config).await.unwrap();
    let mut line = vec![0; 32];
    let n = exec.stdout.as_mut().unwrap().read(&mut line).await.unwrap();
    let pid: i32 = std::str::from_utf8(&line[..n])
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(alive(pid));
    drop(exec);
    for _ in 0..100 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{pid} lives");
}

#[tokio::test]
async fn a_termination_message_comes_from_its_file_or_from_the_log() {
    let lab = Lab::new().await;
    let mut config = shell("echo -n last words > $CEDGE_TERMINATION_LOG");
    config.termination_from_log = true;
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    assert_eq!(lab.end(&id).await.message.as_deref(), Some("last words"));
    let mut config = shell("echo it broke; exit 1");
    config.termination_from_log = true;
    config.attempt = 1;
    let id = lab.create(config).await;
    lab.runtime.start_container(&id).await.unwrap();
    assert_eq!(lab.end(&id).await.message.as_deref(), Some("it broke\n"));
}

#[tokio::test]
async fn a_long_log_is_begun_anew_and_old_parts_are_dropped() {
    let lab = Lab::with(|o| o.log_bytes_max = 20_000).await;
    let id = lab
        .start("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done")
        .await;
    lab.end(&id).await;
    let log = lab.log(&id).await;
    assert!(log.ends_with("line 4999\n"));
    assert!(log.len() < 100_000 && !log.contains("line 0\n"));
    let parts = fs::read_dir(lab.runtime.log_path(&id).unwrap().parent().unwrap()).unwrap();
    let parts = parts.filter(|e| {
        e.as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with("log")
    });
    assert_eq!(parts.count(), 5);
}

/// A volume for container `a`, with one file.
fn volume(lab: &Lab, name: &str, target: &str) -> VolumeMount {
    let source = lab.runtime.volumes_dir("u1").join(name);
    fs::create_dir_all(&source).unwrap();
    fs::set_permissions(&source, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(source.join("file"), "content\n").unwrap();
    VolumeMount {
        volume: name.into(),
        source,
        sub_path: None,
        target: target.into(),
        read_only: false,
    }
}

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

impl Lab {
    async fn start_again(&self, script: &str) -> ContainerId {
        let mut config = shell(script);
        config.attempt = 1;
        let id = self.create(config).await;
        self.runtime.start_container(&id).await.unwrap();
        id
    }
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
async fn what_a_container_uses_is_counted() {
    let lab = Lab::new().await;
    let id = lab
        .start("i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo up; sleep 300")
        .await;
    lab.says(&id, "up").await;
    let usage = lab.runtime.usage(&id).await.unwrap();
    assert!(
        usage.memory > 50_000 && usage.cpu > Duration::ZERO,
        "{usage:?}"
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

#[tokio::test]
async fn a_removed_sandbox_leaves_nothing_behind() {
    let lab = Lab::new().await;
    let id = lab.start("sleep 300").await;
    assert!(
        lab.runtime.remove_sandbox("u1").await.is_err(),
        "it still runs"
    );
    lab.runtime
        .stop_container(&id, Duration::ZERO)
        .await
        .unwrap();
    lab.runtime.remove_sandbox("u1").await.unwrap();
    assert!(lab.runtime.sandboxes().await.unwrap().is_empty());
    assert!(!lab.options.data_dir.join("pods/u1").exists());
}

/// All of the above once more as a user without rights, in a process of its own.
#[test]
fn a_user_without_rights_gets_the_same_as_far_as_it_goes() {
    use std::os::unix::process::CommandExt as _;
    if !is_root() || std::env::var_os("CEDGE_TEST_INNER").is_some() {
        return;
    }
    let dir = std::env::temp_dir().join(format!("cedge-nobody-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(65534), Some(65534)).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .uid(65534)
        .gid(65534)
        .current_dir(&dir)
        .env("TMPDIR", &dir)
        .env("HOME", &dir)
        .env("CEDGE_TEST_INNER", "1")
        .args(["--test-threads", "4"])
        .output();
    fs::remove_dir_all(&dir).unwrap();
    let output = match output {
        // The way to this program leads through a directory that is closed to others: nothing to be learnt here.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
