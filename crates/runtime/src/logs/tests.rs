use std::io::Write as _;

use futures::FutureExt as _;

use super::*;

fn file(name: &str, parts: &[&[&str]]) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("cedge-logs-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join("log");
    for (i, lines) in parts.iter().rev().enumerate() {
        let part = if i == 0 {
            path.clone()
        } else {
            older(&path, i)
        };
        let mut file = File::create(part).unwrap();
        for line in *lines {
            let (at, said) = line.split_once(' ').unwrap();
            writeln!(file, "2026-01-01T00:00:{at}.000000000Z stdout F {said}").unwrap();
        }
    }
    path
}

async fn read(path: &Path, wanted: Wanted) -> String {
    let (to, mut from) = mpsc::channel(100);
    send(path.to_owned(), wanted, async {}.boxed(), to).await;
    let mut text = Vec::new();
    while let Some(piece) = from.recv().await {
        text.extend_from_slice(&piece.unwrap());
    }
    String::from_utf8(text).unwrap().replace('\n', ",")
}

#[tokio::test]
async fn tail_reaches_into_older_parts() {
    let path = file("tail", &[&["01 a", "02 b"], &["03 c"], &["04 d", "05 e"]]);
    for (tail, text) in [
        (None, "a,b,c,d,e,"),
        (Some(0), ""),
        (Some(1), "e,"),
        (Some(2), "d,e,"),
        (Some(3), "c,d,e,"),
        (Some(4), "b,c,d,e,"),
        (Some(9), "a,b,c,d,e,"),
    ] {
        let wanted = Wanted {
            tail,
            ..Wanted::default()
        };
        assert_eq!(read(&path, wanted).await, text, "{tail:?}");
    }
}

#[tokio::test]
async fn since_timestamps_and_limit_are_honoured() {
    let path = file("since", &[&["01 a", "02 b", "03 c"]]);
    let since = Wanted {
        since: Some("2026-01-01T00:00:02Z".parse().unwrap()),
        ..Wanted::default()
    };
    assert_eq!(read(&path, since).await, "b,c,");
    let stamped = Wanted {
        timestamps: true,
        tail: Some(1),
        ..Wanted::default()
    };
    assert_eq!(
        read(&path, stamped).await,
        "2026-01-01T00:00:03.000000000Z c,"
    );
    let limited = Wanted {
        limit_bytes: Some(3),
        ..Wanted::default()
    };
    assert_eq!(read(&path, limited).await, "a,b");
}

#[tokio::test]
async fn following_sees_what_is_added_and_a_new_part() {
    let path = file("follow", &[&["01 a"]]);
    let (to, mut from) = mpsc::channel(100);
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let wanted = Wanted {
        follow: true,
        ..Wanted::default()
    };
    let reader = tokio::task::LocalSet::new();
    let task = send(path.clone(), wanted, ended.map(|_| ()).boxed(), to);
    reader.spawn_local(task);
    reader
        .run_until(async {
            assert_eq!(from.recv().await.unwrap().unwrap(), "a\n");
            std::fs::rename(&path, older(&path, 1)).unwrap();
            std::fs::write(&path, "2026-01-01T00:00:02Z stdout F b\n").unwrap();
            assert_eq!(from.recv().await.unwrap().unwrap(), "b\n");
            end.send(()).unwrap();
            assert!(from.recv().await.is_none());
        })
        .await;
}
