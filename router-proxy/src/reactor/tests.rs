use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::{Reactor, Watched};

/// More than any of these tests may take.
const LONG: Option<Duration> = Some(Duration::from_secs(60));

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_nonblocking(true).unwrap();
    (here, there)
}

fn watched(socket: UnixStream) -> Watched<UnixStream> {
    Watched::new(socket).unwrap().unwrap()
}

fn read(socket: &Watched<UnixStream>) -> std::io::Result<Vec<u8>> {
    let mut buffer = [0; 16];
    let read = socket.try_read(16, |mut socket| socket.read(&mut buffer))?;
    Ok(buffer[..read].to_vec())
}

/// Waits until something is due.
fn due(reactor: &mut Reactor) -> Vec<usize> {
    let mut due = Vec::new();
    while due.is_empty() {
        reactor.wait(LONG, &mut due).unwrap();
    }
    due.dedup();
    due
}

#[test]
fn an_owner_has_its_turn_and_the_end_is_not_forgotten_with_what_came_before_it() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.enter();
    let (here, mut there) = pair();
    let socket = watched(here);
    socket.set_owner(Some(7));
    assert!(read(&socket).is_err());
    assert!(!socket.may_be_read());
    there.write_all(b"last words").unwrap();
    drop(there);
    assert_eq!(due(&mut reactor), [7]);
    assert_eq!(read(&socket).unwrap(), b"last words");
    assert!(socket.may_be_read());
    assert_eq!(read(&socket).unwrap(), b"");
}

#[test]
fn one_that_is_full_can_be_written_to_once_the_other_end_has_read() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.enter();
    let (here, mut there) = pair();
    let socket = watched(here);
    socket.set_owner(Some(0));
    let piece = [0; 65536];
    let write = |socket: &Watched<UnixStream>| {
        socket.try_write(piece.len(), |mut socket| socket.write(&piece))
    };
    let mut sent = 0;
    while let Ok(n) = write(&socket) {
        sent += n;
    }
    assert!(write(&socket).is_err());
    there.read_exact(&mut vec![0; sent]).unwrap();
    assert_eq!(due(&mut reactor), [0]);
    assert!(write(&socket).is_ok());
}

#[test]
fn it_is_no_news_that_the_other_end_has_read() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.enter();
    let (here, mut there) = pair();
    let socket = watched(here);
    socket.set_owner(Some(0));
    assert!(read(&socket).is_err());
    let news = |reactor: &mut Reactor, there: &mut UnixStream| {
        let written = socket.try_write(5, |mut socket| socket.write(b"hello"));
        assert_eq!(written.unwrap(), 5);
        there.read_exact(&mut [0; 5]).unwrap();
        let mut news = Vec::new();
        reactor.wait(Some(Duration::ZERO), &mut news).unwrap();
        news.len()
    };
    assert_eq!(news(&mut reactor, &mut there), 0);
    // But for one that was full.
    let piece = [0; 65536];
    let mut sent = 0;
    while let Ok(n) = socket.try_write(piece.len(), |mut socket| socket.write(&piece)) {
        sent += n;
    }
    there.read_exact(&mut vec![0; sent]).unwrap();
    assert_eq!(due(&mut reactor), [0]);
    assert_eq!(news(&mut reactor, &mut there), 0);
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn whoever_waits_for_one_without_an_owner_is_woken_and_nobody_for_one_that_is_gone() {
    let mut reactor = Reactor::new().unwrap();
    let _entered = reactor.enter();
    let (here, mut there) = pair();
    let socket = watched(here);
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    assert!(read(&socket).is_err());
    assert!(socket.poll_read_ready(&mut cx).is_pending());
    there.write_all(b"a").unwrap();
    let mut nobody = Vec::new();
    while count.0.load(Ordering::SeqCst) == 0 {
        reactor.wait(LONG, &mut nobody).unwrap();
    }
    assert!(socket.poll_read_ready(&mut cx).is_ready());
    assert_eq!(read(&socket).unwrap(), b"a");
    // Off the reactor, it goes on; its place is the next one's.
    socket.set_owner(Some(1));
    let here = socket.into_inner();
    there.write_all(b"b").unwrap();
    let (other, mut peer) = pair();
    let other = watched(other);
    other.set_owner(Some(2));
    peer.write_all(b"c").unwrap();
    assert_eq!(due(&mut reactor), [2]);
    assert!(nobody.is_empty());
    let here = watched(here);
    assert_eq!(read(&here).unwrap(), b"b");
}

#[test]
fn another_thread_ends_its_sleep() {
    let mut reactor = Reactor::new().unwrap();
    let rouser = reactor.rouser().unwrap();
    let rousing = std::thread::spawn(move || {
        rouser.wake().unwrap();
        rouser
    });
    let mut due = Vec::new();
    reactor.wait(None, &mut due).unwrap();
    assert!(due.is_empty());
    drop(rousing.join().unwrap());
}

#[test]
fn where_there_is_no_reactor_the_socket_comes_back() {
    let (here, _there) = pair();
    assert!(Watched::new(here).is_err());
}
