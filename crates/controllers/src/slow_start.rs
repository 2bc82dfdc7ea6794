//! Many equal writes, carefully: one, then two, then four at a time, until one fails. A quota or a broken webhook then
//! costs one refused request instead of hundreds.

use futures::future::join_all;

/// Calls `write` up to `count` times; returns how often it worked and the first error.
pub(crate) async fn slow_start<F, R, E>(count: usize, mut write: F) -> (usize, Option<E>)
where
    F: FnMut(usize) -> R,
    R: Future<Output = Result<(), E>>,
{
    let (mut done, mut batch) = (0, 1);
    while done < count {
        let size = batch.min(count - done);
        let results = join_all((done..done + size).map(&mut write)).await;
        let worked = results.iter().filter(|r| r.is_ok()).count();
        if let Some(error) = results.into_iter().find_map(Result::err) {
            return (done + worked, Some(error));
        }
        done += size;
        batch *= 2;
    }
    (done, None)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn a_failure_stops_after_its_batch() {
        let calls = Cell::new(0);
        let (done, error) = slow_start(100, |i| {
            calls.set(calls.get() + 1);
            async move { if i == 4 { Err("no") } else { Ok(()) } }
        })
        .await;
        assert_eq!((done, error, calls.get()), (6, Some("no"), 7));
        let (done, error) = slow_start(10, |_| async { Ok::<(), ()>(()) }).await;
        assert_eq!((done, error), (10, None));
    }
}
