use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::*;
use crate::ports::PortError;

/// The table of one child; only that it is another one matters.
#[derive(Debug)]
struct Silent(#[expect(dead_code, reason = "gives each an address of its own")] u8);

impl Incoming for Silent {
    fn get(&self, _: &str) -> Option<Bytes> {
        None
    }

    fn keys(&self) -> Vec<String> {
        Vec::new()
    }

    fn regressed(&self) -> Vec<String> {
        Vec::new()
    }

    fn next(&self) -> BoxFuture<'_, Change> {
        std::future::pending().boxed()
    }

    fn done<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<(), PortError>> {
        async { Ok(()) }.boxed()
    }

    fn forget<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), PortError>> {
        async { Ok(()) }.boxed()
    }

    fn again(&self, _: &str) {}
}

#[test]
fn a_child_that_took_the_name_of_another_is_listened_to() {
    let plant: ClusterName = "plant-7".parse().unwrap();
    let of = |reports: &Arc<dyn Incoming>| BTreeMap::from([(plant.clone(), reports.clone())]);
    let first: Arc<dyn Incoming> = Arc::new(Silent(1));
    let second: Arc<dyn Incoming> = Arc::new(Silent(2));
    let (until_first, listening_to_first) = std::sync::mpsc::sync_channel::<()>(0);
    let mut heard = Heard::default();
    assert_eq!(heard.forget_others(of(&first)).len(), 1);
    heard.add(plant.clone(), first.clone(), until_first);
    assert!(
        heard.forget_others(of(&first)).is_empty(),
        "one listener a table"
    );
    let new = heard.forget_others(of(&second));
    assert!(Arc::ptr_eq(&new[&plant], &second));
    assert_eq!(
        listening_to_first.try_recv(),
        Err(std::sync::mpsc::TryRecvError::Disconnected),
        "nobody listens to the evicted one any more"
    );
}
