use super::*;

/// Notes what is written.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<String>>);

impl Noted {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Outgoing for Noted {
    fn get(&self, _: &str) -> Option<Bytes> {
        None
    }

    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    fn acked(&self, _: &str) -> bool {
        true
    }

    fn is_given(&self, _: &str) -> bool {
        false
    }

    fn put<'a>(&'a self, key: &'a str, value: Bytes) -> BoxFuture<'a, Result<(), PortError>> {
        let said = format!("{key}={}", String::from_utf8_lossy(&value));
        self.0.lock().unwrap().push(said);
        async { Ok(()) }.boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        self.0.lock().unwrap().push(format!("-{key}"));
        async { Ok(()) }.boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_metered_child_reports_the_latest_and_seldom() {
    let table = Arc::new(Noted::default());
    let (told, pace) = watch::channel(Pace::default());
    let (_stop, shutdown) = cedge_tasks::shutdown();
    let paced = Paced::start(table.clone(), pace, &Group::new(shutdown));
    let put = async |key: &str, value: &'static str| paced.put(key, value.into()).await.unwrap();
    put("a", "1").await;
    assert_eq!(table.all(), ["a=1"], "unpaced it is written at once");
    told.send_replace(Pace {
        report: Duration::from_secs(60),
        ..Pace::default()
    });
    put("a", "2").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(table.all().len(), 2, "the first after a rest goes at once");
    for value in ["3", "4", "5"] {
        put("a", value).await;
        put("b", value).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(paced.get("a").unwrap(), "5", "it is known here");
    assert!(!paced.acked("a"));
    assert_eq!(table.all().len(), 2);
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!(table.all()[2..], ["a=5", "b=5"], "the latest, together");
    put("b", "6").await;
    paced.remove("b").await.unwrap();
    put("a", "7").await;
    told.send_replace(Pace::default());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        table.all()[4..],
        ["-b", "a=7"],
        "a quicker pace acts at once"
    );
}

#[test]
fn a_link_bears_nearly_two_heartbeats_of_silence() {
    let usual = Duration::from_secs(45);
    assert_eq!(silence(None, usual), usual);
    assert_eq!(silence(Some(25), Duration::ZERO), usual);
    assert_eq!(silence(Some(600), usual), Duration::from_secs(1080));
}
