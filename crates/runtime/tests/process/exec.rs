//! Commands in a container that runs.

use cedge_runtime::{ExecConfig, Runtime as _};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::lab::{Lab, alive};

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
