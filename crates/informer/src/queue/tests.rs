use super::*;

async fn idle(queue: &Queue<u32>) -> bool {
    tokio::time::timeout(Duration::from_millis(1), queue.next())
        .await
        .is_err()
}

#[tokio::test(start_paused = true)]
async fn a_key_added_many_times_is_taken_once() {
    let queue = Queue::new("test");
    for key in [1, 2, 1, 1] {
        queue.add(key);
    }
    assert_eq!(*queue.next().await.key(), 1);
    assert_eq!(*queue.next().await.key(), 2);
    assert!(idle(&queue).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_added_during_its_work_is_taken_again_afterwards_only() {
    let queue = Queue::new("test");
    queue.add(1);
    let lease = queue.next().await;
    queue.add(1);
    assert!(idle(&queue).await);
    drop(lease);
    assert_eq!(*queue.next().await.key(), 1);
    assert!(idle(&queue).await);
}

#[tokio::test(start_paused = true)]
async fn of_two_waits_the_shorter_counts_and_fires_on_time() {
    let queue = Queue::new("test");
    let start = Instant::now();
    queue.add_after(1, Duration::from_secs(30));
    queue.add_after(1, Duration::from_secs(10));
    queue.add_after(1, Duration::from_secs(20));
    queue.add_after(2, Duration::from_secs(15));
    drop(queue.next().await);
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(queue.next().await);
    assert_eq!(start.elapsed().as_secs(), 15);
    assert!(idle(&queue).await);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_waits_hears_of_an_earlier_deadline() {
    let queue: Queue<u32> = Queue::new("test");
    queue.add_after(1, Duration::from_secs(1000));
    let start = Instant::now();
    let adder = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        queue.add_after(2, Duration::from_secs(1));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        lease = queue.next() => assert_eq!(*lease.key(), 2),
        () = adder => {}
    }
    assert_eq!(start.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_twice_as_long_each_time_until_forgotten() {
    let queue = Queue::with_backoff("test", Duration::from_secs(1), Duration::from_secs(4));
    for expected in [1, 2, 4, 4] {
        let start = Instant::now();
        queue.retry(7);
        drop(queue.next().await);
        assert_eq!(start.elapsed().as_secs(), expected);
    }
    queue.forget(&7);
    assert_eq!(queue.retry(7), 1);
}
