//! The wire between a child and its parent, in the test's hand.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A relay on loopback that can be cut.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    cut: Arc<AtomicBool>,
    live: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    /// A wire to `to`.
    ///
    /// # Panics
    /// If there is no free port.
    #[must_use]
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound socket has an address");
        let (cut, live) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (is_cut, kept) = (cut.clone(), live.clone());
        std::thread::spawn(move || {
            for here in listener.incoming().flatten() {
                if !is_cut.load(Ordering::SeqCst)
                    && let Ok(there) = TcpStream::connect(to)
                {
                    let mut kept = kept.lock().expect("no thread panics with it");
                    kept.extend([here.try_clone(), there.try_clone()].into_iter().flatten());
                    drop(kept);
                    carry(&here, &there);
                    carry(&there, &here);
                }
            }
        });
        Self { address, cut, live }
    }

    /// Where the child dials.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Severs every connection now, refuses new ones.
    ///
    /// # Panics
    /// If a thread of the wire panicked.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for stream in self
            .live
            .lock()
            .expect("no thread panics with it")
            .drain(..)
        {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets it through again.
    pub fn heal(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

fn carry(from: &TcpStream, to: &TcpStream) {
    let (Ok(mut from), Ok(mut to)) = (from.try_clone(), to.try_clone()) else {
        return;
    };
    std::thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
