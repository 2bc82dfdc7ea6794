//! A runtime of its own for each test, and what is run in it.

use cedge_pod_lifecycle::{ContainerId, Exit, State};
use cedge_runtime::{
    ContainerConfig, ExecConfig, Options, ProcessRuntime, Runtime as _, SandboxConfig, VolumeMount,
    logs,
};
use futures::FutureExt as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

/// A runtime with a directory of its own, which is taken away with everything that runs.
pub(crate) struct Lab {
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) runtime: ProcessRuntime,
}

impl Lab {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
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

    pub(crate) async fn sandbox(&self) {
        self.runtime.run_sandbox(sandbox()).await.unwrap();
    }

    pub(crate) async fn create(&self, config: ContainerConfig) -> ContainerId {
        self.sandbox().await;
        self.runtime.create_container("u1", config).await.unwrap()
    }

    /// Starts `script` by a shell as container `a`.
    pub(crate) async fn start(&self, script: &str) -> ContainerId {
        let id = self.create(shell(script)).await;
        self.runtime.start_container(&id).await.unwrap();
        id
    }

    pub(crate) async fn state(&self, id: &ContainerId) -> State {
        let seen = self.runtime.seen("u1").await.unwrap();
        seen.containers
            .into_iter()
            .find(|c| c.id == *id)
            .unwrap()
            .state
    }

    /// Waits for the end.
    pub(crate) async fn end(&self, id: &ContainerId) -> Exit {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.runtime.wait(id));
        wait.await.expect("it should end");
        match self.state(id).await {
            State::Exited(exit) => exit,
            other => panic!("{id} is {other:?}"),
        }
    }

    pub(crate) async fn log(&self, id: &ContainerId) -> String {
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
    pub(crate) async fn run(&self, script: &str) -> String {
        let id = self.start(script).await;
        let exit = self.end(&id).await;
        let log = self.log(&id).await;
        assert_eq!(exit.code, 0, "{script}: {log}");
        log
    }

    /// Waits for a line in the log.
    pub(crate) async fn says(&self, id: &ContainerId, word: &str) {
        for _ in 0..500 {
            if self.log(id).await.contains(word) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{id} never said {word:?}: {}", self.log(id).await);
    }

    pub(crate) async fn exec(&self, id: &ContainerId, argv: &[&str]) -> (i32, String) {
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

impl Lab {
    pub(crate) async fn start_again(&self, script: &str) -> ContainerId {
        let mut config = shell(script);
        config.attempt = 1;
        let id = self.create(config).await;
        self.runtime.start_container(&id).await.unwrap();
        id
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

pub(crate) fn sandbox() -> SandboxConfig {
    SandboxConfig {
        uid: "u1".into(),
        namespace: "default".into(),
        name: "web".into(),
        hostname: "web".into(),
        ..SandboxConfig::default()
    }
}

pub(crate) fn shell(script: &str) -> ContainerConfig {
    ContainerConfig {
        name: "a".into(),
        image: "process".into(),
        argv: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("GREETING".into(), "hello".into())],
        ..ContainerConfig::default()
    }
}

pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

pub(crate) fn alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A volume for container `a`, with one file.
pub(crate) fn volume(lab: &Lab, name: &str, target: &str) -> VolumeMount {
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
