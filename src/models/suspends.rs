//! A mailbox that is suspended while somebody sends to it or waits in it.
//!
//! Guarantees: what came in is received after it was resumed, and a receiver that waits is woken for it; nothing is
//! taken while it is suspended; an end ends the wait.

use super::*;

#[test]
fn a_send_meets_suspend_and_resume() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let receiver = spawn(&m, move |m| m.wait(a).map(|message| message.tag));
        let sender = spawn(&m, move |m| m.send(a, 1));
        m.store.suspend(a).unwrap();
        m.store.resume(a).unwrap();
        sender.join().unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
    });
}

#[test]
fn nothing_is_taken_while_it_is_suspended() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        let receiver = spawn(&m, move |m| m.wait(a).map(|message| message.tag));
        m.store.suspend(a).unwrap();
        let before = m.stats(a).delivered;
        m.send(a, 1);
        assert_eq!((before, m.stats(a).delivered), (0, 0));
        m.store.resume(a).unwrap();
        assert_eq!(receiver.join().unwrap(), Ok(1));
    });
}

#[test]
fn an_end_meets_a_wait_in_a_suspended_mailbox() {
    explore(|| {
        let m = meeting();
        let a = m.open();
        m.send(a, 1);
        m.store.suspend(a).unwrap();
        let receiver = spawn(&m, move |m| m.wait(a).map(|message| message.tag));
        let resumer = spawn(&m, move |m| m.store.resume(a));
        m.end(a);
        resumer.join().unwrap().or_else(|error| if error == Error::NoProc { Ok(()) } else { Err(error) }).unwrap();
        assert!(matches!(receiver.join().unwrap(), Ok(1) | Err(Error::Closed)));
    });
}
